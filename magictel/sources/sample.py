"""The built-in sample: a known point of every type, twice, that a backend must return unchanged.

Every decimal (including bounds, sums, minima and maxima) is exact in 32 bits, so that an index that maps decimals as 32-bit floats
still verifies; `thorough` adds values that such an index alters.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
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

from magictel import __version__
from magictel.model.verification import POINT, RUN_ID

PREFIX = "magictel.sample."

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_MINUTE = 60_000_000_000


class Sample(msgspec.Struct, frozen=True):
    """The data, its run id, and the times (Unix seconds) that enclose every point."""

    run_id: str
    data: MetricsData
    since: float
    until: float

    def preferred(self, *, delta: bool) -> Sample:
        """Return the sample with `delta` counters and histograms, or as it is."""
        return msgspec.structs.replace(self, data=as_delta(self.data)) if delta else self


def new_run_id() -> str:
    """Return twelve hexadecimal digits; collisions are negligible within a backend's retention."""
    return secrets.token_hex(6)


def sample(run_id: str, now: float, *, thorough: bool = False, attributes: Mapping[str, str] | None = None) -> Sample:
    """Create the sample of a run: 12 points of 6 metrics, 17 of 11 with `thorough`.

    `now` in Unix seconds; `attributes` are added to every point.
    """
    # The last digits are not whole milliseconds, so that a backend's truncation of timestamps shows as a declared loss.
    time = int(now * 1000) * 1_000_000 + 123_456
    start = time - _MINUTE
    extra = dict(attributes or {})
    number = 0

    def attrs(**more: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        name = f"point-{number:02d}"
        return {
            RUN_ID: run_id,
            POINT: name,
            "magictel.sample.origin": f"origin-of-{name}",
            "zone": ("eu-central-1a", "us-west-2-lax", "größe-ä-東京-α")[number % 3],
            "shard": number,
            "canary": number % 2 == 0,
            "path": ["first-step", "second-step"],
            **more,
            **extra,
        }

    def numbers(*values: float, **more: Any) -> list[NumberDataPoint]:
        return [NumberDataPoint(attrs(**more), start, time, value) for value in values]

    metrics = [
        Metric(PREFIX + "requests", "Requests served.", "{request}", Sum(numbers(3, 1027), _CUMULATIVE, True)),
        Metric(PREFIX + "cost", "Money spent.", "{USD}", Sum(numbers(0.5, 1234.25), _CUMULATIVE, True)),
        Metric(PREFIX + "connections", "Connections open.", "{connection}", Sum(numbers(-2, 40), _CUMULATIVE, False)),
        Metric(PREFIX + "temperature", "Of the room.", "Cel", Gauge(numbers(21.5, -0.25))),
        Metric(PREFIX + "latency", "Of a request.", "s", Histogram(_histograms(attrs, start, time), _CUMULATIVE)),
        Metric(
            PREFIX + "size", "Of a response.", "By", ExponentialHistogram(_exponential(attrs, start, time), _CUMULATIVE)
        ),
    ]
    if thorough:
        long = "ü" * 300
        metrics += [
            Metric(PREFIX + "huge", "2^53 + 1: no double holds it.", "1", Gauge(numbers(9007199254740993))),
            Metric(PREFIX + "wide", "2^24 + 1: no 32-bit float holds it.", "1", Gauge(numbers(16777217.0))),
            Metric(
                PREFIX + "tenth",
                "0.1, long text beside it.",
                "1",
                Gauge(numbers(0.1, **{"magictel.sample.long": long})),
            ),
            Metric(PREFIX + "minus-zero", "Its sign is a bit.", "1", Gauge(numbers(-0.0))),
            Metric(PREFIX + "enormous", "Beyond a 32-bit float.", "1", Gauge(numbers(1e300))),
        ]
    scope = InstrumentationScope("magictel.sample", __version__)
    resource = Resource(
        {"service.name": "magictel", "service.version": __version__, "service.instance.id": f"sample-{run_id}"}
    )
    data = MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], "")])
    return Sample(run_id, data, start / 1e9 - 1, time / 1e9 + 1)


def as_delta(data: MetricsData) -> MetricsData:
    """Return a collection whose counters and histograms are marked as deltas."""
    return MetricsData(
        [
            replace(
                around,
                scope_metrics=[
                    replace(scope, metrics=[_as_delta(metric) for metric in scope.metrics])
                    for scope in around.scope_metrics
                ],
            )
            for around in data.resource_metrics
        ]
    )


def _as_delta(metric: Metric) -> Metric:
    data = metric.data
    if isinstance(data, Gauge) or (isinstance(data, Sum) and not data.is_monotonic):
        return metric
    return replace(metric, data=replace(data, aggregation_temporality=AggregationTemporality.DELTA))


def _histograms(attrs: Any, start: int, time: int) -> list[HistogramDataPoint]:
    bounds = [0.25, 0.5, 1.0, 2.5, 5.0]
    return [
        HistogramDataPoint(attrs(), start, time, 14, 18.75, [4, 5, 0, 3, 1, 1], bounds, 0.125, 6.5),
        HistogramDataPoint(attrs(), start, time, 3, 1.5, [0, 3, 0, 0, 0, 0], bounds, 0.5, 0.5),
    ]


def _exponential(attrs: Any, start: int, time: int) -> list[ExponentialHistogramDataPoint]:
    return [
        ExponentialHistogramDataPoint(
            attrs(), start, time, 13, 96.5, 1, 2, Buckets(-1, [1, 0, 4, 2]), Buckets(0, [3, 1]), 0, -1.5, 16.25
        ),
        ExponentialHistogramDataPoint(
            attrs(), start, time, 2, 6.0, 0, 0, Buckets(1, [1, 1]), Buckets(0, []), 0, 2.5, 3.5
        ),
    ]
