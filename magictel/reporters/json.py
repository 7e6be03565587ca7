"""For machines: one document with frozen keys (`tests/reporters/test_json.py`). More keys may come; none goes or changes its meaning."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from magictel.errors import MagictelError
from magictel.events import (
    CheckFinished,
    CheckOutcome,
    CheckResult,
    CheckStarted,
    Event,
    ReplayFinished,
    ReplayStarted,
    RunCleaned,
    SendFinished,
    SendOutcome,
    SendResult,
    SendStarted,
    SkippedReason,
    SourceReport,
)
from magictel.finding import Finding, Held
from magictel.outcome import Fate, Reason, Receipt
from magictel.reporters.run_info import RunInfo
from magictel.reporters.timing import advice
from magictel.stopwatch import Timing
from magictel.verification import Counted, Difference, Verification

CHECK = "magictel.check/1"
SEND = "magictel.send/1"
REPLAY = "magictel.replay/1"
DRY_REPLAY = "magictel.dry-replay/1"
CLEAN = "magictel.clean/1"
ERROR = "magictel.error/1"

Document = dict[str, Any]


class JsonReporter:
    """Writes exactly one document when the operation is over; broken off before any result nothing, and the caller says why."""

    info: RunInfo | None = None
    """What is said about the run itself, if anything."""

    def __init__(self, write: Callable[[Document], None], info: RunInfo | None = None) -> None:
        self._write = write
        self.info = info
        self._finished: CheckFinished | SendFinished | None = None
        self._targets: tuple[str, ...] = ()
        self._cleaned: list[RunCleaned] = []

    def on(self, event: Event) -> None:
        """Take one event."""
        match event:
            case CheckStarted(targets=targets) | SendStarted(targets=targets) | ReplayStarted(targets=targets):
                self._targets = targets
            case CheckFinished() | SendFinished():
                self._finished = event
            case RunCleaned():
                self._cleaned.append(event)
            case _:
                pass

    def finish(self) -> None:
        """Write the document."""
        document = self._document()
        if document is not None:
            self._write(plain({**document, **_about(self.info)}))

    def fail(self, failure: MagictelError) -> None:
        """Nothing could be asked at all: the document says why."""
        self._write({**error_document(failure), **_about(self.info)})

    def _document(self) -> Document | None:
        match self._finished:
            case CheckFinished():
                return check_document(self._finished, self._targets)
            case ReplayFinished():
                return replay_document(self._finished, self._targets)
            case SendFinished():
                document = send_document(self._finished, self._targets)
                _add_cleaned(document, self._cleaned)
                return document
            case None:
                return clean_document(self._cleaned) if self._cleaned else None


def _about(info: RunInfo | None) -> Document:
    return {} if info is None else {"version": info.version, "host": info.host, "started": info.timestamp}


def writer(stream: TextIO) -> Callable[[Document], None]:
    """Writes a document to a stream: one JSON value, indented, and a line end."""

    def write(document: Document) -> None:
        stream.write(json.dumps(plain(document), indent=2, allow_nan=False) + "\n")
        stream.flush()

    return write


def error_document(failure: MagictelError) -> Document:
    """`magictel.error/1`: what is said where no result can be."""
    return {
        "schema": ERROR,
        "code": failure.code,
        "message": failure.message,
        "remedy": failure.remedy,
        "origin": failure.origin,
    }


def check_document(finished: CheckFinished, targets: Iterable[str] = ()) -> Document:
    """`magictel.check/1`. A target that was broken off does not hold: the outcome is fail."""
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
    """`magictel.send/1`. What became of the points of a target that was broken off is not known: the outcome is undelivered."""
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
    """`magictel.replay/1`: as `magictel.send/1`, and what was read. A recording that broke off was not replayed: undelivered."""
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
    """What was read of recordings."""
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
    """Why so many points or lines of a recording were not sent. `lost`: there was something to send."""
    return {
        "code": reason.code,
        "count": reason.count,
        "unit": reason.unit,
        "message": reason.text,
        "lost": reason.lost,
    }


def dry_replay_document(source: SourceReport, targets: Iterable[Document]) -> Document:
    """`magictel.dry-replay/1`: what a replay would send, in numbers."""
    return {"schema": DRY_REPLAY, "source": source_document(source), "targets": list(targets)}


def clean_document(cleaned: Iterable[RunCleaned]) -> Document:
    """`magictel.clean/1`: a clean-up of an earlier run."""
    rows = list(cleaned)
    return {
        "schema": CLEAN,
        "outcome": "cleaned" if all(one.held for one in rows) else "not-cleaned",
        "run_id": rows[0].run_id if rows else None,
        "targets": [{"target": one.target, "exporter": one.exporter, **_cleaned(one)} for one in rows],
    }


def rung_document(finding: Finding) -> Document:
    """One rung. `code` is null on pass; `blocked_by` a rung's name or null."""
    return {
        "rung": finding.rung.value,
        "outcome": finding.outcome.value,
        "code": None if finding.outcome is Held.PASS else finding.code,
        "message": finding.message,
        "remedy": finding.remedy,
        "blocked_by": None if finding.blocked_by is None else finding.blocked_by.value,
        "seconds": _seconds(finding.seconds),
        "evidence": dict(finding.evidence),
    }


def receipt_document(receipt: Receipt) -> Document:
    """The ledger of one delivery; counts are SDK data points. `failed_attempts`: those after which something was sent again or left;
    `status` is null where there was no reply, or one whose status is a success.
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
    """Sent against seen."""
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
        "differences": [_difference(one) for one in seen.differences],
        **({} if seen.identity is None else {"identity": seen.identity, "as_declared": seen.as_declared or 0}),
        **({} if not seen.counted else {"counted": [_metric(one) for one in seen.counted]}),
    }


def timing_document(timing: Timing) -> Document:
    """Where the time of a delivery went, in seconds; null where there is no such step. `advice` says what dominates."""
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


def plain(value: Any) -> Any:
    """A value JSON has: what it lacks becomes its text (NaN, infinities, bytes, objects)."""
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        )
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


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
        "unknown": reason.unknown,
    }


def _difference(one: Difference) -> Document:
    return {"point": one.point, "field": one.field, "sent": one.sent, "seen": one.seen, "declared": one.declared}


def _metric(one: Counted) -> Document:
    return {"metric": one.metric, "expected": one.expected, "shown": one.shown}


def _cleaned(one: RunCleaned) -> Document:
    return {"found": one.found, "deleted": one.deleted, "code": one.code, "message": one.message, "remedy": one.remedy}


def _add_cleaned(document: Document, cleaned: Iterable[RunCleaned]) -> None:
    rows = {one.target: _cleaned(one) for one in cleaned}
    for target in document["targets"]:
        if target["target"] in rows:
            target["cleaned"] = rows[target["target"]]


def _not_asked(results: Iterable[CheckResult | SendResult], targets: Iterable[str]) -> list[str]:
    done = {result.target for result in results}
    return [target for target in targets if target not in done]


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else float(seconds)
