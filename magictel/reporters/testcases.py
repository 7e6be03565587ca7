"""Results as a flat list of cases, for formats that know nothing but passed, failed and skipped: one a rung, or accepted and verified."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from magictel.model.events import INTERRUPTED, CheckResult, ReplayFinished, RunCleaned, SendOutcome, SendResult
from magictel.model.finding import Finding, Status
from magictel.model.outcome import Fate, Reason
from magictel.model.verification import Difference, Verification
from magictel.reporters.evidence import lines
from magictel.reporters.humanize import many, named
from magictel.reporters.remedies import known
from magictel.reporters.results import Results

RECORDING = "recording"
READ = "read"
ASKED = "asked"
ACCEPTED = "accepted"
VERIFIED = "verified"
CLEANED = "cleaned"
MAY_BE_STORED = "the backend may hold them all the same: an attempt ended without a complete reply"

_DIFFERENCES = 20
"""Differences told for each target; the JSON report has all."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that holds, fails, warns or was not asked. `told` are further sentences; `origin` is where a bad setting came from.

    A send that nobody could verify is a skipped case with a code.
    """

    target: str
    exporter: str
    name: str
    held: Status
    message: str
    code: str | None = None
    remedy: str | None = None
    told: tuple[str, ...] = ()
    seconds: float | None = None
    origin: str = ""


def cases(results: Results) -> list[Case]:
    """Every case in the order of the targets; what was never asked fails at the end."""
    found = source_cases(results)
    for checked in results.check.results if results.check else ():
        found += checked_cases(checked)
    for sent in results.send.results if results.send else ():
        found += sent_cases(sent)
    found += map(cleaned_case, results.cleaned)
    broken_off = "the run was broken off before this target was done"
    return found + [Case(left, "", ASKED, Status.FAIL, broken_off, INTERRUPTED) for left in results.left]


def source_cases(results: Results) -> list[Case]:
    """What a replay read: it fails where reading broke off, and warns of skipped lines."""
    if not isinstance(results.send, ReplayFinished):
        return []
    source, broken = results.send.source, results.send.broken
    read = f"{many(source.points, 'point')} of {source.series} series from {', '.join(source.files)}"
    if broken is not None:
        code, remedy = broken.code, broken.remedy
        return [Case(RECORDING, "", READ, Status.FAIL, broken.message, code, remedy, (read, *source.examples))]
    skipped = [f"skipped {reason}" for reason in source.reasons]
    message = "; ".join([read, *skipped, *source.warnings])
    if source.lost or source.warnings:
        code = source.code or "source.doubtful"
        return [Case(RECORDING, "", READ, Status.WARN, message, code, None, source.examples)]
    return [Case(RECORDING, "", READ, Status.PASS, message)]


def checked_cases(result: CheckResult) -> list[Case]:
    """One for each rung."""
    return [_rung(result.target, result.exporter, finding) for finding in result.rungs]


def sent_cases(result: SendResult) -> list[Case]:
    """What the rungs before the write had to say, then `accepted` and `verified`."""
    noted = [_rung(result.target, result.exporter, finding) for finding in result.findings]
    return [*noted, _accepted(result), _verified(result)]


def cleaned_case(one: RunCleaned) -> Case:
    """Whether a run's items are gone."""
    held = Status.PASS if one.held else Status.FAIL
    message = f"{one.deleted} of {one.found or 0} deleted" + (f": {one.message}" if one.message else "")
    return Case(one.target, one.exporter, CLEANED, held, message, one.code, one.remedy)


def reason_text(reason: Reason) -> str:
    """`dropped 12: tls.expired: the certificate expired`, with an example and the doubt, where there are."""
    example = f"; for example {reason.example}" if reason.example and reason.example not in reason.message else ""
    doubt = f"; {MAY_BE_STORED}" if doubtful(reason) else ""
    return f"{reason.fate} {reason.count}: {reason.code}: {reason.message}{example}{doubt}"


def doubtful(reason: Reason) -> bool:
    """True for points that count as not delivered and may be there."""
    return reason.maybe_stored and reason.fate in (Fate.DROPPED, Fate.KEPT, Fate.REJECTED)


def difference_text(one: Difference) -> str:
    """`cost point-03: value.double: sent 0.5, seen 0.0`."""
    return f"{one.point}: {one.field}: sent {one.sent!r}, seen {one.seen!r}"


