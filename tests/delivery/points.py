"""Collections whose points can be told apart wherever they end up."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_START = 1_800_000_000_000_000_000


def collection(numbers: Iterable[int], time: int = _START) -> MetricsData:
    """A point for each number, which stands in its attribute `n`; gauges, sums and histograms in turn."""
    kinds: tuple[list[NumberDataPoint], list[NumberDataPoint], list[HistogramDataPoint]] = ([], [], [])
    for n in numbers:
        attributes = {"n": n, "host": f"host-{n % 5}"}
        if n % 3 == 2:
            kinds[2].append(HistogramDataPoint(attributes, time, time, 3, 2.5, [1, 2], [0.5], 0.25, 1.5))
        else:
            kinds[n % 3].append(NumberDataPoint(attributes, time, time, n))  # type: ignore[union-attr]
    cumulative = AggregationTemporality.CUMULATIVE
    metrics = [
        Metric("load", "", "1", Gauge(kinds[0])),
        Metric("requests", "", "1", Sum(kinds[1], cumulative, True)),
        Metric("latency", "", "s", Histogram(kinds[2], cumulative)),
    ]
    scope = ScopeMetrics(InstrumentationScope("tests"), metrics, "")
    return MetricsData([ResourceMetrics(Resource({"service.name": "tests"}), [scope], "")])
