"""Nagios, Icinga and similar: a line of text and performance data according to the Monitoring Plugins' guidelines.

    MAGICTEL CRITICAL - prod-es FAILED at tls: the certificate expired … (tls.expired) | 'prod-es failed'=1;;0;0; …

The first state that applies: an interrupted run, unusable settings or a usage error are UNKNOWN; a failed rung, or a point that is
rejected, lost, altered, duplicated or undelivered, is CRITICAL; an unverified target is UNKNOWN; a warning is WARNING; otherwise OK.
The process itself exits with its own code. The worst of several targets come first; totals lead the performance data, and
`unlisted` counts the targets that found no room.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import groupby

from magictel.errors import MagictelError
from magictel.model.events import CheckOutcome, CheckResult, SendOutcome, SendResult
from magictel.model.finding import Status
from magictel.reporters.results import ClosingReporter, Result, Results
from magictel.reporters.symbols import printable
from magictel.reporters.testcases import problems, report_cases
from magictel.reporters.verdict import run_verdict, status_of

_LONGEST = 400
"""Characters of the text: some readers truncate a line at 1 KB, and the performance data must survive."""
_ROOM = 4000 - len("'unlisted'=12345;;;0; | \n")
"""Bytes of the line: Nagios reads 8 KiB, and the kubelet keeps the last 4096 bytes of a termination message."""
_EXPECTED = frozenset({"sent", "delivered", "found", "repeats"})
State = IntEnum("State", [("OK", 0), ("WARNING", 1), ("CRITICAL", 2), ("UNKNOWN", 3)])
"""The state of a plugin, with its exit code."""


class NagiosReporter(ClosingReporter):
    """A reporter that writes a single line."""

    def text(self, results: Results) -> str:
        """Return state, verdict, the worst problems and performance data."""
        ranked = sorted(results.results, key=_badness)
        line = f"MAGICTEL {state(results).name} - {_flat(_text(results, ranked))}"
        data = [*_totals(ranked, results.seconds)] if len(ranked) > 1 else []
        room = _ROOM - len(" ".join([line, *data]).encode())
        blocks = [" ".join(_figures(result)) for result in ranked]
        while blocks and (room := room - len(blocks[0].encode()) - 1) >= 0:
            data.append(blocks.pop(0))
        data += [f"'unlisted'={len(blocks)};;;0;"] if blocks else []
        return f"{line} | {' '.join(data)}\n" if data else f"{line}\n"

    def failure(self, failure: MagictelError) -> str:
        """Return the line for a failure of the whole command."""
        return f"MAGICTEL {State.UNKNOWN.name} - {_flat(f'{failure.code}: {failure.message}')}\n"


def state(results: Results) -> State:
    """Return the first state that applies, as the module describes."""
    statuses = {case.status for case in report_cases(results)}
    unusable = [*(result.unusable for result in results.results), *(run.unusable for run in results.cleaned)]
    if results.interrupted or any(unusable) or not statuses:
        return State.UNKNOWN
    if Status.FAIL in statuses:
        return State.CRITICAL
    if any(result.outcome is SendOutcome.UNVERIFIED for result in results.results):
        return State.UNKNOWN
    return State.WARNING if Status.WARN in statuses else State.OK


def _badness(result: Result) -> tuple[bool, int]:
    """Order unusable settings first, then failures in the order of their outcomes, then warnings, then passes."""
    if isinstance(result, SendResult):
        return not result.unusable, list(SendOutcome).index(result.outcome)
    return not result.unusable, -list(CheckOutcome).index(result.outcome)


def _text(results: Results, ranked: list[Result]) -> str:
    """Return the verdict and its cause; for several targets, a cause for each code with the number of targets that share it."""
    text = run_verdict(results)
    rank = {result.target: place for place, result in enumerate(ranked)}
    order = (Status.FAIL, Status.WARN, Status.SKIPPED)
    cases = sorted(
        problems(report_cases(results)), key=lambda case: (order.index(case.status), rank.get(case.target, -1))
    )
    if cases and len(rank) < 2:
        case = cases[0]
        known = case.code is not None and case.code in text
        cause = (
            case.message if known else f"{'' if case.target in text else f'{case.target} '}{case.code}: {case.message}"
        )
        return text if " ".join(case.message.split()) in text else f"{text}: {cause}"
    codes = list(dict.fromkeys(case.code for case in cases))
    for code, alike in groupby(sorted(cases, key=lambda case: codes.index(case.code)), key=lambda case: case.code):
        case, *others = alike
        count = len({other.target for other in (case, *others)})
        text += f"; {case.target} {case.name}: {code}: {case.message}" + (f" ({count} targets)" if count > 1 else "")
    return text


def _totals(ranked: list[Result], seconds: float) -> Iterator[str]:
    """Yield totals; their labels contain no space, unlike those of targets, so they cannot collide."""
    outcomes = [result.outcome for result in ranked]
    sent = [_sent(result) for result in ranked if isinstance(result, SendResult)]
    bad = sum(status_of(outcome) is Status.FAIL for outcome in outcomes)
    yield f"'targets'={len(ranked)};;;0;"
    yield f"'targets_failed'={bad};;0;0;{len(ranked)}"
    if len(sent) < len(ranked):
        yield f"'targets_unproved'={outcomes.count(CheckOutcome.UNVERIFIED)};0;;0;{len(ranked)}"
        yield f"'targets_warned'={outcomes.count(CheckOutcome.WARN)};0;;0;{len(ranked)}"
    if sent:
        yield f"'targets_unverified'={outcomes.count(SendOutcome.UNVERIFIED)};0;;0;{len(ranked)}"
    for name in dict.fromkeys(name for figures in sent for name in figures):
        values, tops = zip(*(figures[name] for figures in sent if name in figures), strict=True)
        yield _datum(name, sum(values), None if None in tops else sum(tops))
    yield f"'time'={seconds:.3f}s;;;0;"


def _figures(result: Result) -> Iterator[str]:
    """Yield the data of a target."""
    label = " ".join(printable(result.target).replace("=", "-").replace("|", "-").split()).replace("'", "''")
    if isinstance(result, CheckResult):
        statuses = [finding.outcome for finding in result.rungs]
        yield f"'{label} failed'={statuses.count(Status.FAIL)};;0;0;"
        yield f"'{label} warned'={statuses.count(Status.WARN)};0;;0;"
    else:
        for name, (value, top) in _sent(result).items():
            yield _datum(name, value, top, f"{label} ")
        if result.verification is not None and result.verification.time_to_visible is not None:
            yield f"'{label} visible'={result.verification.time_to_visible:.3f}s;;;0;"
    yield f"'{label} time'={result.seconds:.3f}s;;;0;"


def _sent(result: SendResult) -> dict[str, tuple[int, int | None]]:
    """Return the counts of a send, each with its maximum; what could not be asked is left out."""
    receipt, seen = result.receipt, result.verification
    counts: dict[str, tuple[int, int | None]] = {
        "sent": (receipt.sent, None),
        "delivered": (receipt.delivered, receipt.sent),
        "rejected": (receipt.rejected, None),
        "undelivered": (receipt.undelivered, None),
    }
    if seen is not None:
        counts["found"] = (seen.found, seen.expected)
        counts |= {"lost": (seen.missing, None)} if seen.found or not seen.code else {}
        counts |= {"altered": (seen.altered, None), "duplicated": (seen.duplicated, None)}
        counts |= {"repeats": (seen.repeats, None)} if seen.repeats else {}
    return counts


def _datum(name: str, value: int, top: int | None, target: str = "") -> str:
    """Return `'label'=value;warn;crit;min;max`: a count of what should not be is critical above 0."""
    return f"'{target}{name}'={value};;{'' if name in _EXPECTED else '0'};0;{'' if top is None else top}"


def _flat(text: str) -> str:
    """Return the text on a single line without the character that begins performance data."""
    flat = " ".join(printable(text[: 4 * _LONGEST]).replace("|", "/").split())
    return flat if len(flat) <= _LONGEST else flat[:_LONGEST].rstrip() + "…"
