"""The documents of the JSON report: events and results as dictionaries with frozen keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from magictel.errors import MagictelError
from magictel.model.events import (
    CheckFinished,
    CheckOutcome,
    CheckResult,
    ReplayFinished,
    RunCleaned,
    SendFinished,
    SendOutcome,
    SendResult,
    SkippedReason,
    SourceReport,
)
from magictel.model.finding import Finding, Status
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.model.timing import Timing
from magictel.model.verification import Counted, Difference, Verification
from magictel.reporters.timing import advice

CHECK = "magictel.check/1"
SEND = "magictel.send/1"
REPLAY = "magictel.replay/1"
DRY_REPLAY = "magictel.dry-replay/1"
CLEAN = "magictel.clean/1"
ERROR = "magictel.error/1"

Document = dict[str, Any]


def error_document(failure: MagictelError) -> Document:
    """Return `magictel.error/1`: the document for a run without results."""
    return {
        "schema": ERROR,
        "code": failure.code,
        "message": failure.message,
        "remedy": failure.remedy,
        "origin": failure.origin,
    }


def check_document(finished: CheckFinished, targets: Iterable[str] = ()) -> Document:
    """Return `magictel.check/1`. The outcome is fail if a target was interrupted."""
    left = _not_asked(finished.results, targets)
    return {
        "schema": CHECK,
        "outcome": CheckOutcome.FAIL.value if left else finished.outcome.value,
        "interrupted": finished.interrupted,
        "not_asked": left,
        "seconds": finished.seconds,
        "targets": [_checked(result) for result in finished.results],
    }


def send_document(finished: SendFinished, targets: Iterable[str] = ()) -> Document:
    """Return `magictel.send/1`. The outcome is undelivered if a target was interrupted, because its points' fate is unknown."""
    left = _not_asked(finished.results, targets)
    return {
        "schema": SEND,
        "outcome": SendOutcome.UNDELIVERED.value if left else finished.outcome.value,
        "run_id": finished.run_id,
        "interrupted": finished.interrupted,
        "not_asked": left,
        "seconds": finished.seconds,
        "targets": [_sent(result) for result in finished.results],
    }


def replay_document(finished: ReplayFinished, targets: Iterable[str] = ()) -> Document:
    """Return `magictel.replay/1`: like `magictel.send/1`, with the source. The outcome is undelivered if reading ended early."""
    source = finished.source
    document = send_document(finished, targets)
    if finished.broken is not None or (finished.interrupted and finished.go_on is not None):
        document["outcome"] = SendOutcome.UNDELIVERED.value
    return {
        **document,
        "schema": REPLAY,
        "run_id": None,
        "from_point": finished.go_on,
        "source": {
            **source_document(source),
            "error": None if finished.broken is None else error_document(finished.broken),
        },
    }


def source_document(source: SourceReport) -> Document:
    """Return the counts of what was read from the recordings."""
    return {
        "files": list(source.files),
        "points": source.points,
        "series": source.series,
        "skipped": source.skipped,
        "skipped_reasons": [skipped_document(reason) for reason in source.reasons],
        "shift": source.shift,
        "ended": source.ended,
        "examples": list(source.examples),
        "warnings": list(source.warnings),
    }


def skipped_document(reason: SkippedReason) -> Document:
    """Return a reason why points or lines of a recording were not sent. `lost`: there was something to send."""
    return {
        "code": reason.code,
        "count": reason.count,
        "unit": reason.unit,
        "message": reason.text,
        "lost": reason.lost,
    }


def dry_replay_document(source: SourceReport, targets: Iterable[Document]) -> Document:
    """Return `magictel.dry-replay/1`: the numbers of what a replay would send."""
    return {"schema": DRY_REPLAY, "source": source_document(source), "targets": list(targets)}


def clean_document(cleaned: Iterable[RunCleaned]) -> Document:
    """Return `magictel.clean/1`: a clean-up of an earlier run."""
    rows = list(cleaned)
    return {
        "schema": CLEAN,
        "outcome": "cleaned" if all(run.complete for run in rows) else "not-cleaned",
        "run_id": rows[0].run_id if rows else None,
        "targets": [{"target": run.target, "exporter": run.exporter, **cleaned_document(run)} for run in rows],
    }


