"""For Nagios, Icinga and their kin: one line of text and performance data, as the Monitoring Plugins' guidelines have it.

    MAGICTEL CRITICAL - prod-es fails at tls: tls.expired: the certificate expired … | 'prod-es failed'=1;;0 …

The word is one of four, and says what a plugin would exit with: OK (0), WARNING (1), CRITICAL (2), UNKNOWN (3).
The first that applies: a run broken off, unusable settings or wrong usage are UNKNOWN; a failed rung, or a point that is
rejected, lost, altered, duplicated or undelivered, is CRITICAL; a target that nobody could verify is UNKNOWN; a warning is
WARNING; else OK. The process itself exits with its own code, which has other meanings.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from magictel.errors import MagictelError
from magictel.events import CheckResult, SendOutcome, SendResult
from magictel.finding import Held
from magictel.reporters.cases import Case, cases, problems
from magictel.reporters.results import ClosingReporter, Results
from magictel.reporters.signs import printable
from magictel.reporters.verdict import sentence

_LONGEST = 400
"""Characters of text: some readers cut a line at 1 KB, and the performance data must survive."""


class State(IntEnum):
    """What a plugin exits with."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class NagiosReporter(ClosingReporter):
    """Writes one line, with a line end."""

    def text(self, results: Results) -> str:
        """State, verdict, the first problem, performance data."""
        found = cases(results)
        first = next(problems(found), None)
        said = sentence(results)
        if first is not None:
            named = first.code and first.code in said
            said += f": {first.message}" if named else f": {_lead(first, said)}{first.code}: {first.message}"
        data = " ".join(_data(results))
        return f"MAGICTEL {state(results).name} - {_flat(said)}" + (f" | {data}" if data else "") + "\n"

    def failure(self, failure: MagictelError) -> str:
        """Nothing is known of any target."""
        return f"MAGICTEL {State.UNKNOWN.name} - {_flat(f'{failure.code}: {failure.message}')}\n"


def state(results: Results) -> State:
    """The first that applies, as the module says."""
    checked = results.check.results if results.check else ()
    sent = results.send.results if results.send else ()
    held = {case.held for case in cases(results)}
    unusable = (
        *(one.unusable for one in checked),
        *(one.unusable for one in sent),
        *(one.unusable for one in results.cleaned),
    )
    if results.interrupted or any(unusable) or not held:
        return State.UNKNOWN
    if Held.FAIL in held:
        return State.CRITICAL
    if any(one.outcome is SendOutcome.UNVERIFIED for one in sent):
        return State.UNKNOWN
    return State.WARNING if Held.WARN in held else State.OK


def _lead(case: Case, said: str) -> str:
    return "" if case.target in said else f"{case.target} "


def _data(results: Results) -> Iterator[str]:
    for checked in results.check.results if results.check else ():
        yield from _checked(checked)
    for sent in results.send.results if results.send else ():
        yield from _sent(sent)


def _checked(result: CheckResult) -> Iterator[str]:
    held = [finding.outcome for finding in result.rungs]
    yield _datum(result.target, "failed", held.count(Held.FAIL), warn="", crit="0")
    yield _datum(result.target, "warned", held.count(Held.WARN), warn="0", crit="")
    yield _seconds(result.target, "time", result.seconds)


def _sent(result: SendResult) -> Iterator[str]:
    receipt, seen = result.receipt, result.verification
    yield _datum(result.target, "sent", receipt.sent)
    yield _datum(result.target, "delivered", receipt.delivered, top=receipt.sent)
    yield _datum(result.target, "rejected", receipt.rejected, crit="0")
    yield _datum(result.target, "undelivered", receipt.undelivered, crit="0")
    if seen is not None:
        yield _datum(result.target, "found", seen.found, top=seen.expected)
        if seen.found or not seen.code:
            yield _datum(result.target, "lost", seen.missing, crit="0")
        yield _datum(result.target, "altered", seen.altered, crit="0")
        yield _datum(result.target, "duplicated", seen.duplicated, crit="0")
        if seen.time_to_visible is not None:
            yield _seconds(result.target, "visible", seen.time_to_visible)
    yield _seconds(result.target, "time", result.seconds)


def _datum(target: str, name: str, value: int, *, warn: str = "", crit: str = "", top: int | None = None) -> str:
    """`'label'=value;warn;crit;min;max`; a count has no unit, and crossing 0 is what crosses a threshold of 0."""
    return f"{_label(target, name)}={value};{warn};{crit};0;{'' if top is None else top}"


def _seconds(target: str, name: str, seconds: float) -> str:
    return f"{_label(target, name)}={seconds:.3f}s;;;0;"


def _label(target: str, name: str) -> str:
    clean = " ".join(printable(target).replace("=", "-").replace("|", "-").split()).replace("'", "''")
    return f"'{clean} {name}'"


def _flat(text: str) -> str:
    """One line without the sign that begins performance data."""
    flat = " ".join(printable(text).replace("|", "/").split())
    return flat if len(flat) <= _LONGEST else flat[:_LONGEST].rstrip() + "…"
