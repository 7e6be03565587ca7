"""Every body is decoded with OpenTelemetry's own protobuf classes, and says what the official encoder says, point by point."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import Exemplar
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

from magictel.encoding.chunks import Chunk, Surroundings, chunks
from magictel.encoding.layouts import Layouts
from magictel.encoding.packing import pack
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.exporters.otlp import encoding
from magictel.exporters.otlp.columns import Columns
from magictel.model.metrics import groups
from magictel.sources.sample import sample

SECOND = 1_000_000_000
NOW = 1_764_000_000 * SECOND

keys = st.sampled_from(["a", "b", "a.b", "zone", "ä"])
plain = st.one_of(st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False))
values = st.one_of(plain, st.lists(st.text(max_size=3), max_size=2).map(tuple))
attributes = st.dictionaries(keys, values, max_size=4)
starts = st.sampled_from([0, NOW - 60 * SECOND, NOW - 61 * SECOND])
times = st.one_of(st.just(NOW), st.integers(0, 3).map(lambda n: NOW + n * SECOND))
exemplars = st.lists(
    st.builds(
        Exemplar,
        attributes,
        st.one_of(st.integers(-5, 5), st.floats(allow_nan=False)),
        times,
        st.one_of(st.none(), st.integers(1, 2**64 - 1)),
        st.one_of(st.none(), st.integers(1, 2**128 - 1)),
    ),
    max_size=2,
)
number_values = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
numbers = st.builds(NumberDataPoint, attributes, starts, times, number_values, st.one_of(st.just([]), exemplars))


@st.composite
def histogram_points(draw: st.DrawFn) -> list[HistogramDataPoint]:
    shared = draw(st.lists(st.floats(-5, 5), max_size=4, unique=True).map(sorted))
    points = []
    for _ in range(draw(st.integers(1, 3))):
        bounds = draw(st.sampled_from([shared, shared, [1.0]]))
        counts = draw(st.lists(st.integers(0, 2**40), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
        edges = draw(st.sampled_from([(0.5, 4.0), (-1, 3)]))
        total = draw(st.one_of(st.floats(allow_nan=False), st.integers(-5, 5)))
        points.append(
            HistogramDataPoint(
                draw(attributes), draw(starts), draw(times), sum(counts), total, counts, bounds, *edges, draw(exemplars)
            )
        )
    return points


def buckets(counts: list[int], offset: int) -> Buckets:
    return Buckets(offset, counts)


exponentials = st.builds(
    ExponentialHistogramDataPoint,
    attributes,
    starts,
    times,
    st.integers(0, 100),
    st.floats(allow_nan=False),
    st.integers(-10, 20),
    st.integers(0, 5),
    st.builds(buckets, st.lists(st.integers(0, 300), max_size=4), st.integers(-300, 300)),
    st.builds(buckets, st.lists(st.integers(0, 300), max_size=4), st.integers(-300, 300)),
    st.integers(0, 0),
    st.floats(-1, 1),
    st.floats(-1, 1),
)
temporalities = st.sampled_from([AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
metrics = st.builds(
    Metric,
    st.sampled_from(["m", "http.requests", "ü"]),
    st.sampled_from(["", "what it counts"]),
    st.sampled_from(["", "1", "s"]),
    st.one_of(
        st.builds(Gauge, st.lists(numbers, min_size=1, max_size=4)),
        st.builds(Sum, st.lists(numbers, min_size=1, max_size=4), temporalities, st.booleans()),
        st.builds(Histogram, histogram_points(), temporalities),
        st.builds(ExponentialHistogram, st.lists(exponentials, min_size=1, max_size=2), temporalities),
    ),
)
scopes = st.builds(
    ScopeMetrics,
    st.builds(
        InstrumentationScope,
        st.sampled_from(["", "lib"]),
        st.sampled_from(["", "1.2"]),
        st.sampled_from(["", "https://schema.example/1"]),
        attributes,
    ),
    st.lists(metrics, max_size=3),
    st.just(""),
)
collections = st.builds(
    MetricsData,
    st.lists(
        st.builds(
            ResourceMetrics,
            st.builds(
                Resource,
                st.dictionaries(st.sampled_from(["service.name", "host.name"]), plain, max_size=2),
                st.sampled_from(["", "https://schema.example/2"]),
            ),
            st.lists(scopes, max_size=2, unique_by=lambda given: (given.scope.name, given.scope.version)),
            st.just(""),
        ),
        max_size=2,
        unique_by=lambda given: sorted(given.resource.attributes) != [],
    ),
)
"""Resources and scopes differ: the official encoder loses one of two that are equal."""


def payloads(data: MetricsData, *, template: bool, points: int = 100, columns: Columns | None = None) -> list[Payload]:
    around = Surroundings(envelope=lambda group: encoding.envelope(group.stream))
    used = (columns or Columns()) if template else None
    parts = chunks(groups(data), encoding.encode, used, Layouts(), 50, around)
    packed = list(pack(parts, {"": Route("", points, 10_000_000)}, lambda body: [body]))
    assert not [part for part in packed if isinstance(part, Withheld)]
    return [part for part in packed if isinstance(part, Payload)]


def rows(request: Any) -> list[tuple[str, ...]]:
    """Return every point of a decoded request with all that encloses it."""
    points = []
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                for point in data.data_points if kind == "gauge" else ():
                    point.ClearField("start_time_unix_nano")  # the official encoder leaves a gauge's out
                about = (kind, getattr(data, "aggregation_temporality", 0), getattr(data, "is_monotonic", False))
                enclosing = (str(resource.resource), resource.schema_url, str(scope.scope), scope.schema_url)
                named = (metric.name, metric.unit, metric.description)
                points += [(*enclosing, str(named), str(about), str(point)) for point in data.data_points]
    return sorted(points)


def decoded(parts: list[Payload]) -> list[tuple[str, ...]]:
    return sorted(row for part in parts for row in rows(ExportMetricsServiceRequest.FromString(encoding.request(part))))


@given(collections, st.sampled_from([1, 3, 100]))
def test_bodies_say_what_the_official_encoder_says(data: MetricsData, points: int) -> None:
    assert decoded(payloads(data, template=True, points=points)) == rows(encode_metrics(data))


@given(collections)
def test_columns_create_the_bytes_of_encode(data: MetricsData) -> None:
    plain = [(part.body, part.sizes, part.runs) for part in payloads(data, template=False)]
    assert [(part.body, part.sizes, part.runs) for part in payloads(data, template=True)] == plain


@given(collections, collections)
def test_what_is_known_of_values_never_mixes_types(first: MetricsData, second: MetricsData) -> None:
    columns = Columns()
    payloads(first, template=True, columns=columns)
    assert decoded(payloads(second, template=True, columns=columns)) == rows(encode_metrics(second))


def test_the_sample_is_as_compact_as_the_official_encoding() -> None:
    data = sample("0123456789ab", NOW / 1e9).data
    (payload,) = payloads(data, template=True)
    official = encode_metrics(data)
    assert decoded([payload]) == rows(official)
    starts = 9 * 12  # of gauges, see `rows`
    assert len(encoding.request(payload)) <= len(official.SerializeToString()) + starts


def alone(point: NumberDataPoint) -> MetricsData:
    scope = ScopeMetrics(InstrumentationScope("lib"), [Metric("m", "", "", Gauge([point]))], "")
    return MetricsData([ResourceMetrics(Resource({}), [scope], "")])


def test_an_integer_beyond_64_bits_is_withheld() -> None:
    (part,) = chunks(groups(alone(NumberDataPoint({}, 0, NOW, 2**63))), encoding.encode, Columns(), Layouts(), 50)
    assert isinstance(part, Withheld)
    assert part.code == "otlp.number"


def test_an_attribute_beyond_64_bits_becomes_text() -> None:
    (payload,) = payloads(alone(NumberDataPoint({"a": 2**63}, 0, NOW, 1)), template=True)
    assert str(2**63).encode() in payload.body


def test_special_numbers_travel() -> None:
    for value in (math.inf, -math.inf, -0.0, 5e-324):
        (payload,) = payloads(alone(NumberDataPoint({}, 0, NOW, value)), template=True)
        request = ExportMetricsServiceRequest.FromString(encoding.request(payload))
        (point,) = request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points
        assert math.copysign(1, point.as_double) == math.copysign(1, value)
        assert point.as_double == value


def test_half_a_character_does_not_stop_a_collection() -> None:
    (payload,) = payloads(alone(NumberDataPoint({"k": "a\ud800"}, 0, NOW, 1)), template=True)
    assert b"a?" in payload.body


def test_neighbours_share_what_encloses_them() -> None:
    data = sample("0123456789ab", NOW / 1e9).data
    (payload,) = payloads(data, template=True)
    request = ExportMetricsServiceRequest.FromString(encoding.request(payload))
    assert len(request.resource_metrics) == len(data.resource_metrics)
    assert isinstance(next(iter(chunks(groups(data), encoding.encode, None, Layouts(), 50))), Chunk)
