"""For Nagios, Icinga and their kin: one line of text and performance data, as the Monitoring Plugins' guidelines have it.

    MAGICTEL CRITICAL - prod-es fails at tls: tls.expired: the certificate expired … | 'prod-es failed'=1;;0;0; …

The word is one of four, and says what a plugin would exit with: OK (0), WARNING (1), CRITICAL (2), UNKNOWN (3).
The first that applies: a run broken off, unusable settings or wrong usage are UNKNOWN; a failed rung, or a point that is
rejected, lost, altered, duplicated or undelivered, is CRITICAL; a target that nobody could verify is UNKNOWN; a warning is
WARNING; else OK. The process itself exits with its own code, which has other meanings.

Of several targets the worst come first. Totals over all of them, whose labels have no target in them, lead the performance data; what
then finds no room is left out by whole targets, and `unlisted` says how many those are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from magictel.errors import MagictelError
from magictel.model.events import CheckOutcome, CheckResult, SendOutcome, SendResult
from magictel.model.finding import Status
from magictel.reporters.results import ClosingReporter, Results
from magictel.reporters.symbols import printable
from magictel.reporters.testcases import Case, cases, problems
from magictel.reporters.verdict import sentence

_LONGEST = 400
"""Characters of text: some readers cut a line at 1 KB, and the performance data must survive."""
_ROOM = 4000
"""Bytes of the whole line: Nagios reads 8 KiB, and the kubelet keeps the last 4096 bytes of a termination message, whose verdict leads."""

_UNLISTED = 24
"""Bytes for `unlisted`."""


class State(IntEnum):
    """What a plugin exits with."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class NagiosReporter(ClosingReporter):
    """Writes one line, with a line end."""

    def text(self, results: Results) -> str:
        """State, verdict, the worst problems, performance data."""
        lead = f"MAGICTEL {state(results).name} - {_flat(_said(results))}"
        data = " ".join(_data(results, _ROOM - len(lead.encode()) - len(" | \n")))
        return lead + (f" | {data}" if data else "") + "\n"

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
    if Status.FAIL in held:
        return State.CRITICAL
    if any(one.outcome is SendOutcome.UNVERIFIED for one in sent):
        return State.UNKNOWN
    return State.WARNING if Status.WARN in held else State.OK


def _said(results: Results) -> str:
    """The verdict and its cause. Of several targets: a cause for each code, told of the worst, with the number of targets that share it."""
    said = sentence(results)
    rank = {result.target: place for place, result in enumerate(_worst_first(results))}
    order = (Status.FAIL, Status.WARN, Status.SKIPPED)
    found = sorted(problems(cases(results)), key=lambda case: (order.index(case.held), rank.get(case.target, -1)))
    if not found:
        return said
    if len(rank) < 2:
        first = found[0]
        if " ".join(first.message.split()) in said:
            return said
        named = first.code and first.code in said
        return f"{said}: {first.message}" if named else f"{said}: {_lead(first, said)}{first.code}: {first.message}"
    alike: dict[str | None, list[Case]] = {}
    for case in found:
        alike.setdefault(case.code, []).append(case)
    for code, members in alike.items():
        first, count = members[0], len({case.target for case in members})
        said += f"; {first.target} {first.name}: {code}: {first.message}" + (f" ({count} targets)" if count > 1 else "")
        if len(said) > _LONGEST:
            break
    return said


def _lead(case: Case, said: str) -> str:
    return "" if case.target in said else f"{case.target} "


def _worst_first(results: Results) -> list[CheckResult | SendResult]:
    """Every result: unusable settings, then failures in the order of their outcomes, then warnings, then what holds."""
    held: list[CheckResult | SendResult] = [
        *(results.check.results if results.check else ()),
        *(results.send.results if results.send else ()),
    ]
    checked, sent = list(CheckOutcome), list(SendOutcome)

    def badness(one: CheckResult | SendResult) -> tuple[bool, int]:
        place = sent.index(one.outcome) if isinstance(one, SendResult) else -checked.index(one.outcome)
        return (not one.unusable, place)

    return sorted(held, key=badness)


def _data(results: Results, room: int) -> Iterator[str]:
    """Totals, then whole targets while there is room for them."""
    ranked = _worst_first(results)
    if len(ranked) > 1:
        for datum in _totals(ranked, results.seconds):
            room -= len(datum.encode()) + 1
            yield datum
    left = len(ranked)
    for result in ranked:
        data = " ".join(_checked(result) if isinstance(result, CheckResult) else _sent(result))
        taken = len(data.encode()) + 1
        if taken > room - (_UNLISTED if left > 1 else 0):
            break
        room -= taken
        left -= 1
        yield data
    if left:
        yield f"'unlisted'={left};;;0;"


