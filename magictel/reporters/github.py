"""For GitHub Actions: a step summary in Markdown, and annotations as workflow commands.

The summary is appended to a file, `$GITHUB_STEP_SUMMARY` of the step: a second command in the same step adds its own section.
Annotations are lines like `::error title=…::…`. The runner reads them from standard error as well as from standard output, so they
go there: standard output stays the result, and one JSON document where that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO

from magictel.errors import MagictelError
from magictel.model.events import CheckOutcome, CheckResult, SendOutcome, SendResult
from magictel.model.finding import Status
from magictel.reporters import check_page, send_verdict
from magictel.reporters.humanize import bound, many, span
from magictel.reporters.remedies import segments
from magictel.reporters.results import ClosingReporter, Results
from magictel.reporters.symbols import printable
from magictel.reporters.testcases import VERIFIED, Case, cases, checked_cases, problems, sent_cases, source_cases
from magictel.reporters.timing import advice
from magictel.reporters.verdict import operation, sentence

_MOST = 10
"""Annotations of one level that GitHub shows for a step; what comes after them is dropped in silence."""
_LONGEST_SUMMARY = 900_000
"""Bytes of a section: GitHub refuses a step's whole summary beyond 1 MiB."""
_SIGNS = {Status.PASS: "✅", Status.WARN: "⚠️", Status.FAIL: "❌", Status.SKIPPED: "➖", Status.BLOCKED: "➖"}
_CHECKED = {CheckOutcome.PASS: Status.PASS, CheckOutcome.FAIL: Status.FAIL}
_PLACE = re.compile(r"([^\s:=]+\.toml):(\d+)")
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~#@]")
_LINE = 1200
"""Characters of one cell or item."""


class GithubReporter(ClosingReporter):
    """Writes the summary to `stream` and the annotations to `annotations` (standard error), both at the end."""

    def __init__(self, stream: TextIO, annotations: TextIO) -> None:
        super().__init__(stream)
        self._annotations = annotations

    def finish(self) -> None:
        """Write both."""
        super().finish()
        self._annotate(commands(cases(self._results)))

    def fail(self, failure: MagictelError) -> None:
        """One annotation, and a section that says why there is nothing to report."""
        super().fail(failure)
        case = Case("magictel", "", "run", Status.FAIL, failure.message, failure.code, failure.remedy)
        self._annotate([_annotation(case, failure.origin or "")])

    def text(self, results: Results) -> str:
        """A section for the summary, cut where GitHub would refuse all of it."""
        blocks = "".join(_blocks(results))
        if len(blocks.encode()) > _LONGEST_SUMMARY:
            blocks = blocks.encode()[:_LONGEST_SUMMARY].decode(errors="ignore").rpartition("\n")[0]
            blocks += "\n\n…cut: GitHub takes 1 MiB.\n\n"
        return blocks + (f"<sub>{_prose(str(self.info))}</sub>\n\n" if self.info is not None else "")

    def failure(self, failure: MagictelError) -> str:
        """A section of one sentence."""
        remedy = f"\n\n{_prose(failure.remedy)}" if failure.remedy else ""
        return f"## ❌ magictel\n\n{_code(failure.code)} {_prose(failure.message)}{remedy}\n\n"

    def _annotate(self, lines: Sequence[str]) -> None:
        try:
            self._annotations.writelines(f"{line}\n" for line in lines)
            self._annotations.flush()
        except (OSError, ValueError):  # nobody reads them; the summary stands
            pass


def commands(found: list[Case]) -> list[str]:
    """Workflow commands for what somebody should look at, the worst first; of each level no more than GitHub shows."""
    levels: dict[str, list[Case]] = {}
    for case in problems(found):
        levels.setdefault(_level(case), []).append(case)
    told: list[str] = []
    for level, members in levels.items():
        if len(members) <= _MOST:
            told += [_annotation(case, case.origin) for case in members]
            continue
        told += [_annotation(case, case.origin) for case in islice(members, _MOST - 1)]
        rest = ", ".join(f"{case.target} {case.code}" for case in members[_MOST - 1 :])
        more = many(len(members) - _MOST + 1, "more finding")
        told.append(f"::{level} title=magictel::{_data(f'{more}: {rest}')}")
    return told


def _level(case: Case) -> str:
    if case.held is Status.FAIL:
        return "error"
    return "warning" if case.held is Status.WARN or case.name == VERIFIED else "notice"


def _annotation(case: Case, origin: str) -> str:
    """Where a setting of the repository's own file is to blame, it stands beside that line."""
    place = _PLACE.search(origin)
    properties = {"file": place[1], "line": place[2]} if place and not place[1].startswith("/") else {}
    properties["title"] = f"{case.target} {case.name}: {case.code}"
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    fix = [f"fix: {case.remedy}"] if case.remedy else []
    more = [f"more: magictel explain {case.code}"]
    return f"::{_level(case)} {given}::{_data(chr(10).join([case.message, *case.told, *fix, *more]))}"


