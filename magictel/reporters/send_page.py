"""The page of `send-sample`: for each target what was sent, accepted and found, every loss with its reason, the verdict last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from magictel.model.events import (
    ReplayFinished,
    RunCleaned,
    RunCounted,
    SendFinished,
    SendOutcome,
    SendResult,
    SendStarted,
    SourceReport,
)
from magictel.model.finding import Rung, Status
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.model.timing import Timing
from magictel.model.verification import Verification
from magictel.reporters.check_page import write_header, write_rung, write_verdict, write_way_out
from magictel.reporters.differences import shown_difference
from magictel.reporters.humanize import many, named, span
from magictel.reporters.layout import Sheet
from magictel.reporters.remedies import known
from magictel.reporters.retries import retried
from magictel.reporters.send_verdict import held_of, overall
from magictel.reporters.testcases import MAY_BE_STORED, doubtful, telling
from magictel.reporters.timing import advice

_SHOWN = 5
"""Differences shown for each target; the JSON report has all."""
_EXAMPLE = 130
"""Characters shown of a reason's example: it names one point."""
_AT_ONCE = 0.01

_COLOUR = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red"}
_ORDER = (Status.FAIL, Status.BLOCKED, Status.WARN, Status.PASS, Status.SKIPPED)
_FATES = {
    Fate.UNCONFIRMED: Status.WARN,
    Fate.REJECTED: Status.FAIL,
    Fate.DROPPED: Status.FAIL,
    Fate.KEPT: Status.FAIL,
    Fate.WITHHELD: Status.SKIPPED,
    Fate.DELIVERED: Status.SKIPPED,
}


def write_start(sheet: Sheet, started: SendStarted) -> None:
    """`run 3f9c21  12 points of 6 metrics`."""
    to = f" to each of {len(started.targets)} targets" if len(started.targets) > 1 else ""
    sheet.row(
        [(f"run {started.run_id}", "bold"), ("  ", "")],
        f"{many(started.points, 'point')} of {many(started.metrics, 'metric')}{to}",
    )
    sheet.flush()


def write_block(sheet: Sheet, result: SendResult, *, alone: bool = True) -> None:
    """One target: where, the way of the points, then what failed, what warns, and what is only worth knowing.

    An empty line comes before it among others.
    """
    if not alone:
        sheet.blank()
    write_header(sheet, result.target, result.exporter, result.endpoint)
    held = held_of(result.outcome)
    sheet.row([("  ", ""), (sheet.signs.held[held], sheet.signs.style[held]), (" ", "")], _way(sheet, result))
    for _, write in sorted(_notes(result), key=lambda note: _ORDER.index(note[0])):
        write(sheet)
    if result.timing is not None:
        _write_timing(sheet, result.timing)
    sheet.flush()


def _notes(result: SendResult) -> Iterator[tuple[Status, Callable[[Sheet], None]]]:
    """What stands under the way of the points, each with how bad it is."""
    stopped = {finding.code for finding in result.findings if finding.outcome is Status.FAIL}
    for finding in result.findings:
        # What a backend would do to values is no advice while it takes none.
        if result.receipt.delivered or finding.outcome is Status.FAIL or finding.rung is not Rung.WRITE:
            yield finding.outcome, partial(write_rung, finding=finding)
    for reason in result.receipt.reasons:
        if reason.fate is not Fate.DROPPED or reason.code not in stopped:
            yield _FATES[reason.fate], partial(_write_reason, reason=reason, result=result)
    if (attempts := retried(result.receipt)) is not None:
        yield Status.SKIPPED, _note(Status.SKIPPED, "retried", attempts, (), None)
    if result.verification is not None:
        yield from _verification(result.verification, result)
    elif result.outcome is SendOutcome.UNVERIFIED:
        said = [result.message or ""]
        yield Status.WARN, _note(Status.WARN, "unverified", result.code, said, result.remedy)


def write_counted(sheet: Sheet, counted: RunCounted) -> None:
    """Said before anything is deleted."""
    sheet.row(
        [(counted.target, "bold"), ("  ", "")], f"{many(counted.count, 'item')} of run {counted.run_id} to delete"
    )
    sheet.flush()


