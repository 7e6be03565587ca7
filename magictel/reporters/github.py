"""GitHub Actions: a step summary in Markdown, and annotations as workflow commands.

The summary is appended to the step's file `$GITHUB_STEP_SUMMARY`: a second command in the same step adds a section.
Annotations are lines like `::error title=…::…`. The runner reads them from standard error, too, so they are written there:
standard output contains only the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from magictel.errors import MagictelError
from magictel.model.events import SendResult
from magictel.model.finding import Status
from magictel.reporters.humanize import bound, many, span
from magictel.reporters.remedies import segments
from magictel.reporters.results import ClosingReporter, Result, Results
from magictel.reporters.symbols import printable
from magictel.reporters.testcases import (
    VERIFIED,
    ReportCase,
    deleted,
    ledger,
    problems,
    read_back,
    report_cases,
    source_cases,
    target_cases,
)
from magictel.reporters.timing import advice
from magictel.reporters.verdict import run_verdict, status_of, target_verdict, worst

_MOST = 10
"""Annotations per level that GitHub shows for a step; it silently drops further ones."""
_LONGEST_SUMMARY = 900_000
"""Maximum size of a section in bytes: GitHub rejects a step's whole summary above 1 MiB."""
_SIGNS = {Status.PASS: "✅", Status.WARN: "⚠️", Status.FAIL: "❌", Status.SKIPPED: "➖", Status.BLOCKED: "➖"}
_PLACE = re.compile(r"([^\s:=]+\.toml):(\d+)")
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~#@]")
_LINE = 1200
"""Maximum length of a cell or item."""


class GithubReporter(ClosingReporter):
    """A reporter that writes the summary and the annotations (to standard error) at the end."""

    def finish(self) -> None:
        """Write the summary and the annotations."""
        super().finish()
        self._annotate(commands(report_cases(self._results)))

    def fail(self, failure: MagictelError) -> None:
        """Write an annotation and a section about the failure of the whole command."""
        super().fail(failure)
        case = ReportCase("magictel", "", "run", Status.FAIL, failure.message, failure.code, failure.remedy)
        self._annotate([_annotation(case, failure.origin or "")])

    def text(self, results: Results) -> str:
        """Return a section of the summary, truncated to GitHub's limit."""
        blocks = "".join(_blocks(self._command, results))
        if len(blocks.encode()) > _LONGEST_SUMMARY:
            blocks = blocks.encode()[:_LONGEST_SUMMARY].decode(errors="ignore").rpartition("\n")[0]
            blocks += "\n\n…truncated: GitHub's limit is 1 MiB.\n\n"
        return blocks + (f"<sub>{_prose(str(self.info))}</sub>\n\n" if self.info is not None else "")

    def failure(self, failure: MagictelError) -> str:
        """Return a section with a single sentence."""
        remedy = f"\n\n{_prose(failure.remedy)}" if failure.remedy else ""
        return f"## ❌ magictel\n\n{_code(failure.code)} {_prose(failure.message)}{remedy}\n\n"

    def _annotate(self, lines: Sequence[str]) -> None:
        if self._annotations is None:
            return
        try:
            self._annotations.writelines(f"{line}\n" for line in lines)
            self._annotations.flush()
        except (OSError, ValueError):  # the stream is closed; the summary is already written
            pass


def commands(cases: list[ReportCase]) -> list[str]:
    """Return workflow commands for the problems, the worst first; per level no more than GitHub shows."""
    levels: dict[str, list[ReportCase]] = {}
    for case in problems(cases):
        levels.setdefault(_level(case), []).append(case)
    annotations: list[str] = []
    for level, members in levels.items():
        if len(members) <= _MOST:
            annotations += [_annotation(case, case.origin) for case in members]
            continue
        annotations += [_annotation(case, case.origin) for case in islice(members, _MOST - 1)]
        rest = ", ".join(f"{case.target} {case.code}" for case in members[_MOST - 1 :])
        more = many(len(members) - _MOST + 1, "more finding")
        annotations.append(f"::{level} title=magictel::{_data(f'{more}: {rest}')}")
    return annotations


def _level(case: ReportCase) -> str:
    if case.status is Status.FAIL:
        return "error"
    return "warning" if case.status is Status.WARN or case.name == VERIFIED else "notice"


