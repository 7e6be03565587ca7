"""The JSON report: a document with frozen keys (`tests/reporters/test_json.py`): keys may be added, never removed or redefined."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TextIO

from magictel.errors import MagictelError
from magictel.model.events import (
    CheckFinished,
    CheckOutcome,
    Event,
    ReplayFinished,
    RunCleaned,
    RunFinished,
    SendFinished,
    SendOutcome,
    SendResult,
    SkippedReason,
    SourceReport,
)
from magictel.model.finding import Finding, Status
from magictel.model.outcome import Receipt
from magictel.model.timing import Timing
from magictel.model.verification import Verification
from magictel.reporters.formats import RunInfo
from magictel.reporters.results import Result, Results
from magictel.reporters.timing import advice

CHECK = "magictel.check/1"
SEND = "magictel.send/1"
REPLAY = "magictel.replay/1"
RUN = "magictel.run/1"
DRY_REPLAY = "magictel.dry-replay/1"
CLEAN = "magictel.clean/1"
ERROR = "magictel.error/1"

Document = dict[str, Any]


class JsonReporter:
    """A reporter that writes a single document at the end; interrupted before any result, it writes nothing and the caller reports why."""

    info: RunInfo | None = None
    """Facts about the run itself, or None."""

    def __init__(self, write: Callable[[Document], None], info: RunInfo | None = None) -> None:
        self._write = write
        self.info = info
        self._results = Results()

    def on(self, event: Event) -> None:
        """Take an event."""
        self._results.on(event)

    def finish(self) -> None:
        """Write the document."""
        document = _document(self._results)
        if document is not None:
            self._write(plain({**document, **_about(self.info)}))

    def fail(self, failure: MagictelError) -> None:
        """Write the document for a failure of the whole command."""
        self._write({**error_document(failure), **_about(self.info)})


def _document(results: Results) -> Document | None:
    match results.check or results.send:
        case CheckFinished() as checked:
            return check_document(checked, results.targets)
        case ReplayFinished() as replayed:
            return replay_document(replayed, results.targets)
        case SendFinished() as sent:
            cleaned = {run.target: {"cleaned": cleaned_document(run)} for run in results.cleaned}
            document = send_document(sent, results.targets)
            return {**document, "targets": [{**row, **cleaned.get(row["target"], {})} for row in document["targets"]]}
        case None:
            return clean_document(results.cleaned) if results.cleaned else None


def _about(info: RunInfo | None) -> Document:
    return {} if info is None else {"version": info.version, "host": info.host, "started": info.timestamp}


def writer(stream: TextIO) -> Callable[[Document], None]:
    """Return a function that writes a document to a stream as indented JSON with a line end."""

    def write(document: Document) -> None:
        stream.write(json.dumps(plain(document), indent=2, allow_nan=False) + "\n")
        stream.flush()

    return write


def plain(value: Any) -> Any:
    """Return a value that JSON supports; NaN, infinities, bytes and objects become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


def error_document(failure: MagictelError) -> Document:
    """Return `magictel.error/1`: the document for a run without results."""
    return {"schema": ERROR, **_picked(failure, "code", "message", "remedy", "origin")}


