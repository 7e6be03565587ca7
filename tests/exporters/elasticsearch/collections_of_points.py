"""Strategies and makers of metric collections for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
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

RESOURCE = Resource({"service.name": "shop", "service.instance.id": "a-1"})
SCOPE = InstrumentationScope("tests", "1.2")
TIME = 1_795_573_230_174_123_456
CUMULATIVE = AggregationTemporality.CUMULATIVE


def collection(*metrics: Metric, resource: Resource = RESOURCE, scope: InstrumentationScope = SCOPE) -> MetricsData:
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, list(metrics), "")], "")])


def gauge(*values: float, attributes: dict[str, Any] | None = None, name: str = "level", unit: str = "1") -> Metric:
    return Metric(name, "", unit, Gauge([NumberDataPoint(attributes or {}, None, TIME, value) for value in values]))  # type: ignore[arg-type]


def histogram(
    counts: Sequence[int], bounds: Sequence[float], total: float = 1.0, low: float = 0.5, high: float = 0.5
) -> Metric:
    point = HistogramDataPoint({"route": "/"}, TIME - 10**9, TIME, sum(counts), total, counts, bounds, low, high)
    return Metric("latency", "", "s", Histogram([point], CUMULATIVE))


texts = st.text(max_size=12) | st.sampled_from(["é" * 5000, "2026-11-24", "\ud800", "NaN", '"\\\n\r\u2028'])
scalars = texts | st.booleans() | st.integers(-(2**70), 2**70) | st.floats()
attribute_values = scalars | st.lists(scalars, max_size=3) | st.none() | st.binary(max_size=4)
attributes = st.dictionaries(st.text(max_size=8) | st.sampled_from(["a", "a.b"]), attribute_values, max_size=4)
times = st.sampled_from([TIME, TIME + 1, TIME + 10**9, 0, 2**63])
starts = st.sampled_from([0, TIME - 10**9, TIME - 5])
numbers = st.integers(-(2**65), 2**65) | st.integers(-9, 9) | st.floats() | st.floats(width=32)
counts = st.lists(st.integers(0, 2**62), min_size=1, max_size=4)


@st.composite
def histogram_points(draw: st.DrawFn) -> HistogramDataPoint:
    buckets = draw(counts)
    bounds = draw(st.sampled_from([[0.5, 1.0, 2.5], [0.5, 1e300, 2e300], [1, 2, 3]]))[: len(buckets) - 1]
    amount = st.floats(0, 100) | st.floats() | st.integers(0, 2**60)
    total = sum(buckets)
    return HistogramDataPoint(
        draw(attributes), draw(starts), draw(times), total, draw(amount), buckets, bounds, draw(amount), draw(amount)
    )  # fmt: skip


@st.composite
def exponential_points(draw: st.DrawFn) -> ExponentialHistogramDataPoint:
    def side() -> Buckets:
        return Buckets(draw(st.integers(-5, 5)), draw(st.lists(st.integers(0, 9), max_size=3)))

    amount = st.floats(0, 100) | st.integers(0, 9)
    return ExponentialHistogramDataPoint(
        draw(attributes), draw(starts), draw(times), draw(st.integers(0, 9)), draw(amount), draw(st.integers(-4, 8)),
        draw(st.integers(0, 9)), side(), side(), 0, draw(amount), draw(amount),
    )  # fmt: skip


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    kind = draw(st.sampled_from(["gauge", "sum", "histogram", "exponential"]))
    name, unit = draw(st.sampled_from([("m", ""), ("naïve", "{request}")]))
    if kind in ("gauge", "sum"):
        same = draw(st.sampled_from([numbers, st.integers(-9, 9), st.floats(-5, 5), st.floats(width=32)]))
        points = [
            NumberDataPoint(draw(attributes), draw(starts), draw(times), value)
            for value in draw(st.lists(same, min_size=1, max_size=4))
        ]
        return Metric(
            name, "", unit, Gauge(points) if kind == "gauge" else Sum(points, CUMULATIVE, draw(st.booleans()))
        )
    if kind == "histogram":
        return Metric(name, "", unit, Histogram(draw(st.lists(histogram_points(), min_size=1, max_size=3)), CUMULATIVE))
    several = draw(st.lists(exponential_points(), min_size=1, max_size=2))
    return Metric(name, "", unit, ExponentialHistogram(several, CUMULATIVE))