def write_cleaned(sheet: Sheet, cleaned: RunCleaned) -> None:
    """What a clean-up did."""
    held = Status.PASS if cleaned.held else Status.FAIL
    if cleaned.found is None:
        text = f"nothing deleted: {cleaned.message}"
    elif cleaned.held:
        text = f"deleted {cleaned.deleted}"
    else:
        text = f"deleted {cleaned.deleted} of {cleaned.found}" + (f": {cleaned.message}" if cleaned.message else "")
    sheet.row(
        [(cleaned.target, "bold"), ("  ", ""), (sheet.signs.held[held], sheet.signs.style[held]), (" ", "")], text
    )
    write_way_out(sheet, cleaned.code, cleaned.remedy)
    sheet.flush()


def write_end(
    sheet: Sheet, targets: Sequence[str], finished: SendFinished | None, cleaned: Sequence[RunCleaned]
) -> None:
    """The last line: the verdict over all."""
    held = Status.PASS
    words = []
    seconds = None
    if finished is not None:
        held = Status.FAIL if finished.interrupted else held_of(finished.outcome)
        words.append(overall(targets, finished))
        seconds = finished.seconds
    if cleaned:
        left = [run.target for run in cleaned if not run.held]
        held = Status.FAIL if left else held
        words.append(
            f"not cleaned: {named(left)}"
            if left
            else f"cleaned, {many(sum(run.deleted for run in cleaned), 'item')} deleted"
        )
    if isinstance(finished, ReplayFinished):
        _write_source(sheet, finished.source)
    if words:
        if len(targets) > 1:
            sheet.blank()
        write_verdict(sheet, "; ".join(words), _COLOUR[held], seconds)
    sheet.flush()


def _write_source(sheet: Sheet, source: SourceReport) -> None:
    """What of a recording was not sent, or probably not as it was meant."""
    if source.skipped:
        held = Status.WARN if source.lost else Status.SKIPPED
        examples = [f"for example {example}" for example in source.examples[:1]]
        said = [*map(str, source.reasons), *examples]
        _trouble(sheet, held, f"skipped {source.skipped}", source.code, said, None)
    for warning in source.warnings:
        _trouble(sheet, Status.WARN, "doubtful", "source.doubtful", [warning], None)


def _way(sheet: Sheet, result: SendResult) -> str:
    """`sent 12 → accepted 11, rejected 1 → found 11, equal 9, altered 2   visible after 1.03 s`."""
    receipt, seen = result.receipt, result.verification
    if not receipt.sent:
        return "nothing was left to send"
    if not receipt.attempts and receipt.undelivered == receipt.sent:
        return f"nothing was sent: all {many(receipt.sent, 'point')} undelivered"
    steps = [f"sent {receipt.sent}", _counted(accepted=receipt.delivered, **_fates(receipt))]
    if seen is not None and (seen.found or not seen.code):
        equal = max(0, seen.found - seen.altered - seen.unverified - seen.by_count)
        steps.append(
            _counted(
                found=seen.found,
                equal=equal,
                counted=seen.by_count,
                missing=seen.missing,
                altered=seen.altered,
                duplicated=seen.duplicated,
                unverified=seen.unverified,
            )
            + (f", {many(seen.repeats, 'repeat')}" if seen.repeats else "")
        )
    way = f" {sheet.signs.arrow} ".join(steps)
    visible = seen.time_to_visible if seen is not None else None
    if visible is None:
        return way
    return f"{way}   visible " + ("at once" if visible < _AT_ONCE else f"after {visible:.2f} s")


def _fates(receipt: Receipt) -> dict[str, int]:
    return {
        "unconfirmed": receipt.unconfirmed,
        "rejected": receipt.rejected,
        "withheld": receipt.withheld,
        "kept": receipt.kept,
        "dropped": receipt.dropped,
    }


def _counted(**counts: int) -> str:
    first, *rest = counts.items()
    return ", ".join(f"{word} {count}" for word, count in (first, *(pair for pair in rest if pair[1])))


