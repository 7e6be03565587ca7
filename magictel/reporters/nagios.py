"""Nagios, Icinga and similar: a line of text and performance data according to the Monitoring Plugins' guidelines.

    MAGICTEL CRITICAL - prod-es FAILED at tls: the certificate expired … (tls.expired) | 'prod-es failed'=1;;0;0; …

The state is one of four plugin states: OK (0), WARNING (1), CRITICAL (2), UNKNOWN (3).
The first that applies: an interrupted run, unusable settings or a usage error are UNKNOWN; a failed rung, or a point that is
rejected, lost, altered, duplicated or undelivered, is CRITICAL; an unverified target is UNKNOWN; a warning is
WARNING; otherwise OK. The process itself exits with its own code, which has other meanings.

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
from magictel.reporters.testcases import ReportCase, problems, report_cases
from magictel.reporters.verdict import sentence

_LONGEST = 400
"""Maximum length of the text: some readers truncate a line at 1 KB, and the performance data must survive."""
_ROOM = 4000
"""Bytes of the whole line: Nagios reads 8 KiB, and the kubelet keeps the last 4096 bytes of a termination message, whose verdict leads."""

_UNLISTED = 24
"""Bytes for `unlisted`."""


class State(IntEnum):
    """The state of a plugin, with its exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class NagiosReporter(ClosingReporter):
    """A reporter that writes a single line."""

    def text(self, results: Results) -> str:
        """Return state, verdict, the worst problems and performance data."""
        lead = f"MAGICTEL {state(results).name} - {_flat(_text(results))}"
        data = " ".join(_data(results, _ROOM - len(lead.encode()) - len(" | \n")))
        return lead + (f" | {data}" if data else "") + "\n"

    def failure(self, failure: MagictelError) -> str:
        """Return the line for a failure of the whole command."""
        return f"MAGICTEL {State.UNKNOWN.name} - {_flat(f'{failure.code}: {failure.message}')}\n"


def state(results: Results) -> State:
    """Return the first state that applies, as the module describes."""
    checked = results.check.results if results.check else ()
    sent = results.send.results if results.send else ()
    statuses = {case.status for case in report_cases(results)}
    unusable = (
        *(result.unusable for result in checked),
        *(result.unusable for result in sent),
        *(run.unusable for run in results.cleaned),
    )
    if results.interrupted or any(unusable) or not statuses:
        return State.UNKNOWN
    if Status.FAIL in statuses:
        return State.CRITICAL
    if any(result.outcome is SendOutcome.UNVERIFIED for result in sent):
        return State.UNKNOWN
    return State.WARNING if Status.WARN in statuses else State.OK


def _text(results: Results) -> str:
    """Return the verdict and its cause; for several targets, a cause for each code with the number of targets that share it."""
    text = sentence(results)
    rank = {result.target: place for place, result in enumerate(_worst_first(results))}
    order = (Status.FAIL, Status.WARN, Status.SKIPPED)
    cases = sorted(
        problems(report_cases(results)), key=lambda case: (order.index(case.status), rank.get(case.target, -1))
    )
    if not cases:
        return text
    if len(rank) < 2:
        first = cases[0]
        if " ".join(first.message.split()) in text:
            return text
        named = first.code and first.code in text
        return f"{text}: {first.message}" if named else f"{text}: {_lead(first, text)}{first.code}: {first.message}"
    alike: dict[str | None, list[ReportCase]] = {}
    for case in cases:
        alike.setdefault(case.code, []).append(case)
    for code, members in alike.items():
        first, count = members[0], len({case.target for case in members})
        text += f"; {first.target} {first.name}: {code}: {first.message}" + (f" ({count} targets)" if count > 1 else "")
        if len(text) > _LONGEST:
            break
    return text


def _lead(case: ReportCase, text: str) -> str:
    return "" if case.target in text else f"{case.target} "


def _worst_first(results: Results) -> list[CheckResult | SendResult]:
    """Return every result: unusable settings, then failures in the order of their outcomes, then warnings, then passes."""
    ranked: list[CheckResult | SendResult] = [
        *(results.check.results if results.check else ()),
        *(results.send.results if results.send else ()),
    ]
    checked, sent = list(CheckOutcome), list(SendOutcome)

    def badness(result: CheckResult | SendResult) -> tuple[bool, int]:
        place = sent.index(result.outcome) if isinstance(result, SendResult) else -checked.index(result.outcome)
        return (not result.unusable, place)

    return sorted(ranked, key=badness)


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
    """Yield totals; their labels contain no space, unlike those of targets, so they cannot collide."""
    checked = [result for result in ranked if isinstance(result, CheckResult)]
    sent = [result for result in ranked if isinstance(result, SendResult)]
    outcomes = [result.outcome for result in checked]
    good = sum(result.outcome in (SendOutcome.VERIFIED, SendOutcome.ACCEPTED) for result in sent)
    unverified = sum(result.outcome is SendOutcome.UNVERIFIED for result in sent)
    count = len(checked) + len(sent)
    failed = outcomes.count(CheckOutcome.FAIL) + len(sent) - good - unverified
    yield _datum("targets", count)
    yield _datum("targets_failed", failed, crit="0", top=count)
    if checked:
        yield _datum("targets_unproved", outcomes.count(CheckOutcome.UNVERIFIED), warn="0", top=count)
        yield _datum("targets_warned", outcomes.count(CheckOutcome.WARN), warn="0", top=count)
    if sent:
        receipts = [result.receipt for result in sent]
        verifications = [result.verification for result in sent if result.verification is not None]
        yield _datum("targets_unverified", unverified, warn="0", top=count)
        yield _datum("sent", sum(receipt.sent for receipt in receipts))
        yield _datum(
            "delivered", sum(receipt.delivered for receipt in receipts), top=sum(receipt.sent for receipt in receipts)
        )
        yield _datum("rejected", sum(receipt.rejected for receipt in receipts), crit="0")
        yield _datum("undelivered", sum(receipt.undelivered for receipt in receipts), crit="0")
        if verifications:
            yield _datum(
                "found",
                sum(verification.found for verification in verifications),
                top=sum(verification.expected for verification in verifications),
            )
            yield _datum(
                "lost",
                sum(
                    verification.missing
                    for verification in verifications
                    if verification.found or not verification.code
                ),
                crit="0",
            )
            yield _datum("altered", sum(verification.altered for verification in verifications), crit="0")
            yield _datum("duplicated", sum(verification.duplicated for verification in verifications), crit="0")
    yield _seconds("time", seconds)


def _checked(result: CheckResult) -> Iterator[str]:
    statuses = [finding.outcome for finding in result.rungs]
    yield _datum(_label(result.target, "failed"), statuses.count(Status.FAIL), warn="", crit="0")
    yield _datum(_label(result.target, "warned"), statuses.count(Status.WARN), warn="0", crit="")
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
    """Return `'label'=value;warn;crit;min;max`; a count has no unit, and any value above 0 exceeds a threshold of 0."""
    return f"'{label}'={value};{warn};{crit};0;{'' if top is None else top}"


def _seconds(label: str, seconds: float) -> str:
    return f"'{label}'={seconds:.3f}s;;;0;"


def _label(target: str, name: str) -> str:
    clean = " ".join(printable(target).replace("=", "-").replace("|", "-").split()).replace("'", "''")
    return f"{clean} {name}"


def _flat(text: str) -> str:
    """Return the text on a single line without the character that begins performance data."""
    flat = " ".join(printable(text).replace("|", "/").split())
    return flat if len(flat) <= _LONGEST else flat[:_LONGEST].rstrip() + "…"