def check_document(finished: CheckFinished, targets: Iterable[str] = ()) -> Document:
    """Return `magictel.check/1`. The outcome is fail if a target was interrupted."""
    left = _not_asked(finished.results, targets)
    return {
        "schema": CHECK,
        "outcome": CheckOutcome.FAIL.value if left else finished.outcome.value,
        "interrupted": finished.interrupted,
        "not_asked": left,
        "seconds": finished.seconds,
        "targets": [
            {
                **_picked(result, "target", "exporter", "outcome", "endpoint"),
                "seconds": float(result.seconds),
                "rungs": [rung_document(finding) for finding in result.rungs],
            }
            for result in finished.results
        ],
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
    """Return `magictel.replay/1` or `magictel.run/1`: like `magictel.send/1`, with the source. Undelivered if reading ended early."""
    source = finished.source
    document = send_document(finished, targets)
    if finished.broken is not None or (finished.interrupted and finished.go_on is not None):
        document["outcome"] = SendOutcome.UNDELIVERED.value
    return {
        **document,
        "schema": RUN if isinstance(finished, RunFinished) else REPLAY,
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
        **_picked(source, "files", "points", "series", "skipped"),
        "skipped_reasons": [skipped_document(reason) for reason in source.reasons],
        **_picked(source, "shift", "ended", "examples", "warnings"),
    }


def skipped_document(reason: SkippedReason) -> Document:
    """Return a reason why points or lines of a recording were not sent. `lost`: there was something to send."""
    return {**_picked(reason, "code", "count", "unit"), "message": reason.text, "lost": reason.lost}


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
        **_picked(finding, "rung", "outcome"),
        "code": None if finding.outcome is Status.PASS else finding.code,
        **_picked(finding, "message", "remedy", "blocked_by"),
        "seconds": _seconds(finding.seconds),
        "evidence": dict(finding.evidence),
    }


def receipt_document(receipt: Receipt) -> Document:
    """Return the ledger of a delivery; counts are SDK data points. `failed_attempts`: attempts with points left to retry.

    `status` is null without a reply, or if the reply's status was a success.
    """
    return {
        **_picked(
            receipt, "sent", "delivered", "unconfirmed", "rejected", "withheld", "kept", "dropped", "attempts", "bytes"
        ),
        "seconds": float(receipt.seconds),
        "failed_attempts": [_picked(failed, "status", "code", "count") for failed in receipt.failed],
        "waited_seconds": float(receipt.waited),
        "reasons": [
            {**_picked(reason, "code", "message", "count", "example", "fate"), "unknown": reason.maybe_stored}
            for reason in receipt.reasons
        ],
    }


def verification_document(seen: Verification) -> Document:
    """Return the comparison of sent and seen points."""
    counts = ("expected", "found", "missing", "altered", "duplicated", "repeats", "unverified")
    counted = [_picked(metric, "metric", "expected", "shown") for metric in seen.counted]
    return {
        **_picked(seen, *counts),
        "time_to_visible": _seconds(seen.time_to_visible),
        "missing_points": list(seen.missing_points),
        "differences": [
            _picked(difference, "point", "field", "sent", "seen", "declared") for difference in seen.differences
        ],
        **({} if seen.identity is None else {"identity": seen.identity, "as_declared": seen.as_declared or 0}),
        **({"counted": counted} if counted else {}),
    }


def timing_document(timing: Timing) -> Document:
    """Return the time of a delivery by step, in seconds; null for a missing step. `advice` names the dominant step."""
    steps = ("encode", "compress", "queue", "connect", "first_byte", "visible", "requests", "connections")
    return {**_picked(timing, *steps), "advice": advice(timing)}


def _sent(result: SendResult) -> Document:
    return {
        **_picked(result, "target", "exporter", "outcome", "code", "message", "remedy", "endpoint"),
        "seconds": float(result.seconds),
        "receipt": receipt_document(result.receipt),
        "verification": None if result.verification is None else verification_document(result.verification),
        "findings": [rung_document(finding) for finding in result.findings],
        **(
            {}
            if result.read_from is None
            else {"read_from": _picked(result.read_from, "target", "exporter", "endpoint")}
        ),
        **({} if result.timing is None else {"timing": timing_document(result.timing)}),
    }


def cleaned_document(run: RunCleaned) -> Document:
    """Return the result of a target's clean-up."""
    return _picked(run, "found", "deleted", "code", "message", "remedy")


def _picked(value: object, *names: str) -> Document:
    """Return these attributes by name; enumerations as their values, tuples as lists."""

    def plain(item: Any) -> Any:
        return item.value if isinstance(item, Enum) else list(item) if isinstance(item, tuple) else item

    return {name: plain(getattr(value, name)) for name in names}


def _not_asked(results: Iterable[Result], targets: Iterable[str]) -> list[str]:
    done = {result.target for result in results}
    return [target for target in targets if target not in done]


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else float(seconds)
