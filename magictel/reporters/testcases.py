"""Results as a flat list of cases for formats with passed, failed and skipped: a case per rung, or for accepted and verified."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from magictel.model.events import INTERRUPTED, CheckResult, ReplayFinished, RunCleaned, SendOutcome, SendResult
from magictel.model.finding import Finding, Status
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.model.verification import Difference, Verification
from magictel.reporters.evidence import lines
from magictel.reporters.humanize import many, named
from magictel.reporters.remedies import known
from magictel.reporters.results import Result, Results

RECORDING = "recording"
READ = "read"
ASKED = "asked"
ACCEPTED = "accepted"
VERIFIED = "verified"
CLEANED = "cleaned"
MAY_BE_STORED = "the backend may have stored them: an attempt ended without a complete response"

_DIFFERENCES = 20
"""Differences shown per target; the JSON report has all."""


class ReportCase(msgspec.Struct, frozen=True):
    """A step that passed, failed, warned or was skipped. `details` are further sentences; `origin` is where a bad setting is set.

    A send that could not be verified is a skipped case with a code.
    """

    target: str
    exporter: str
    name: str
    status: Status
    message: str
    code: str | None = None
    remedy: str | None = None
    details: tuple[str, ...] = ()
    seconds: float | None = None
    origin: str = ""


def report_cases(results: Results) -> list[ReportCase]:
    """Return every case in the order of the targets; targets that were not done fail at the end."""
    cases = source_cases(results)
    for result in results.results:
        cases += target_cases(result)
    cases += map(_cleaned, results.cleaned)
    broken_off = "the run was interrupted before this target was done"
    return cases + [ReportCase(left, "", ASKED, Status.FAIL, broken_off, INTERRUPTED) for left in results.left]


def source_cases(results: Results) -> list[ReportCase]:
    """Return the case of a replay's source: it fails if reading ended early, and warns of skipped lines."""
    if not isinstance(results.send, ReplayFinished):
        return []
    source, broken = results.send.source, results.send.broken
    read = f"{many(source.points, 'point')} of {source.series} series from {', '.join(source.files)}"
    if broken is not None:
        code, remedy = broken.code, broken.remedy
        return [ReportCase(RECORDING, "", READ, Status.FAIL, broken.message, code, remedy, (read, *source.examples))]
    skipped = [f"skipped {reason}" for reason in source.reasons]
    message = "; ".join([read, *skipped, *source.warnings])
    if source.lost or source.warnings:
        code = source.code or "source.doubtful"
        return [ReportCase(RECORDING, "", READ, Status.WARN, message, code, None, source.examples)]
    return [ReportCase(RECORDING, "", READ, Status.PASS, message)]


def target_cases(result: Result) -> list[ReportCase]:
    """Return a case for each rung of a check; for a send those of the rungs before the write, then `accepted` and `verified`."""
    if isinstance(result, CheckResult):
        return [_rung(result, finding) for finding in result.rungs]
    return [*(_rung(result, finding) for finding in result.findings), _accepted(result), _verified(result)]


def _cleaned(run: RunCleaned) -> ReportCase:
    status = Status.PASS if run.complete else Status.FAIL
    return ReportCase(run.target, run.exporter, CLEANED, status, deleted(run), run.code, run.remedy)


def reason_text(reason: Reason) -> str:
    """Return `dropped 12: tls.expired: the certificate expired`, with an example and whether the points may be stored."""
    example = f"; for example {reason.example}" if reason.example and reason.example not in reason.message else ""
    doubt = f"; {MAY_BE_STORED}" if doubtful(reason) else ""
    return f"{reason.fate} {reason.count}: {reason.code}: {reason.message}{example}{doubt}"


def doubtful(reason: Reason) -> bool:
    """Return whether the points count as not delivered but may be stored."""
    return reason.maybe_stored and reason.fate in (Fate.DROPPED, Fate.KEPT, Fate.REJECTED)


def difference_text(difference: Difference) -> str:
    """Return `cost point-03: value.double: sent 0.5, seen 0.0`."""
    return f"{difference.point}: {difference.field}: sent {difference.sent!r}, seen {difference.seen!r}"


def telling(altered: Sequence[Difference]) -> list[Difference]:
    """Return a difference per field of each metric: a field that differs in every point must not hide the others."""
    first: dict[tuple[str, str], Difference] = {}
    for difference in altered:
        first.setdefault((re.split(r"[ {]", difference.point, maxsplit=1)[0], difference.field), difference)
    return list(first.values())


def undeclared(seen: Verification) -> list[Difference]:
    """Return the differences that no declared form explains."""
    return [difference for difference in seen.differences if difference.declared is None]


def _rung(result: Result, finding: Finding) -> ReportCase:
    status = finding.outcome
    details = tuple(lines(finding)) if status in (Status.FAIL, Status.WARN) else ()
    code = None if status is Status.PASS else finding.code
    origin = str(finding.evidence.get("origin") or "")
    step = (result.target, result.exporter, finding.rung.value, status, finding.message)
    return ReportCase(*step, code, finding.remedy, details, finding.seconds, origin)


