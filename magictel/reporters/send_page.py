"""The text output of `send-sample`: points sent, accepted and found per target, each loss with its reason, the verdict last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from magictel.model.events import (
    ReplayFinished,
    RunCleaned,
    RunCounted,
    SendOutcome,
    SendResult,
    SendStarted,
    SourceReport,
)
from magictel.model.finding import Rung, Status
from magictel.model.outcome import Fate, Reason
from magictel.model.timing import Timing
from magictel.model.verification import Verification
from magictel.reporters.check_page import place, write_header, write_rung, write_verdict, write_way_out
from magictel.reporters.evidence import attempts, shown_difference
from magictel.reporters.humanize import many, span
from magictel.reporters.layout import Sheet
from magictel.reporters.remedies import known
from magictel.reporters.results import Results
from magictel.reporters.testcases import MAY_BE_STORED, doubtful, read_back, telling, undeclared
from magictel.reporters.timing import advice
from magictel.reporters.verdict import clean_overall, send_overall, status_of

_SHOWN = 5
"""Differences shown per target; the JSON report has all."""
_EXAMPLE = 130
"""Maximum length of a reason's example, which names a point."""
_AT_ONCE = 0.01

_ORDER = (Status.FAIL, Status.BLOCKED, Status.WARN, Status.PASS, Status.SKIPPED)
_FATES = {
    Fate.UNCONFIRMED: Status.WARN,
    Fate.REJECTED: Status.FAIL,
    Fate.DROPPED: Status.FAIL,
    Fate.KEPT: Status.FAIL,
    Fate.WITHHELD: Status.SKIPPED,
    Fate.DELIVERED: Status.SKIPPED,
}

Note = tuple[Status, Callable[[Sheet], None]]
"""A note below the points' way: its status, which orders the notes, and what writes it."""


def write_start(sheet: Sheet, started: SendStarted) -> None:
    """Write `run 3f9c21  12 points of 6 metrics`."""
    to = f" to each of {len(started.targets)} targets" if len(started.targets) > 1 else ""
    sheet.row(
        [(f"run {started.run_id}", "bold"), ("  ", "")],
        f"{many(started.points, 'point')} of {many(started.metrics, 'metric')}{to}",
    )
    sheet.flush()


def write_block(sheet: Sheet, result: SendResult, *, alone: bool = True) -> None:
    """Write a target: its address, the points' way, then failures, warnings and remarks.

    Begin with an empty line if there are other targets.
    """
    if not alone:
        sheet.blank()
    write_header(sheet, result.target, result.exporter, result.endpoint)
    status = status_of(result.outcome)
    sheet.row(sheet.signed(status), _way(result))
    if result.read_from is not None and result.verification is not None:
        asked = result.read_from
        where = f"{asked.target}  {place(asked.target, asked.exporter, asked.endpoint)}"
        sheet.row([*sheet.signed(Status.SKIPPED), ("read back from  ", "dim")], where, style="dim")
    for _, write in sorted(_notes(result), key=lambda note: _ORDER.index(note[0])):
        write(sheet)
    if result.timing is not None:
        _write_timing(sheet, result.timing)
    sheet.flush()


def _notes(result: SendResult) -> Iterator[Note]:
    """Yield the notes below the points' way, each with its status."""
    stopped = {finding.code for finding in result.findings if finding.outcome is Status.FAIL}
    for finding in result.findings:
        # A warning about how a backend alters values is useless while it accepts none.
        if result.receipt.delivered or finding.outcome is Status.FAIL or finding.rung is not Rung.WRITE:
            yield finding.outcome, partial(write_rung, finding=finding)
    for reason in result.receipt.reasons:
        if reason.fate is not Fate.DROPPED or reason.code not in stopped:
            yield _reason(reason, result)
    if (tried := attempts(result.receipt)) is not None:
        yield _note(Status.SKIPPED, "attempts", tried, (), None)
    if result.verification is not None:
        yield from _verification(result.verification, result)
    elif result.outcome is SendOutcome.UNVERIFIED:
        lines = [result.message or ""]
        yield _note(Status.WARN, "unverified", result.code, lines, result.remedy)


def write_counted(sheet: Sheet, counted: RunCounted) -> None:
    """Write the number of items before they are deleted."""
    sheet.row(
        [(counted.target, "bold"), ("  ", "")], f"{many(counted.count, 'item')} of run {counted.run_id} to delete"
    )
    sheet.flush()


def write_cleaned(sheet: Sheet, cleaned: RunCleaned) -> None:
    """Write the result of a clean-up."""
    status = Status.PASS if cleaned.complete else Status.FAIL
    if cleaned.found is None:
        text = f"nothing deleted: {cleaned.message}"
    elif cleaned.complete:
        text = f"deleted {cleaned.deleted}"
    else:
        text = f"deleted {cleaned.deleted} of {cleaned.found}" + (f": {cleaned.message}" if cleaned.message else "")
    sheet.row([(cleaned.target, "bold"), *sheet.signed(status)], text)
    write_way_out(sheet, cleaned.code, cleaned.remedy)
    sheet.flush()


def write_end(sheet: Sheet, results: Results) -> None:
    """Write the last line: the verdict over all targets."""
    status, sentences = Status.PASS, []
    finished = results.send
    if finished is not None:
        status = Status.FAIL if finished.interrupted else status_of(finished.outcome)
        sentences.append(send_overall(results.targets, finished))
    if results.cleaned:
        status = status if all(run.complete for run in results.cleaned) else Status.FAIL
        sentences.append(clean_overall(results.cleaned))
    if isinstance(finished, ReplayFinished):
        _write_source(sheet, finished.source)
    if len(results.targets) > 1:
        sheet.blank()
    write_verdict(sheet, "; ".join(sentences), status, finished.seconds if finished is not None else None)


