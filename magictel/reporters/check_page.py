"""The text output of `check`: a block per target, a line per rung, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from magictel.model.events import INTERRUPTED, CheckFinished, CheckOutcome, CheckResult
from magictel.model.finding import AFTER_UNTIL, UNPROVEN, Finding, Rung, Status
from magictel.reporters.evidence import lines
from magictel.reporters.humanize import every, many, named, span
from magictel.reporters.layout import Sheet
from magictel.reporters.remedies import segments

_NAME = 14
"""Width of the column with the rung's name."""
_ANSWERED = (Status.PASS, Status.WARN, Status.FAIL)
_SENTENCE = 200
"""Maximum length of a finding's message in the last line; the rung shows the whole."""


class Ladder:
    """A target's ladder, written rung by rung during the climb; rungs skipped for the same reason share a line."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._rungs: list[Finding] = []
        self._written = 0

    def begin(self, target: str, exporter: str, endpoint: str) -> None:
        """Write the header."""
        write_header(self._sheet, target, exporter, endpoint)
        self._sheet.flush()

    def add(self, finding: Finding) -> bool:
        """Take a finding and return whether something was written. A skipped rung waits for the next, which may share its line."""
        self._rungs.append(finding)
        groups = list(_lines(self._rungs))
        done = len(groups) if finding.outcome in _ANSWERED else len(groups) - 1
        return self._write(groups[:done])

    def end(self, result: CheckResult, *, alone: bool = True) -> None:
        """Write the remaining rungs and the verdict; add an empty line if other targets follow."""
        self._write(list(_lines(result.rungs)))
        write_verdict(self._sheet, verdict(result), _COLOUR[result.outcome], result.seconds)
        if not alone:
            self._sheet.blank()
        self._sheet.flush()

    def _write(self, groups: list[list[Finding]]) -> bool:
        new = groups[self._written :]
        for group in new:
            if len(group) == 1:
                write_rung(self._sheet, group[0])
            else:
                names = ", ".join(finding.rung for finding in group)
                _write_rung(self._sheet, group[0], f"{names}   ")
        self._written += len(new)
        self._sheet.flush()
        return bool(new)


def write_block(sheet: Sheet, result: CheckResult, *, alone: bool = True) -> None:
    """Write a target's whole ladder; add an empty line if there are other targets."""
    ladder = Ladder(sheet)
    ladder.begin(result.target, result.exporter, result.endpoint)
    ladder.end(result, alone=alone)


def write_header(sheet: Sheet, target: str, exporter: str, endpoint: str) -> None:
    """Write `prod-es  elasticsearch  https://es:9200`; the exporter only if it differs from the target's name."""
    words = [exporter] if exporter.replace("_", "-") != target.replace("_", "-") else []
    words += [endpoint] if endpoint else []
    sheet.row([(target, "bold"), ("  ", "")] if words else [(target, "bold")], "  ".join(words))


def write_rung(sheet: Sheet, finding: Finding) -> None:
    """Write a rung's line and, unless it passed, the evidence, the fix and where to read more."""
    _write_rung(sheet, finding, f"{finding.rung:<{_NAME}}")


def _write_rung(sheet: Sheet, finding: Finding, name: str) -> None:
    status = finding.outcome
    asked = status in _ANSWERED
    timed = asked and finding.seconds is not None and finding.rung is not Rung.CONFIG
    sign, style = sheet.signs.symbol[status], sheet.signs.style[status]
    sheet.row(
        [("  ", ""), (sign, style), (f" {name}", "" if asked else "dim")],
        finding.message,
        span(finding.seconds or 0.0) if timed else "",
        style="" if asked else "dim",
    )
    if status in (Status.WARN, Status.FAIL) or (status is Status.SKIPPED and finding.code):
        write_more(sheet, finding)


def write_more(sheet: Sheet, finding: Finding) -> None:
    """Write the lines below a finding: evidence, `fix:`, `more:`."""
    for line in lines(finding):
        sheet.note(6, line)
    write_way_out(sheet, finding.code, finding.remedy)


def write_way_out(sheet: Sheet, code: str | None, remedy: str | None) -> None:
    """Write `fix:`, with a command on its own line, and `more:`."""
    write_remedy(sheet, 6, remedy or "", "fix:   ")
    if code:
        sheet.note(6, f"magictel explain {code}", "more:  ")


def write_remedy(sheet: Sheet, indent: int, remedy: str, label: str) -> None:
    """Write a remedy's text, and its command on a separate line."""
    for text, _ in segments(remedy):
        sheet.note(indent, text, label)
        label = " " * len(label)


