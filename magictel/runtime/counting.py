"""A replacement for an unusable target: it drops and counts every point."""

from __future__ import annotations

import logging
import threading
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from magictel.errors import MagictelError
from magictel.model.metrics import count_points
from magictel.model.outcome import Fate, Reason, Receipt


class CountingExporter(MetricExporter):
    """An exporter that logs once why it drops everything; `ledger` counts the dropped points."""

    def __init__(self, target: str, why: MagictelError) -> None:
        super().__init__()
        self.target = target
        self.unusable = why
        self._lock = threading.Lock()
        self._ledger = Receipt()
        origin = f" (from {why.origin})" if why.origin else ""
        log = logging.getLogger(f"magictel.{target}")
        fix = f"; {why.remedy}" if why.remedy else ""
        log.error(
            "%s: %s: all its metrics are dropped until this is fixed%s%s",
            why.code,
            why.message.rstrip("."),
            origin,
            fix,
        )

    @property
    def ledger(self) -> Receipt:
        """Return the fate of every point: dropped, with the code of the error."""
        with self._lock:
            return self._ledger

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Count and drop the points."""
        points = count_points(metrics_data)
        reasons = (Reason(self.unusable.code, self.unusable.message, points, Fate.DROPPED),) if points else ()
        with self._lock:
            self._ledger = self._ledger + Receipt(sent=points, dropped=points, reasons=reasons)
        return MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing: no points are queued."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Do nothing: there is nothing to shut down."""