def rung_document(finding: Finding) -> Document:
    """Return a rung. `code` is null on pass; `blocked_by` is a rung's name or null."""
    return {
        "rung": finding.rung.value,
        "outcome": finding.outcome.value,
        "code": None if finding.outcome is Status.PASS else finding.code,
        "message": finding.message,
        "remedy": finding.remedy,
        "blocked_by": None if finding.blocked_by is None else finding.blocked_by.value,
        "seconds": _seconds(finding.seconds),
        "evidence": dict(finding.evidence),
    }


def receipt_document(receipt: Receipt) -> Document:
    """Return the ledger of a delivery; counts are SDK data points. `failed_attempts`: attempts with points left to retry.

    `status` is null without a reply, or if the reply's status was a success.
    """
    return {
        "sent": receipt.sent,
        "delivered": receipt.delivered,
        "unconfirmed": receipt.unconfirmed,
        "rejected": receipt.rejected,
        "withheld": receipt.withheld,
        "kept": receipt.kept,
        "dropped": receipt.dropped,
        "attempts": receipt.attempts,
        "bytes": receipt.bytes,
        "seconds": float(receipt.seconds),
        "failed_attempts": [
            {"status": failed.status, "code": failed.code, "count": failed.count} for failed in receipt.failed
        ],
        "waited_seconds": float(receipt.waited),
        "reasons": [_reason(reason) for reason in receipt.reasons],
    }


def verification_document(seen: Verification) -> Document:
    """Return the comparison of sent and seen points."""
    return {
        "expected": seen.expected,
        "found": seen.found,
        "missing": seen.missing,
        "altered": seen.altered,
        "duplicated": seen.duplicated,
        "repeats": seen.repeats,
        "unverified": seen.unverified,
        "time_to_visible": _seconds(seen.time_to_visible),
        "missing_points": list(seen.missing_points),
        "differences": [_difference(difference) for difference in seen.differences],
        **({} if seen.identity is None else {"identity": seen.identity, "as_declared": seen.as_declared or 0}),
        **({} if not seen.counted else {"counted": [_metric(metric) for metric in seen.counted]}),
    }


def timing_document(timing: Timing) -> Document:
    """Return the time of a delivery by step, in seconds; null for a missing step. `advice` names the dominant step."""
    return {
        "encode": timing.encode,
        "compress": timing.compress,
        "queue": timing.queue,
        "connect": timing.connect,
        "first_byte": timing.first_byte,
        "visible": timing.visible,
        "requests": timing.requests,
        "connections": timing.connections,
        "advice": advice(timing),
    }


def _checked(result: CheckResult) -> Document:
    return {
        "target": result.target,
        "exporter": result.exporter,
        "outcome": result.outcome.value,
        "endpoint": result.endpoint,
        "seconds": float(result.seconds),
        "rungs": [rung_document(finding) for finding in result.rungs],
    }


def _sent(result: SendResult) -> Document:
    timing = {} if result.timing is None else {"timing": timing_document(result.timing)}
    return {
        "target": result.target,
        "exporter": result.exporter,
        "outcome": result.outcome.value,
        "code": result.code,
        "message": result.message,
        "remedy": result.remedy,
        "endpoint": result.endpoint,
        "seconds": float(result.seconds),
        "receipt": receipt_document(result.receipt),
        "verification": None if result.verification is None else verification_document(result.verification),
        "findings": [rung_document(finding) for finding in result.findings],
        **timing,
    }


def _reason(reason: Reason) -> Document:
    return {
        "code": reason.code,
        "message": reason.message,
        "count": reason.count,
        "example": reason.example,
        "fate": Fate(reason.fate).value,
        "unknown": reason.maybe_stored,
    }


def _difference(difference: Difference) -> Document:
    return {
        "point": difference.point,
        "field": difference.field,
        "sent": difference.sent,
        "seen": difference.seen,
        "declared": difference.declared,
    }


def _metric(counted: Counted) -> Document:
    return {"metric": counted.metric, "expected": counted.expected, "shown": counted.shown}


def cleaned_document(run: RunCleaned) -> Document:
    """Return the result of a target's clean-up."""
    return {"found": run.found, "deleted": run.deleted, "code": run.code, "message": run.message, "remedy": run.remedy}


def _not_asked(results: Iterable[CheckResult | SendResult], targets: Iterable[str]) -> list[str]:
    done = {result.target for result in results}
    return [target for target in targets if target not in done]


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else float(seconds)