def _totals(ranked: Iterable[CheckResult | SendResult], seconds: float) -> Iterator[str]:
    """Labels without a blank, which each target's have: no target can be called like a total."""
    checked = [one for one in ranked if isinstance(one, CheckResult)]
    sent = [one for one in ranked if isinstance(one, SendResult)]
    outcomes = [one.outcome for one in checked]
    good = sum(one.outcome in (SendOutcome.VERIFIED, SendOutcome.ACCEPTED) for one in sent)
    unverified = sum(one.outcome is SendOutcome.UNVERIFIED for one in sent)
    count = len(checked) + len(sent)
    failed = outcomes.count(CheckOutcome.FAIL) + len(sent) - good - unverified
    yield _datum("targets", count)
    yield _datum("targets_failed", failed, crit="0", top=count)
    if checked:
        yield _datum("targets_unproved", outcomes.count(CheckOutcome.UNVERIFIED), warn="0", top=count)
        yield _datum("targets_warned", outcomes.count(CheckOutcome.WARN), warn="0", top=count)
    if sent:
        receipts = [one.receipt for one in sent]
        seen = [one.verification for one in sent if one.verification is not None]
        yield _datum("targets_unverified", unverified, warn="0", top=count)
        yield _datum("sent", sum(one.sent for one in receipts))
        yield _datum("delivered", sum(one.delivered for one in receipts), top=sum(one.sent for one in receipts))
        yield _datum("rejected", sum(one.rejected for one in receipts), crit="0")
        yield _datum("undelivered", sum(one.undelivered for one in receipts), crit="0")
        if seen:
            yield _datum("found", sum(one.found for one in seen), top=sum(one.expected for one in seen))
            yield _datum("lost", sum(one.missing for one in seen if one.found or not one.code), crit="0")
            yield _datum("altered", sum(one.altered for one in seen), crit="0")
            yield _datum("duplicated", sum(one.duplicated for one in seen), crit="0")
    yield _seconds("time", seconds)


def _checked(result: CheckResult) -> Iterator[str]:
    held = [finding.outcome for finding in result.rungs]
    yield _datum(_label(result.target, "failed"), held.count(Status.FAIL), warn="", crit="0")
    yield _datum(_label(result.target, "warned"), held.count(Status.WARN), warn="0", crit="")
    yield _seconds(_label(result.target, "time"), result.seconds)


def _sent(result: SendResult) -> Iterator[str]:
    receipt, seen = result.receipt, result.verification
    yield _datum(_label(result.target, "sent"), receipt.sent)
    yield _datum(_label(result.target, "delivered"), receipt.delivered, top=receipt.sent)
    yield _datum(_label(result.target, "rejected"), receipt.rejected, crit="0")
    yield _datum(_label(result.target, "undelivered"), receipt.undelivered, crit="0")
    if seen is not None:
        yield _datum(_label(result.target, "found"), seen.found, top=seen.expected)
        if seen.found or not seen.code:
            yield _datum(_label(result.target, "lost"), seen.missing, crit="0")
        yield _datum(_label(result.target, "altered"), seen.altered, crit="0")
        yield _datum(_label(result.target, "duplicated"), seen.duplicated, crit="0")
        if seen.repeats:
            yield _datum(_label(result.target, "repeats"), seen.repeats)
        if seen.time_to_visible is not None:
            yield _seconds(_label(result.target, "visible"), seen.time_to_visible)
    yield _seconds(_label(result.target, "time"), result.seconds)


def _datum(label: str, value: int, *, warn: str = "", crit: str = "", top: int | None = None) -> str:
    """`'label'=value;warn;crit;min;max`; a count has no unit, and crossing 0 is what crosses a threshold of 0."""
    return f"'{label}'={value};{warn};{crit};0;{'' if top is None else top}"


def _seconds(label: str, seconds: float) -> str:
    return f"'{label}'={seconds:.3f}s;;;0;"


def _label(target: str, name: str) -> str:
    clean = " ".join(printable(target).replace("=", "-").replace("|", "-").split()).replace("'", "''")
    return f"{clean} {name}"


def _flat(text: str) -> str:
    """One line without the sign that begins performance data."""
    flat = " ".join(printable(text).replace("|", "/").split())
    return flat if len(flat) <= _LONGEST else flat[:_LONGEST].rstrip() + "…"