def _data(text: str) -> str:
    return printable(text)[:4000].replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _blocks(results: Results) -> Iterator[str]:
    found = cases(results)
    worst = Status.FAIL if results.interrupted else _worst(found)
    run = f" · run {_code(results.send.run_id)}" if results.send and results.send.run_id else ""
    yield f"## {_SIGNS[worst]} magictel {operation(results)}: {_prose(sentence(results))}\n\n"
    if results.seconds:
        yield f"{many(len(results.targets), 'target')} in {span(results.seconds)}{run}\n\n"
    for case in source_cases(results):
        yield from _problem(case) if case.code else (f"{_prose(case.message)}\n\n",)
    for checked in results.check.results if results.check else ():
        yield from _target(
            checked, checked_cases(checked), check_page.verdict(checked), _CHECKED.get(checked.outcome, Status.WARN)
        )
    for sent in results.send.results if results.send else ():
        yield from _target(sent, sent_cases(sent), send_verdict.verdict(sent), _sent_held(sent), _ledger(sent))
    for one in results.cleaned:
        said = f"{one.deleted} of {one.found or 0} items deleted{': ' + one.message if one.message else ''}"
        yield f"- {_SIGNS[Status.PASS if one.held else Status.FAIL]} {_code(one.target)} clean-up: {_prose(said)}\n\n"
    for left in results.left:
        yield f"- ❌ {_code(left)} was not done: the run was broken off before\n\n"


def _target(
    result: CheckResult | SendResult, found: list[Case], verdict: str, held: Status, ledger: str = ""
) -> Iterator[str]:
    """What is not good stands open; the whole ladder, and a target that holds, are folded."""
    words = verdict if verdict.startswith(result.target) else f"{result.target}: {verdict}"
    yield f"### {_SIGNS[held]} {_prose(words)}\n\n"
    if result.endpoint:
        yield f"{_prose(result.exporter)} at {_code(result.endpoint)}\n\n"
    yield ledger
    if isinstance(result, SendResult) and result.timing is not None:
        times = ", ".join(f"{name} {_time(seconds)}" for name, seconds in result.timing.steps())
        said = advice(result.timing)
        yield f"Timing: {times}. {_prose(said[0].upper() + said[1:])}.\n\n"
    for case in problems(found):
        yield from _problem(case)
    yield "<details><summary>Every step</summary>\n\n| | step | what was found | time |\n|---|---|---|---:|\n"
    for case in found:
        asked = case.held not in (Status.SKIPPED, Status.BLOCKED)
        time = _time(case.seconds) if asked and case.seconds is not None else ""
        yield f"| {_SIGNS[case.held]} | {_prose(case.name)} | {_prose(case.message)} | {time} |\n"
    yield "\n</details>\n\n"


def _time(seconds: float) -> str:
    """A figure that no narrow cell breaks from its unit."""
    return bound(_prose(span(seconds)), "\u00a0")


def _problem(case: Case) -> Iterator[str]:
    yield f"- {_SIGNS[case.held]} **{_prose(case.name)}** {_code(case.code or '')}: {_prose(case.message)}\n"
    for line in case.told:
        yield f"  - {_prose(line)}\n"
    if case.remedy:
        fix = [_code(text) if command else _prose(text) for text, command in segments(case.remedy)]
        yield f"  - fix: {' '.join(fix)}\n"
    yield f"  - more: {_code(f'magictel explain {case.code}')}\n\n"


def _ledger(result: SendResult) -> str:
    """Every point by what became of it, and by how it was read back."""
    receipt, seen = result.receipt, result.verification
    heads = ["sent", "delivered", "unconfirmed", "rejected", "withheld", "kept", "dropped"]
    heads = [name for name in heads if name != "unconfirmed" or receipt.unconfirmed]
    cells = [getattr(receipt, name) for name in heads]
    if seen is not None and (seen.found or not seen.code):
        heads += ["found", "missing", "altered", "duplicated", "unverified"]
        cells += [seen.found, seen.missing, seen.altered, seen.duplicated, seen.unverified]
        if seen.repeats:
            heads.append("repeats")
            cells.append(seen.repeats)
    return f"| {' | '.join(heads)} |\n|{'---:|' * len(heads)}\n| {' | '.join(map(str, cells))} |\n\n"


def _sent_held(result: SendResult) -> Status:
    if result.outcome in (SendOutcome.VERIFIED, SendOutcome.ACCEPTED):
        return Status.PASS
    return Status.WARN if result.outcome is SendOutcome.UNVERIFIED else Status.FAIL


def _worst(found: list[Case]) -> Status:
    held = {case.held for case in found}
    unverified = any(case.held is Status.SKIPPED and case.name == VERIFIED and case.code for case in found)
    if Status.FAIL in held:
        return Status.FAIL
    return Status.WARN if Status.WARN in held or unverified else Status.PASS


def _prose(text: str) -> str:
    """Text that means itself: on one line, with everything that Markdown or HTML could read as markup escaped."""
    flat = " ".join(printable(text).split())
    cut = flat if len(flat) <= _LINE else flat[:_LINE] + "…"
    # Entities for what opens HTML, a mention or a cell; a backslash before the rest (CommonMark §2.4, §2.5).
    return _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};" if sign[0] in "<>&|@" else f"\\{sign[0]}", cut)


def _code(text: str) -> str:
    """Text as code; what would end the span or the table's cell goes as entities."""
    flat = " ".join(printable(text).split())
    if "`" not in flat and "|" not in flat:
        return f"`{flat}`"
    return f"<code>{_prose(flat)}</code>"
