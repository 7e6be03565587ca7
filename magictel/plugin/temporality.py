"""The temporality that an exporter prefers, for each type of instrument."""

from __future__ import annotations

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality


def preferred_temporality(name: str) -> dict[type, AggregationTemporality]:
    """Return a temporality preference of OpenTelemetry: "delta" is for monotonic instruments; up-down counters stay cumulative.

    "lowmemory": delta where the SDK then need not remember anything, so not for observable counters.
    """
    delta, cumulative = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
    chosen = delta if name in ("delta", "lowmemory") else cumulative
    return {
        Counter: chosen,
        ObservableCounter: delta if name == "delta" else cumulative,
        Histogram: chosen,
        ObservableGauge: AggregationTemporality.CUMULATIVE,
        UpDownCounter: AggregationTemporality.CUMULATIVE,
        ObservableUpDownCounter: AggregationTemporality.CUMULATIVE,
    }


def counters_are_delta(exporter: object) -> bool:
    """Return whether the SDK would give this exporter counters as delta points. A page is read as it is: cumulative."""
    preferred: dict[type, AggregationTemporality] = getattr(exporter, "_preferred_temporality", None) or {}
    return preferred.get(Counter) is AggregationTemporality.DELTA