def _write_source(sheet: Sheet, source: SourceReport) -> None:
    """Write which points of a recording were not sent, or look wrong."""
    if source.skipped:
        status = Status.WARN if source.lost else Status.SKIPPED
        examples = [f"for example {example}" for example in source.examples[:1]]
        lines = [*map(str, source.reasons), *examples]
        _write_note(sheet, status, f"skipped {source.skipped}", source.code, lines, None)
    for warning in source.warnings:
        _write_note(sheet, Status.WARN, "doubtful", "source.doubtful", [warning], None)


def _way(result: SendResult) -> str:
    """Return `sent 12 → accepted 11, rejected 1 → found 11, equal 9, altered 2   visible after 1.03 s`."""
    receipt, seen = result.receipt, result.verification
    if not receipt.sent:
        return "nothing was sent" if result.outcome is SendOutcome.UNDELIVERED else "no points were left to send"
    if not receipt.attempts and receipt.undelivered == receipt.sent:
        return f"nothing was sent: all {many(receipt.sent, 'point')} undelivered"
    fates = {fate.value: getattr(receipt, fate.value) for fate in Fate if fate is not Fate.DELIVERED}
    steps = [f"sent {receipt.sent}", _counted(accepted=receipt.delivered, **fates)]
    if seen is not None and (counts := read_back(seen)):
        repeats = f", {many(seen.repeats, 'repeat')}" if seen.repeats else ""
        steps.append(_counted(**{name: count for name, count in counts.items() if name != "repeats"}) + repeats)
    way = " → ".join(steps)
    visible = seen.time_to_visible if seen is not None else None
    if visible is None:
        return way
    return f"{way}   visible " + ("at once" if visible < _AT_ONCE else f"after {visible:.2f} s")


def _counted(**counts: int) -> str:
    first, *rest = counts.items()
    return ", ".join(f"{word} {count}" for word, count in (first, *(pair for pair in rest if pair[1])))


def _reason(reason: Reason, result: SendResult) -> Note:
    lines = [reason.message]
    if reason.example and reason.example not in reason.message:
        cut = reason.example if len(reason.example) <= _EXAMPLE else reason.example[:_EXAMPLE].rstrip() + "…"
        lines.append(f"for example {cut}")
    if doubtful(reason):
        lines.append(MAY_BE_STORED)
    remedy = result.remedy if reason.code == result.code else None
    return _note(_FATES[reason.fate], f"{reason.fate} {reason.count}", reason.code, lines, remedy)


def _verification(seen: Verification, result: SendResult) -> Iterator[Note]:
    remedy = result.remedy
    if seen.missing and not seen.code:
        names = ", ".join(seen.missing_points[:_SHOWN]) + (" …" if seen.missing > _SHOWN else "")
        lines = ["The backend accepted these points and answers queries, but did not show the points in time:", names]
        yield _note(Status.FAIL, f"lost {seen.missing}", "verify.lost", lines, remedy)
    if altered := undeclared(seen):
        shown = telling(altered)[:_SHOWN]
        lines = [shown_difference(difference) for difference in shown]
        if len(altered) > len(shown):
            lines.append(f"and {many(len(altered) - len(shown), 'more difference')} (--format json shows all)")
        yield _note(Status.FAIL, f"altered {seen.altered}", "verify.altered", lines, remedy)
    if seen.duplicated:
        lines = ["The backend shows points more than once: sums count them twice."]
        yield _note(Status.FAIL, f"duplicated {seen.duplicated}", "verify.duplicated", lines, remedy)
    if seen.code or seen.unverified:
        lines = [seen.message or "The backend cannot show some stored fields, so they cannot be compared."]
        what, code = f"unverified {seen.unverified or seen.expected}", seen.code or "verify.unreadable"
        yield _note(Status.WARN, what, code, lines, seen.remedy)
    yield Status.SKIPPED, partial(_write_declared, seen=seen)


def _write_declared(sheet: Sheet, seen: Verification) -> None:
    """Write a line with the lossy forms that the exporter declares; they are no failure."""
    declared = [difference for difference in seen.differences if difference.declared is not None]
    if declared:
        forms = ", ".join(dict.fromkeys(str(difference.declared) for difference in declared))
        count = len({difference.point for difference in declared}) if seen.as_declared is None else seen.as_declared
        points = many(count, "point")
        sheet.row([*sheet.signed(Status.SKIPPED), ("expected loss  ", "dim")], f"{forms} ({points})", style="dim")


def _write_timing(sheet: Sheet, timing: Timing) -> None:
    """Write a row for each step, then the advice."""
    sheet.row([*sheet.signed(Status.SKIPPED), ("timing", "")])
    for name, seconds in timing.steps():
        sheet.row([(f"      {name:<12}{span(seconds):>8}", "")])
    sheet.note(6, advice(timing))


def _note(status: Status, what: str, code: str | None, lines: Sequence[str], remedy: str | None) -> Note:
    return status, partial(_write_note, status=status, what=what, code=code, lines=lines, remedy=remedy)


def _write_note(
    sheet: Sheet, status: Status, what: str, code: str | None, lines: Sequence[str], remedy: str | None
) -> None:
    style = "dim" if status is Status.SKIPPED else ""
    sheet.row([*sheet.signed(status), (f"{what:<13} ", style)], code or "")
    for line in lines:
        sheet.note(6, line)
    if status is Status.FAIL and not remedy:
        remedy = known(code)
    write_way_out(sheet, None if status is Status.SKIPPED else code, remedy)