def verdict(result: CheckResult) -> str:
    """Return `elasticsearch OK, 1 warning` or `prod-es FAILED at tls: the certificate expired 3 days ago (tls.expired)`."""
    failed = _failed(result)
    warned = sum(finding.outcome is Status.WARN for finding in result.rungs)
    cut = _cut(result)
    if cut and not failed:
        return f"{result.target} was interrupted at {cut.rung}"
    if failed:
        more = f"; also at {', '.join(finding.rung for finding in failed[1:])}" if len(failed) > 1 else ""
        return f"{result.target} FAILED at {failed[0].rung}: {sentence(failed[0].message, failed[0].code)}{more}"
    if result.outcome is CheckOutcome.UNVERIFIED:
        why = next((rung for rung in result.rungs if rung.code == UNPROVEN), None)
        reason = sentence(why.message, why.code) if why else "skipped steps leave open whether it accepts data"
        return f"{result.target} UNVERIFIED: {reason}"
    ok = f"{result.target} OK{_up_to(result)}"
    return f"{ok}, {many(warned, 'warning')}" if warned else ok


def _up_to(result: CheckResult) -> str:
    """Return ` up to dns` if --until skipped the steps that prove a write."""
    cut = next((number for number, finding in enumerate(result.rungs) if AFTER_UNTIL in finding.message), 0)
    asked_for = result.rungs[cut].rung is not Rung.ROUND_TRIP
    return f" up to {result.rungs[cut - 1].rung}" if cut and asked_for else ""


def sentence(message: str, code: str | None) -> str:
    """Return the message followed by its code: `the certificate expired 3 days ago (tls.expired)`."""
    text = " ".join(message.split())
    if len(text) > _SENTENCE:
        text = text[:_SENTENCE].rpartition(" ")[0] + "…"
    return f"{text} ({code})" if code else text


def _failed(result: CheckResult) -> list[Finding]:
    return [finding for finding in result.rungs if finding.outcome is Status.FAIL and finding.code != INTERRUPTED]


def write_end(sheet: Sheet, targets: Sequence[str], finished: CheckFinished) -> None:
    """Write the last line: the verdict over all targets, unless a single target's verdict is already the last line."""
    if finished.interrupted:
        write_verdict(sheet, overall(targets, finished), "red", finished.seconds)
    elif len(finished.results) > 1:
        write_verdict(sheet, overall(targets, finished), _COLOUR[finished.outcome], finished.seconds)
    sheet.flush()


def write_verdict(sheet: Sheet, text: str, colour: str, seconds: float | None) -> None:
    """Write the last line of a block or of the output: bold, wrapped, with the time at the right."""
    sheet.row([], text, "" if seconds is None else span(seconds), style=f"bold {colour}", hang=2)


def overall(targets: Sequence[str], finished: CheckFinished) -> str:
    """Return the verdict: `all 3 targets OK, warnings for canary`, `1 of 2 targets FAILED: prod-es at tls (tls.expired)`."""
    done = finished.results
    if finished.interrupted:
        whole = sum(_cut(result) is None for result in done)
        return f"interrupted: {whole} of {many(len(targets), 'target')} checked"
    if len(done) == 1:
        return verdict(done[0])
    failed = [_where(result) for result in done if result.outcome is CheckOutcome.FAIL]
    unverified = [result.target for result in done if result.outcome is CheckOutcome.UNVERIFIED]
    if unverified and not failed:
        return f"{len(unverified)} of {len(done)} targets UNVERIFIED: {named(unverified)}"
    warned = [result.target for result in done if result.outcome is CheckOutcome.WARN]
    text = f"{every(len(done))} OK" if not failed else f"{len(failed)} of {len(done)} targets FAILED: {named(failed)}"
    if not warned:
        return text
    return text + (f"; warnings for {named(warned)}" if failed else f", warnings for {named(warned)}")


def _where(result: CheckResult) -> str:
    """Return `prod-es at tls (tls.expired)`."""
    failed = _failed(result)
    return f"{result.target} at {failed[0].rung} ({failed[0].code})" if failed else result.target


_COLOUR = {
    CheckOutcome.PASS: "green",
    CheckOutcome.WARN: "yellow",
    CheckOutcome.UNVERIFIED: "yellow",
    CheckOutcome.FAIL: "red",
}


def _cut(result: CheckResult) -> Finding | None:
    """Return the rung that was interrupted."""
    return next((finding for finding in result.rungs if finding.code == INTERRUPTED), None)


def _lines(rungs: Sequence[Finding]) -> Iterator[list[Finding]]:
    """Yield the rungs in order; group neighbours that were skipped for the same reason."""
    group: list[Finding] = []
    for finding in rungs:
        if group and not (_same(group[-1], finding)):
            yield group
            group = []
        group.append(finding)
    if group:
        yield group


def _same(finding: Finding, other: Finding) -> bool:
    if finding.outcome is not other.outcome or finding.code or other.code:
        return False
    if finding.outcome is Status.BLOCKED:
        return finding.blocked_by is other.blocked_by
    return finding.outcome is Status.SKIPPED and finding.message == other.message
