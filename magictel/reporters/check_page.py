"""The text output of `check`: a block per target, a line per rung, the verdict last."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby

from magictel.model.events import CheckFinished, CheckResult
from magictel.model.finding import Finding, Rung, Status
from magictel.reporters.evidence import lines
from magictel.reporters.humanize import span
from magictel.reporters.layout import Sheet
from magictel.reporters.remedies import segments
from magictel.reporters.symbols import STYLES
from magictel.reporters.verdict import check_overall, check_verdict, status_of

_NAME = 14
"""Width of the column with the rung's name."""
_ANSWERED = (Status.PASS, Status.WARN, Status.FAIL)


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
        groups = _lines(self._rungs)
        done = len(groups) if finding.outcome in _ANSWERED else len(groups) - 1
        return self._write(groups[:done])

    def end(self, result: CheckResult, *, alone: bool = True) -> None:
        """Write the remaining rungs and the verdict; add an empty line if other targets follow."""
        self._write(_lines(result.rungs))
        write_verdict(self._sheet, check_verdict(result), status_of(result.outcome), result.seconds)
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
    words = place(target, exporter, endpoint)
    sheet.row([(target, "bold"), ("  ", "")] if words else [(target, "bold")], words)


def place(target: str, exporter: str, endpoint: str) -> str:
    """Return `elasticsearch  https://es:9200`; the exporter only if it differs from the target's name."""
    same = exporter.replace("_", "-") == target.replace("_", "-")
    return "  ".join(word for word in ("" if same else exporter, endpoint) if word)


def write_rung(sheet: Sheet, finding: Finding) -> None:
    """Write a rung's line and, unless it passed, the evidence, the fix and where to read more."""
    _write_rung(sheet, finding, f"{finding.rung:<{_NAME}}")


def _write_rung(sheet: Sheet, finding: Finding, name: str) -> None:
    status = finding.outcome
    asked = status in _ANSWERED
    timed = asked and finding.seconds is not None and finding.rung is not Rung.CONFIG
    sheet.row(
        [*sheet.signed(status), (name, "" if asked else "dim")],
        finding.message,
        span(finding.seconds or 0.0) if timed else "",
        style="" if asked else "dim",
    )
    if status in (Status.WARN, Status.FAIL) or (status is Status.SKIPPED and finding.code):
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


def write_end(sheet: Sheet, targets: Sequence[str], finished: CheckFinished) -> None:
    """Write the last line: the verdict over all targets, unless a single target's verdict is already the last line."""
    if finished.interrupted or len(finished.results) > 1:
        status = Status.FAIL if finished.interrupted else status_of(finished.outcome)
        write_verdict(sheet, check_overall(targets, finished), status, finished.seconds)


def write_verdict(sheet: Sheet, text: str, status: Status, seconds: float | None) -> None:
    """Write the last line of a block or of the output: bold, wrapped, with the time at the right."""
    sheet.row([], text, "" if seconds is None else span(seconds), style=f"bold {STYLES[status]}", hang=2)


def _lines(rungs: Sequence[Finding]) -> list[list[Finding]]:
    """Return the rungs in order; neighbours that were skipped for the same reason are one group."""
    return [list(group) for _, group in groupby(rungs, _shared)]


def _shared(finding: Finding) -> Hashable:
    """Return what the rungs of a line have in common."""
    if finding.outcome is Status.BLOCKED and not finding.code:
        return finding.outcome, finding.blocked_by
    if finding.outcome is Status.SKIPPED and not finding.code:
        return finding.outcome, finding.message
    return id(finding)
