"""For test harnesses: the Test Anything Protocol, version 13, with a YAML block under what is not good (testanything.org)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from magictel.errors import MagictelError
from magictel.model.finding import Status
from magictel.reporters.results import ClosingReporter, Results
from magictel.reporters.symbols import printable
from magictel.reporters.testcases import Case, cases


class TapReporter(ClosingReporter):
    """A line for each rung, or for accepted and verified. A warning passes; blocked, not asked and not verifiable are skipped."""

    def text(self, results: Results) -> str:
        """The plan first: a reader knows at once when lines are missing."""
        found = cases(results)
        lines = ["TAP version 13", f"1..{len(found)}"]
        for number, case in enumerate(found, 1):
            lines += _lines(number, case)
        if self.info is not None:
            lines.append(f"# {_flat(str(self.info))}")
        return "\n".join(lines) + "\n"

    def failure(self, failure: MagictelError) -> str:
        """The protocol's word for a run that cannot go on."""
        return f"TAP version 13\nBail out! {_flat(f'{failure.code}: {failure.message}')}\n"


def _lines(number: int, case: Case) -> Iterator[str]:
    word = "not ok" if case.held is Status.FAIL else "ok"
    skipped = case.held in (Status.SKIPPED, Status.BLOCKED)
    directive = f" # SKIP {_flat(_why(case))}" if skipped else ""
    yield f"{word} {number} - {_escaped(f'{case.target} {case.name}')}{directive}"
    if case.held in (Status.FAIL, Status.WARN):
        yield "  ---"
        yield f"  severity: {'fail' if case.held is Status.FAIL else 'warning'}"
        told = "; ".join(case.told)
        for key, value in (("code", case.code), ("message", case.message), ("told", told), ("remedy", case.remedy)):
            if value:
                yield f"  {key}: {_quoted(value)}"
        yield "  ..."


def _why(case: Case) -> str:
    return f"{case.code}: {case.message}" if case.code else case.message


def _flat(text: str) -> str:
    return " ".join(printable(text).split())


def _escaped(text: str) -> str:
    """A description ends at a bare hash sign, which begins a directive."""
    return _flat(text).replace("\\", "\\\\").replace("#", "\\#")


def _quoted(text: str) -> str:
    """A double-quoted scalar: JSON's are YAML's, as long as everything odd is escaped. (Perl's reader takes no quoted list items.)"""
    return json.dumps(printable(text))