def _annotation(case: ReportCase, origin: str) -> str:
    """Return an annotation; if a setting in the repository's file is the cause, place it at that line."""
    place = _PLACE.search(origin)
    properties = {"file": place[1], "line": place[2]} if place and not place[1].startswith("/") else {}
    properties["title"] = f"{case.target} {case.name}: {case.code}"
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    fix = [f"fix: {case.remedy}"] if case.remedy else []
    more = [f"more: magictel explain {case.code}"]
    return f"::{_level(case)} {given}::{_data(chr(10).join([case.message, *case.details, *fix, *more]))}"


def _data(text: str) -> str:
    return printable(text)[:4000].replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _blocks(command: str, results: Results) -> Iterator[str]:
    run = f" · run {_code(results.send.run_id)}" if results.send and results.send.run_id else ""
    yield f"## {_SIGNS[worst(results)]} magictel {command}: {_prose(run_verdict(results))}\n\n"
    if results.seconds:
        yield f"{many(len(results.targets), 'target')} in {span(results.seconds)}{run}\n\n"
    for case in source_cases(results):
        yield from _problem(case) if case.code else (f"{_prose(case.message)}\n\n",)
    for result in results.results:
        yield from _target(result)
    for cleaned in results.cleaned:
        sign = _SIGNS[Status.PASS if cleaned.complete else Status.FAIL]
        yield f"- {sign} {_code(cleaned.target)} clean-up: {_prose(deleted(cleaned, ' items'))}\n\n"
    for left in results.left:
        yield f"- ❌ {_code(left)} was not done: the run was interrupted before it\n\n"


def _target(result: Result) -> Iterator[str]:
    """Show problems expanded; fold the whole ladder and targets that passed."""
    cases = target_cases(result)
    yield f"### {_SIGNS[status_of(result.outcome)]} {_prose(target_verdict(result))}\n\n"
    if result.endpoint:
        yield f"{_prose(result.exporter)} at {_code(result.endpoint)}\n\n"
    if isinstance(result, SendResult):
        yield _ledger(result)
    if isinstance(result, SendResult) and result.timing is not None:
        times = ", ".join(f"{name} {_time(seconds)}" for name, seconds in result.timing.steps())
        text = advice(result.timing)
        yield f"Timing: {times}. {_prose(text[0].upper() + text[1:])}.\n\n"
    for case in problems(cases):
        yield from _problem(case)
    yield "<details><summary>Every step</summary>\n\n| | step | result | time |\n|---|---|---|---:|\n"
    for case in cases:
        asked = case.status not in (Status.SKIPPED, Status.BLOCKED)
        time = _time(case.seconds) if asked and case.seconds is not None else ""
        yield f"| {_SIGNS[case.status]} | {_prose(case.name)} | {_prose(case.message)} | {time} |\n"
    yield "\n</details>\n\n"


def _time(seconds: float) -> str:
    """Return a number with its unit that does not wrap in a narrow cell."""
    return bound(_prose(span(seconds)), "\u00a0")


def _problem(case: ReportCase) -> Iterator[str]:
    yield f"- {_SIGNS[case.status]} **{_prose(case.name)}** {_code(case.code or '')}: {_prose(case.message)}\n"
    for line in case.details:
        yield f"  - {_prose(line)}\n"
    if case.remedy:
        fix = [_code(text) if command else _prose(text) for text, command in segments(case.remedy)]
        yield f"  - fix: {' '.join(fix)}\n"
    yield f"  - more: {_code(f'magictel explain {case.code}')}\n\n"


def _ledger(result: SendResult) -> str:
    """Return a table of the points by fate and by read-back."""
    seen = read_back(result.verification)
    shown = ("found", "missing", "altered", "duplicated", "unverified", "repeats")
    counts = ledger(result.receipt) | {name: seen[name] for name in shown if name in seen}
    return f"| {' | '.join(counts)} |\n|{'---:|' * len(counts)}\n| {' | '.join(map(str, counts.values()))} |\n\n"


def _prose(text: str) -> str:
    """Return the text on a single line with all Markdown and HTML markup escaped."""
    flat = " ".join(printable(text).split())
    cut = flat if len(flat) <= _LINE else flat[:_LINE] + "…"
    # Entities for characters that begin HTML, a mention or a cell; a backslash before the rest (CommonMark §2.4, §2.5).
    return _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};" if sign[0] in "<>&|@" else f"\\{sign[0]}", cut)


def _code(text: str) -> str:
    """Return the text as code; characters that would end the span or the table cell become entities."""
    flat = " ".join(printable(text).split())
    if "`" not in flat and "|" not in flat:
        return f"`{flat}`"
    return f"<code>{_prose(flat)}</code>"
