"""What stands in for a target that cannot be used: it drops every point, and counts."""

from __future__ import annotations

import logging
import threading
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from magictel.errors import MagictelError
from magictel.model.metrics import count_points
from magictel.model.outcome import Fate, Reason, Receipt


class CountingExporter(MetricExporter):
    """Says once, when it is made, why it drops everything; `ledger` counts what it dropped."""

    def __init__(self, target: str, why: MagictelError) -> None:
        super().__init__()
        self.target = target
        self.unusable = why
        self._lock = threading.Lock()
        self._ledger = Receipt()
        origin = f" (from {why.origin})" if why.origin else ""
        log = logging.getLogger(f"magictel.{target}")
        fix = f"; {why.remedy}" if why.remedy else ""
        log.error("%s: %s: every metric is dropped until this is fixed%s%s", why.code, why.message, origin, fix)

    @property
    def ledger(self) -> Receipt:
        """What became of every point: dropped, under the code of the mistake."""
        with self._lock:
            return self._ledger

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Count and drop."""
        points = count_points(metrics_data)
        reasons = (Reason(self.unusable.code, self.unusable.message, points, Fate.DROPPED),) if points else ()
        with self._lock:
            self._ledger = self._ledger + Receipt(sent=points, dropped=points, reasons=reasons)
        return MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Nothing to end."""
