"""Collections for the laws: distinguishable points, every type, and every unusual value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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

from magictel.encoding.payload import Payload
from magictel.encoding.prepared import Prepared
from magictel.model.verification import POINT, RUN_ID
from magictel.plugin.exporter import Exporter
from magictel.sources.sample import PREFIX

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_DELTA = AggregationTemporality.DELTA
_MINUTE = 60_000_000_000


def collection(run_id: str, count: int, now: float, first: int = 0, resource: Resource | None = None) -> MetricsData:
    """Return `count` ordinary points numbered from `first`: gauges, sums and histograms in turn; `now` in Unix seconds."""
    time = int(now * 1000) * 1_000_000
    kinds: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for n in range(first, first + count):
        attributes = {RUN_ID: run_id, POINT: f"point-{n:05d}", "zone": f"zone-{n % 5}"}
        if n % 3 == 2:
            kinds[2].append(HistogramDataPoint(attributes, time - _MINUTE, time, 3, 2.5, [1, 2], [0.5], 0.25, 1.5))
        else:
            kinds[n % 3].append(NumberDataPoint(attributes, time - _MINUTE, time, n + 0.5 * (n % 3)))
    return wrapped(
        [
            Metric(PREFIX + "load", "", "1", Gauge(kinds[0])),
            Metric(PREFIX + "served", "", "1", Sum(kinds[1], _CUMULATIVE, True)),
            Metric(PREFIX + "waited", "", "s", Histogram(kinds[2], _CUMULATIVE)),
        ],
        resource,
    )


def wrapped(metrics: Sequence[Metric], resource: Resource | None = None) -> MetricsData:
    """Return metrics in a scope of a resource."""
    scope = InstrumentationScope("magictel.conformance", "1")
    resource_of_points = resource or Resource({"service.name": "conformance", "service.instance.id": "1"})
    return MetricsData([ResourceMetrics(resource_of_points, [ScopeMetrics(scope, metrics, "")], "")])


def shapes(run_id: str, now: float) -> Iterator[tuple[str, MetricsData]]:
    """Yield every type of point, each alone, with its name."""
    time = int(now * 1000) * 1_000_000
    start = time - _MINUTE
    number = 0

    def attrs() -> dict[str, Any]:
        nonlocal number
        number += 1
        return {RUN_ID: run_id, POINT: f"shape-{number}"}

    def numbers(value: float) -> list[NumberDataPoint]:
        return [NumberDataPoint(attrs(), start, time, value)]

    def histogram(*with_: Any) -> list[HistogramDataPoint]:
        return [HistogramDataPoint(attrs(), start, time, *with_)]

    def exponential(*with_: Any) -> list[ExponentialHistogramDataPoint]:
        return [ExponentialHistogramDataPoint(attrs(), start, time, *with_)]

    full = (14, 18.75, [4, 5, 0, 3, 1, 1], [0.25, 0.5, 1.0, 2.5, 5.0], 0.125, 6.5)
    both = (13, 96.5, 1, 2, Buckets(-1, [1, 0, 4, 2]), Buckets(0, [3, 1]), 0, -1.5, 16.25)
    empty = (0, 0.0, 0, 0, Buckets(0, []), Buckets(0, []), 0, math.inf, -math.inf)
    data: tuple[tuple[str, Any], ...] = (
        ("whole gauge", Gauge(numbers(7))),
        ("decimal gauge", Gauge(numbers(7.25))),
        ("negative gauge", Gauge(numbers(-3))),
        ("whole and decimal gauge", Gauge([*numbers(1), *numbers(1.5)])),
        ("monotonic sum", Sum(numbers(12), _CUMULATIVE, True)),
        ("sum that falls", Sum(numbers(-12), _CUMULATIVE, False)),
        ("decimal sum", Sum(numbers(0.1), _CUMULATIVE, True)),
        ("delta sum", Sum(numbers(3), _DELTA, True)),
        ("histogram", Histogram(histogram(*full), _CUMULATIVE)),
        ("delta histogram", Histogram(histogram(*full), _DELTA)),
        ("histogram without bounds", Histogram(histogram(3, 1.5, [3], [], 0.5, 0.5), _CUMULATIVE)),
        ("histogram without min and max", Histogram(histogram(3, 1.5, [1, 2], [0.5], None, None), _CUMULATIVE)),
        ("exponential histogram", ExponentialHistogram(exponential(*both), _CUMULATIVE)),
        ("delta exponential histogram", ExponentialHistogram(exponential(*both), _DELTA)),
        ("empty exponential histogram", ExponentialHistogram(exponential(*empty), _CUMULATIVE)),
    )
    for name, inner in data:
        yield name, wrapped([Metric(PREFIX + name.replace(" ", "_"), "A shape.", "1", inner)])


def odd(run_id: str, now: float) -> Iterator[tuple[str, MetricsData]]:
    """Yield rare values, names and attributes, each alone, with its name."""
    time = int(now * 1000) * 1_000_000
    values: tuple[tuple[str, float], ...] = (
        ("NaN", math.nan),
        ("infinity", math.inf),
        ("minus infinity", -math.inf),
        ("minus zero", -0.0),
        ("2^53 + 1", 2**53 + 1),
        ("2^63 - 1", 2**63 - 1),
        ("2^70", 2**70),
        ("1e308", 1e308),
        ("the smallest", 5e-324),
    )
    for name, value in values:
        point = NumberDataPoint({RUN_ID: run_id, POINT: name}, time, time, value)
        yield name, wrapped([Metric(PREFIX + "odd", "", "1", Gauge([point]))])
    attributes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("a long text", {"long": "ü" * 5000}),
        ("unicode", {"größe": "東京 🗼 \u202e"}),
        ("control characters", {"text": 'a\x00b\n"c\\'}),
        ("a lone surrogate", {"text": "\ud800"}),
        ("an empty text", {"text": ""}),
        ("a switch", {"on": True}),
        ("a number", {"n": 3, "d": 0.5}),
        ("an infinite number", {"d": math.inf}),
        ("a list", {"list": ["b", "a", "b"]}),
        ("numbers in a list", {"list": [1, 2]}),
        ("nothing in a list", {"list": ["a", None]}),
        ("dots", {"a": "x", "a.b": "y"}),
        ("an odd key", {"a b/c": "x"}),
    )
    for name, extra in attributes:
        point = NumberDataPoint({RUN_ID: run_id, POINT: name, **extra}, time, time, 1)
        yield name, wrapped([Metric(PREFIX + "odd", "", "1", Gauge([point]))])
    bare = NumberDataPoint({}, time, time, 1)
    yield "no attributes", wrapped([Metric(PREFIX + "bare", "", "1", Gauge([bare]))])
    yield "no resource", wrapped([Metric(PREFIX + "alone", "", "1", Gauge([bare]))], Resource({}))
    empty = HistogramDataPoint({RUN_ID: run_id, POINT: "empty"}, time, time, 0, 0.0, [0, 0], [1.0], math.inf, -math.inf)
    yield "an empty histogram", wrapped([Metric(PREFIX + "empty", "", "s", Histogram([empty], _CUMULATIVE))])
    ancient = NumberDataPoint({RUN_ID: run_id, POINT: "ancient"}, 0, 0, 1)
    yield "the year 1970", wrapped([Metric(PREFIX + "ancient", "", "1", Gauge([ancient]))])


def together(collections: Iterable[MetricsData]) -> MetricsData:
    """Merge several collections."""
    return MetricsData([resource_metrics for data in collections for resource_metrics in data.resource_metrics])


EMPTY = MetricsData([])


def payloads_of(exporter: Exporter[Any], data: MetricsData | Prepared) -> Iterator[Payload]:
    """Yield the payloads of a collection, without withheld points."""
    for part in exporter.payloads(data):
        if isinstance(part, Payload):
            yield part
