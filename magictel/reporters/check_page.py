"""The page of `check`: a block for each target, a line for each rung, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from magictel.events import INTERRUPTED, CheckFinished, CheckOutcome, CheckResult
from magictel.finding import Finding, Held, Rung
from magictel.reporters.evidence import lines
from magictel.reporters.figures import every, many, named, span
from magictel.reporters.remedies import parted
from magictel.reporters.sheet import Sheet

_NAME = 14
"""Columns of a rung's name: the longest, and room."""


def write_block(sheet: Sheet, result: CheckResult, *, alone: bool = True) -> None:
    """One target's ladder: every rung once; those that were not asked for one reason share a line. An empty line ends it among others."""
    write_header(sheet, result.target, result.exporter, result.endpoint)
    for group in _lines(result.rungs):
        if len(group) == 1:
            write_rung(sheet, group[0])
        else:
            names = ", ".join(finding.rung for finding in group)
            _write_rung(sheet, group[0], f"{names}   ")
    write_verdict(sheet, verdict(result), _COLOUR[result.outcome], result.seconds)
    if not alone:
        sheet.blank()
    sheet.flush()


def write_header(sheet: Sheet, target: str, exporter: str, endpoint: str) -> None:
    """`prod-es  elasticsearch  https://es:9200`; the exporter only where the target is called otherwise."""
    words = [exporter] if exporter.replace("_", "-") != target.replace("_", "-") else []
    words += [endpoint] if endpoint else []
    sheet.row([(target, "bold"), ("  ", "")] if words else [(target, "bold")], "  ".join(words))


def write_rung(sheet: Sheet, finding: Finding) -> None:
    """A rung's line and, where it is not good, what was seen, how to fix it, and where to read more."""
    _write_rung(sheet, finding, f"{finding.rung:<{_NAME}}")


def _write_rung(sheet: Sheet, finding: Finding, name: str) -> None:
    held = finding.outcome
    asked = held in (Held.PASS, Held.WARN, Held.FAIL)
    timed = asked and finding.seconds is not None and finding.rung is not Rung.CONFIG
    sign, style = sheet.signs.held[held], sheet.signs.style[held]
    sheet.row(
        [("  ", ""), (sign, style), (f" {name}", "" if asked else "dim")],
        finding.message,
        span(finding.seconds or 0.0) if timed else "",
        style="" if asked else "dim",
    )
    if held in (Held.WARN, Held.FAIL) or (held is Held.SKIPPED and finding.code):
        write_more(sheet, finding)


def write_more(sheet: Sheet, finding: Finding) -> None:
    """The lines under a finding: evidence, `fix:`, `more:`."""
    for line in lines(finding):
        sheet.note(6, line)
    write_way_out(sheet, finding.code, finding.remedy)


def write_way_out(sheet: Sheet, code: str | None, remedy: str | None) -> None:
    """`fix:`, a command in it alone on its line; `more:`."""
    write_remedy(sheet, 6, remedy or "", "fix:   ")
    if code:
        sheet.note(6, f"magictel explain {code}", "more:  ")


def write_remedy(sheet: Sheet, indent: int, remedy: str, label: str) -> None:
    """Its words, and its command alone on a line."""
    for text, _ in parted(remedy):
        sheet.note(indent, text, label)
        label = " " * len(label)


def verdict(result: CheckResult) -> str:
    """`elasticsearch holds, with 1 warning`; `prod-es fails at tls: tls.expired`."""
    failed = [finding for finding in result.rungs if finding.outcome is Held.FAIL and finding.code != INTERRUPTED]
    warned = sum(finding.outcome is Held.WARN for finding in result.rungs)
    cut = _cut(result)
    if cut and not failed:
        return f"{result.target} was broken off at {cut.rung}"
    if failed:
        more = f", and at {', '.join(finding.rung for finding in failed[1:])}" if len(failed) > 1 else ""
        return f"{result.target} fails at {failed[0].rung}: {failed[0].code}{more}"
    return f"{result.target} holds" + (f", with {many(warned, 'warning')}" if warned else "")


def write_end(sheet: Sheet, targets: Sequence[str], finished: CheckFinished) -> None:
    """The last line: the verdict over all, where one target's own is not the last already."""
    if finished.interrupted:
        write_verdict(sheet, overall(targets, finished), "red", finished.seconds)
    elif len(finished.results) > 1:
        write_verdict(sheet, overall(targets, finished), _COLOUR[finished.outcome], finished.seconds)
    sheet.flush()


def write_verdict(sheet: Sheet, text: str, colour: str, seconds: float | None) -> None:
    """The line that ends a page or a block: bold, wrapped like any other, with the time at the right."""
    sheet.row([], text, "" if seconds is None else span(seconds), style=f"bold {colour}", hang=2)


def overall(targets: Sequence[str], finished: CheckFinished) -> str:
    """`all 3 targets hold, with warnings for canary`; `1 of 2 targets fail: prod-es`; of one target its own verdict."""
    done = finished.results
    if finished.interrupted:
        whole = sum(_cut(result) is None for result in done)
        return f"interrupted: {whole} of {many(len(targets), 'target')} checked"
    if len(done) == 1:
        return verdict(done[0])
    failed = [result.target for result in done if result.outcome is CheckOutcome.FAIL]
    warned = [result.target for result in done if result.outcome is CheckOutcome.WARN]
    text = f"{every(len(done))} hold" if not failed else f"{len(failed)} of {len(done)} targets fail: {named(failed)}"
    if not warned:
        return text
    return text + (f"; warnings for {named(warned)}" if failed else f", with warnings for {named(warned)}")


_COLOUR = {CheckOutcome.PASS: "green", CheckOutcome.WARN: "yellow", CheckOutcome.FAIL: "red"}


def _cut(result: CheckResult) -> Finding | None:
    """The rung that an interrupt broke off."""
    return next((finding for finding in result.rungs if finding.code == INTERRUPTED), None)


def _lines(rungs: Sequence[Finding]) -> Iterator[list[Finding]]:
    """Rungs in order; neighbours that were not asked for the same reason together."""
    group: list[Finding] = []
    for finding in rungs:
        if group and not (_same(group[-1], finding)):
            yield group
            group = []
        group.append(finding)
    if group:
        yield group


def _same(one: Finding, other: Finding) -> bool:
    if one.outcome is not other.outcome or one.code or other.code:
        return False
    if one.outcome is Held.BLOCKED:
        return one.blocked_by is other.blocked_by
    return one.outcome is Held.SKIPPED and one.message == other.message
