"""The Test Anything Protocol, version 13, with a YAML block below each problem (testanything.org)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from magictel.errors import MagictelError
from magictel.model.finding import Status
from magictel.reporters.results import ClosingReporter, Results
from magictel.reporters.symbols import printable
from magictel.reporters.testcases import ReportCase, report_cases


class TapReporter(ClosingReporter):
    """A line per rung, or for accepted and verified. A warning passes; blocked, skipped and unverifiable cases are skipped."""

    def text(self, results: Results) -> str:
        """Return the plan first, so that a reader notices missing lines."""
        cases = report_cases(results)
        lines = ["TAP version 13", f"1..{len(cases)}"]
        for number, case in enumerate(cases, 1):
            lines += _lines(number, case)
        if self.info is not None:
            lines.append(f"# {_flat(str(self.info))}")
        return "\n".join(lines) + "\n"

    def failure(self, failure: MagictelError) -> str:
        """Return the protocol's line for a run that cannot continue."""
        return f"TAP version 13\nBail out! {_flat(f'{failure.code}: {failure.message}')}\n"


def _lines(number: int, case: ReportCase) -> Iterator[str]:
    word = "not ok" if case.status is Status.FAIL else "ok"
    skipped = case.status in (Status.SKIPPED, Status.BLOCKED)
    directive = f" # SKIP {_flat(_why(case))}" if skipped else ""
    yield f"{word} {number} - {_escaped(f'{case.target} {case.name}')}{directive}"
    if case.status in (Status.FAIL, Status.WARN):
        yield "  ---"
        yield f"  severity: {'fail' if case.status is Status.FAIL else 'warning'}"
        details = "; ".join(case.details)
        for key, value in (("code", case.code), ("message", case.message), ("told", details), ("remedy", case.remedy)):
            if value:
                yield f"  {key}: {_quoted(value)}"
        yield "  ..."


def _why(case: ReportCase) -> str:
    return f"{case.code}: {case.message}" if case.code else case.message


def _flat(text: str) -> str:
    return " ".join(printable(text).split())


def _escaped(text: str) -> str:
    """Escape hash signs, which would begin a directive."""
    return _flat(text).replace("\\", "\\\\").replace("#", "\\#")


def _quoted(text: str) -> str:
    """Return a double-quoted YAML scalar: JSON with everything unusual escaped. (Perl's parser rejects quoted list items.)"""
    return json.dumps(printable(text))