def _accepted(result: SendResult) -> ReportCase:
    receipt = result.receipt
    step = (result.target, result.exporter, ACCEPTED)
    details, seconds = tuple(map(reason_text, receipt.reasons)), float(receipt.seconds)
    message = f"{receipt.delivered} of {many(receipt.sent, 'point')} accepted"
    if not (receipt.undelivered or receipt.rejected):
        return ReportCase(*step, Status.PASS, message, details=details, seconds=seconds)
    message = f"{message}: {result.message or result.outcome.value}"
    remedy = result.remedy or known(result.code)
    return ReportCase(*step, Status.FAIL, message, result.code, remedy, details, seconds)


def _verified(result: SendResult) -> ReportCase:
    seen, step = result.verification, (result.target, result.exporter, VERIFIED)
    unreadable = "the backend cannot be queried"
    if seen is None and result.outcome is SendOutcome.UNVERIFIED:
        return ReportCase(*step, Status.SKIPPED, result.message or unreadable, result.code, result.remedy)
    if seen is None:
        why = "not read back" if result.receipt.delivered else "nothing was accepted"
        return ReportCase(*step, Status.SKIPPED, why)
    if seen.code and not seen.found:
        return ReportCase(*step, Status.SKIPPED, seen.message or unreadable, seen.code, seen.remedy)
    if seen.missing or seen.altered or seen.duplicated:
        return _wrong(result, seen)
    if seen.code or seen.unverified:
        why = seen.message or f"{many(seen.unverified, 'point')} with fields that the backend cannot show"
        return ReportCase(*step, Status.SKIPPED, why, seen.code or "verify.unreadable", seen.remedy)
    how = "equal" if not seen.counted else f"of them {counted_only(seen)}"
    how += f", {many(seen.repeats, 'repeat')}" if seen.repeats else ""
    place = f" in {result.read_from.target}" if result.read_from else ""
    message = f"{seen.found} of {many(seen.expected, 'point')} found{place}, {how}"
    return ReportCase(*step, Status.PASS, message, seconds=seen.time_to_visible)


def _wrong(result: SendResult, seen: Verification) -> ReportCase:
    """Return the case of a read-back that shows lost, altered or duplicated points."""
    counts = ((seen.missing, "lost"), (seen.altered, "altered"), (seen.duplicated, "duplicated"))
    wrong = [(count, word) for count, word in counts if count]
    known_code = result.outcome in (SendOutcome.LOST, SendOutcome.ALTERED, SendOutcome.DUPLICATED)
    code = result.code if known_code else f"verify.{wrong[0][1]}"
    altered = undeclared(seen)
    shown = telling(altered)[:_DIFFERENCES]
    details = list(map(difference_text, shown))
    if len(altered) > len(shown):
        details.append(f"and {many(len(altered) - len(shown), 'more difference')} in the JSON report")
    details += [f"lost: {point}" for point in seen.missing_points]
    wrong_counts = ", ".join(f"{count} {word}" for count, word in wrong)
    message = f"of {many(seen.expected, 'accepted point')}: {wrong_counts}"
    remedy = (result.remedy if known_code else None) or known(code)
    step = (result.target, result.exporter, VERIFIED)
    return ReportCase(*step, Status.FAIL, message, code, remedy, tuple(details), seen.time_to_visible)


def ledger(receipt: Receipt) -> dict[str, int]:
    """Return the points by fate, the sent ones first; `unconfirmed` only if there are any."""
    fates = {fate.value: getattr(receipt, fate.value) for fate in Fate}
    return {"sent": receipt.sent} | {name: count for name, count in fates.items() if count or name != "unconfirmed"}


def read_back(seen: Verification | None) -> dict[str, int]:
    """Return the accepted points by the result of their read-back; nothing if the backend could not be queried."""
    if seen is None or (seen.code and not seen.found):
        return {}
    not_shown = seen.expected - seen.found - seen.missing  # unverified too, but not among those that were found
    equal = max(0, seen.found - seen.altered - max(0, seen.unverified - not_shown) - seen.by_count)
    return {
        "found": seen.found,
        "equal": equal,
        **({"counted": seen.by_count} if seen.counted else {}),
        "missing": seen.missing,
        "altered": seen.altered,
        "duplicated": seen.duplicated,
        **({"repeats": seen.repeats} if seen.repeats else {}),
        "unverified": seen.unverified,
    }


def deleted(run: RunCleaned, unit: str = "") -> str:
    """Return `3 of 12 items deleted: the backend is read-only`."""
    return f"{run.deleted} of {run.found or 0}{unit} deleted" + (f": {run.message}" if run.message else "")


def counted_only(seen: Verification) -> str:
    """Return `12 points by count only: a (9), b (3)`: their values were not compared."""
    metrics = named([f"{count.metric} ({count.expected})" for count in seen.counted])
    return f"{many(seen.by_count, 'point')} by count only: {metrics}"


def problems(cases: list[ReportCase]) -> Iterator[ReportCase]:
    """Yield the problems: failures first, then warnings and unverified cases."""
    for status in (Status.FAIL, Status.WARN, Status.SKIPPED):
        yield from (case for case in cases if case.status is status and case.code)