def _write_reason(sheet: Sheet, reason: Reason, result: SendResult) -> None:
    held = _FATES[reason.fate]
    said = [reason.message]
    if reason.example and reason.example not in reason.message:
        example = (
            reason.example if len(reason.example) <= _EXAMPLE else reason.example[:_EXAMPLE].rstrip() + sheet.signs.etc
        )
        said.append(f"for example {example}")
    if doubtful(reason):
        said.append(MAY_BE_STORED)
    remedy = result.remedy if reason.code == result.code else None
    _trouble(sheet, held, f"{reason.fate} {reason.count}", reason.code, said, remedy)


def _verification(seen: Verification, result: SendResult) -> Iterator[tuple[Status, Callable[[Sheet], None]]]:
    remedy = result.remedy
    if seen.missing and not seen.code:
        names = ", ".join(seen.missing_points[:_SHOWN]) + (" …" if seen.missing > _SHOWN else "")
        said = ["The backend accepted these points and answers queries, but did not show them in time:", names]
        yield Status.FAIL, _note(Status.FAIL, f"lost {seen.missing}", "verify.lost", said, remedy)
    altered = [difference for difference in seen.differences if difference.declared is None]
    if altered:
        shown = telling(altered)[:_SHOWN]
        said = [shown_difference(difference) for difference in shown]
        if len(altered) > len(shown):
            said.append(f"and {many(len(altered) - len(shown), 'more difference')} (--format json shows all)")
        yield Status.FAIL, _note(Status.FAIL, f"altered {seen.altered}", "verify.altered", said, remedy)
    if seen.duplicated:
        said = ["Points are shown more than once: a sum over them counts them twice."]
        yield Status.FAIL, _note(Status.FAIL, f"duplicated {seen.duplicated}", "verify.duplicated", said, remedy)
    if seen.code or seen.unverified:
        said = [seen.message or "The backend stores fields that it cannot show, so they cannot be compared."]
        what, code = f"unverified {seen.unverified or seen.expected}", seen.code or "verify.unreadable"
        yield Status.WARN, _note(Status.WARN, what, code, said, seen.remedy)
    yield Status.SKIPPED, partial(_write_declared, seen=seen)


def _write_declared(sheet: Sheet, seen: Verification) -> None:
    """One line for everything that the exporter declares it changes: no failure."""
    declared = [difference for difference in seen.differences if difference.declared is not None]
    if declared:
        forms = ", ".join(dict.fromkeys(str(difference.declared) for difference in declared))
        count = len({difference.point for difference in declared}) if seen.as_declared is None else seen.as_declared
        points = many(count, "point")
        lead = [("  ", ""), (sheet.signs.held[Status.SKIPPED], "dim"), (" expected loss  ", "dim")]
        sheet.row(lead, f"{forms} ({points})", style="dim")


def _write_timing(sheet: Sheet, timing: Timing) -> None:
    """A row for each step, then what to make of it."""
    sheet.row([("  ", ""), (sheet.signs.held[Status.SKIPPED], "dim"), (" timing", "")])
    for name, seconds in timing.steps():
        sheet.row([(f"      {name:<12}{span(seconds):>8}", "")])
    sheet.note(6, advice(timing))


def _note(
    held: Status, what: str, code: str | None, said: Sequence[str], remedy: str | None
) -> Callable[[Sheet], None]:
    return partial(_trouble, held=held, what=what, code=code, said=said, remedy=remedy)


def _trouble(sheet: Sheet, held: Status, what: str, code: str | None, said: Sequence[str], remedy: str | None) -> None:
    style = sheet.signs.style[held]
    sheet.row(
        [("  ", ""), (sheet.signs.held[held], style), (f" {what:<13} ", "dim" if held is Status.SKIPPED else "")],
        code or "",
    )
    for line in said:
        sheet.note(6, line)
    if held is Status.FAIL and not remedy:
        remedy = known(code)
    write_way_out(sheet, None if held is Status.SKIPPED else code, remedy)