def telling(altered: Sequence[Difference]) -> list[Difference]:
    """Of each metric's fields one difference: a field that is changed in every point must not hide the others."""
    first: dict[tuple[str, str], Difference] = {}
    for one in altered:
        first.setdefault((re.split(r"[ {]", one.point, maxsplit=1)[0], one.field), one)
    return list(first.values())


def undeclared(seen: Verification) -> list[Difference]:
    """The differences that no documented form explains."""
    return [one for one in seen.differences if one.declared is None]


def _rung(target: str, exporter: str, finding: Finding) -> Case:
    told = tuple(lines(finding)) if finding.outcome in (Status.FAIL, Status.WARN) else ()
    code = None if finding.outcome is Status.PASS else finding.code
    origin = str(finding.evidence.get("origin") or "")
    return Case(
        target,
        exporter,
        finding.rung.value,
        finding.outcome,
        finding.message,
        code,
        finding.remedy,
        told,
        finding.seconds,
        origin,
    )


def _accepted(result: SendResult) -> Case:
    receipt = result.receipt
    told = tuple(map(reason_text, receipt.reasons))
    bad = receipt.undelivered or receipt.rejected
    message = f"{receipt.delivered} of {many(receipt.sent, 'point')} accepted"
    if not bad:
        return Case(
            result.target, result.exporter, ACCEPTED, Status.PASS, message, told=told, seconds=float(receipt.seconds)
        )
    why = result.message or result.outcome.value
    return Case(
        result.target,
        result.exporter,
        ACCEPTED,
        Status.FAIL,
        f"{message}: {why}",
        result.code,
        result.remedy or known(result.code),
        told,
        float(receipt.seconds),
    )


def _verified(result: SendResult) -> Case:
    seen, receipt = result.verification, result.receipt
    name = (result.target, result.exporter, VERIFIED)
    if seen is None:
        if result.outcome is SendOutcome.UNVERIFIED:
            return Case(
                *name, Status.SKIPPED, result.message or "the backend could not be queried", result.code, result.remedy
            )
        return Case(*name, Status.SKIPPED, "not read back" if receipt.delivered else "nothing was accepted")
    bad = [
        f"{count} {word}"
        for count, word in ((seen.missing, "lost"), (seen.altered, "altered"), (seen.duplicated, "duplicated"))
        if count
    ]
    if seen.code and not seen.found:
        return Case(*name, Status.SKIPPED, seen.message or "the backend could not be queried", seen.code, seen.remedy)
    if bad:
        own = result.outcome in (SendOutcome.LOST, SendOutcome.ALTERED, SendOutcome.DUPLICATED)
        code = result.code if own else f"verify.{bad[0].split()[1]}"
        altered = undeclared(seen)
        shown = telling(altered)[:_DIFFERENCES]
        more = many(len(altered) - len(shown), "more difference")
        told = [
            *map(difference_text, shown),
            *([f"and {more}, all of them in the JSON report"] if len(altered) > len(shown) else []),
            *(f"lost: {one}" for one in seen.missing_points),
        ]
        message = f"of {many(seen.expected, 'accepted point')}: {', '.join(bad)}"
        remedy = (result.remedy if own else None) or known(code)
        return Case(*name, Status.FAIL, message, code, remedy, tuple(told), seen.time_to_visible)
    if seen.code or seen.unverified:
        why = seen.message or f"{many(seen.unverified, 'point')} hold fields that the backend cannot show"
        return Case(*name, Status.SKIPPED, why, seen.code or "verify.unreadable", seen.remedy)
    how = "equal" if not seen.counted else f"of them {counted_only(seen)}"
    how += f", {many(seen.repeats, 'repeat')}" if seen.repeats else ""
    return Case(
        *name,
        Status.PASS,
        f"{seen.found} of {many(seen.expected, 'point')} found, {how}",
        seconds=seen.time_to_visible,
    )


def counted_only(seen: Verification) -> str:
    """`12 points by their number only: a (9), b (3)`: their values were not compared."""
    metrics = named([f"{one.metric} ({one.expected})" for one in seen.counted])
    return f"{many(seen.by_count, 'point')} by their number only: {metrics}"


def problems(found: list[Case]) -> Iterator[Case]:
    """What somebody should look at: failures first, then warnings and what could not be verified."""
    for held in (Status.FAIL, Status.WARN, Status.SKIPPED):
        yield from (case for case in found if case.held is held and case.code)
