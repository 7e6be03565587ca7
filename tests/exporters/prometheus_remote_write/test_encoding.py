"""Every payload is decoded with protobuf's own classes and compared with the plain encoding and with a naive reading of the rules."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
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
from magictel.exporters.prometheus_remote_write.columns import ColumnEncoder
from magictel.model.metrics import groups, in_time_order
from magictel.sandbox.prometheus_protobuf import WriteRequest
from magictel.sources.sample import sample

CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
SECOND = 1_000_000_000
NOW = 1_764_000_000 * SECOND
RESOURCE = Resource({"service.name": "shop", "service.instance.id": "i-1", "host.name": "h", "cloud.region": "eu"})
BARE = Resource({})
SCOPE = InstrumentationScope("lib", "1.2")

Series = list[tuple[tuple[tuple[str, str], ...], float, int]]


def collection(*metrics: Metric, resource: Resource = RESOURCE) -> MetricsData:
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, list(metrics), "")], "")])


def gauge(*points: NumberDataPoint, name: str = "room.temperature", unit: str = "Cel") -> Metric:
    return Metric(name, "", unit, Gauge(list(points)))


def number(value: float, time: int = NOW, **attributes: Any) -> NumberDataPoint:
    return NumberDataPoint(attributes, 0, time, value)


def decode(body: bytes) -> Series:
    request = WriteRequest.FromString(body)
    assert not request.metadata
    pieces = []
    for series in request.timeseries:
        assert len(series.samples) == 1
        assert not len(UnknownFieldSet(series)), "neither exemplars nor native histograms"
        labels = tuple((label.name, label.value) for label in series.labels)
        assert list(labels) == sorted(labels), "labels are sorted"
        assert len({name for name, _ in labels}) == len(labels), "labels are unique"
        assert all(name and value for name, value in labels)
        pieces.append((labels, series.samples[0].value, series.samples[0].timestamp))
    return pieces


def items(
    data: MetricsData, *, template: bool, encoder: ColumnEncoder | None = None, layouts: Layouts | None = None
) -> list[Any]:
    encoder = encoder or ColumnEncoder()
    ordered = map(in_time_order, groups(data))
    around = Surroundings(encoder.target_info)
    return list(chunks(ordered, encoder.encode, encoder if template else None, layouts or Layouts(), 100, around))


def body(
    data: MetricsData, *, template: bool = True, encoder: ColumnEncoder | None = None, layouts: Layouts | None = None
) -> bytes:
    pieces = items(data, template=template, encoder=encoder, layouts=layouts)
    for chunk in pieces:
        if isinstance(chunk, Chunk):
            assert chunk.sizes is not None, "items' lengths are always known"
            assert len(chunk.sizes) == chunk.points
            assert sum(chunk.sizes) == len(chunk.body)
    return b"".join(chunk.body for chunk in pieces if isinstance(chunk, Chunk))


keys = st.sampled_from(
    ["a", "b", "a.b", "a_b", "zone", "Zone", "__name__", "job", "le", "instance", "1st", "ä", "otel.scope.name"]
)
attributes = st.dictionaries(
    keys,
    st.one_of(
        st.text(max_size=5),
        st.integers(-3, 3),
        st.booleans(),
        st.floats(allow_nan=False),
        st.lists(st.text(max_size=3), max_size=2),
    ),
    max_size=5,
)
times = st.one_of(
    st.just(NOW), st.integers(0, 3).map(lambda n: NOW + n * SECOND), st.sampled_from([0, 1, 127_000_000, 10**17])
)
numbers = st.builds(
    NumberDataPoint,
    attributes,
    st.just(0),
    times,
    st.one_of(st.integers(-(2**60), 2**60), st.floats(), st.just(10**400)),
)


@st.composite
def histogram_points(draw: st.DrawFn) -> list[HistogramDataPoint]:
    shared = draw(st.lists(st.floats(-5, 5), max_size=4, unique=True).map(sorted))
    pieces = []
    for _ in range(draw(st.integers(1, 3))):
        bounds = draw(st.sampled_from([shared, shared, [1.0, math.inf], []]))
        counts = draw(st.lists(st.integers(0, 9), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
        counts = draw(st.sampled_from([counts, counts, counts, counts[:-1]]))
        total = draw(st.one_of(st.none(), st.floats(), st.integers(-5, 5)))
        pieces.append(
            HistogramDataPoint(draw(attributes), 0, draw(times), sum(counts), total, counts, bounds, 0.0, 1.0)  # type: ignore[arg-type]
        )
    return pieces


metrics = st.one_of(
    st.builds(Metric, st.sampled_from(["m", "http.requests", "…"]), st.just(""), st.sampled_from(["", "1", "s"]),
              st.one_of(st.builds(Gauge, st.lists(numbers, min_size=1, max_size=4)),
                        st.builds(Sum, st.lists(numbers, min_size=1, max_size=4), st.sampled_from([CUMULATIVE, DELTA]), st.booleans()))),
    st.builds(Metric, st.just("latency"), st.just(""), st.sampled_from(["", "ms"]),
              st.builds(Histogram, histogram_points(), st.sampled_from([CUMULATIVE, CUMULATIVE, DELTA]))),
)  # fmt: skip


@given(st.lists(metrics, min_size=1, max_size=3), st.sampled_from([RESOURCE, BARE]), st.booleans(), st.booleans())
def test_the_template_makes_the_bytes_of_the_plain_encoding_and_protobuf_reads_them(
    given_metrics: list[Metric], resource: Resource, suffixes: bool, scope: bool
) -> None:
    data = collection(*given_metrics, resource=resource)
    encoder = ColumnEncoder(suffixes=suffixes, scope_labels=scope)
    layouts = Layouts()
    plain = body(data, template=False, encoder=ColumnEncoder(suffixes=suffixes, scope_labels=scope))
    assert body(data, encoder=encoder, layouts=layouts) == plain, "cold"
    assert body(data, encoder=encoder, layouts=layouts) == plain, "warm"
    left_out = [piece for piece in items(data, template=True, encoder=encoder) if isinstance(piece, Withheld)]
    assert left_out == [piece for piece in items(data, template=False, encoder=encoder) if isinstance(piece, Withheld)]
    decode(plain)


def test_a_number_is_one_series_with_the_labels_of_point_resource_and_scope() -> None:
    data = collection(gauge(number(21.5, **{"room.name": "kitchen", "Floor": 2, "warm": True})))
    assert decode(body(data))[1:] == [
        (
            (
                ("Floor", "2"),
                ("__name__", "room_temperature_celsius"),
                ("instance", "i-1"),
                ("job", "shop"),
                ("otel_scope_name", "lib"),
                ("otel_scope_version", "1.2"),
                ("room_name", "kitchen"),
                ("warm", "true"),
            ),
            21.5,
            NOW // 1_000_000,
        )
    ]


def test_what_else_a_resource_says_goes_before_its_first_item_once_a_collection() -> None:
    data = collection(gauge(number(1.0, a="x"), number(2.0, NOW + SECOND, a="y")), gauge(number(3.0), name="other"))
    series = decode(body(data))
    assert [dict(labels)["__name__"] for labels, _, _ in series] == [
        "target_info",
        "room_temperature_celsius",
        "room_temperature_celsius",
        "other_celsius",
    ]
    labels, value, time = series[0]
    assert dict(labels) == {
        "__name__": "target_info",
        "job": "shop",
        "instance": "i-1",
        "host_name": "h",
        "cloud_region": "eu",
    }
    assert (value, time) == (1.0, (NOW + SECOND) // 1_000_000)


@pytest.mark.parametrize("resource", [BARE, Resource({"service.name": "shop"}), Resource({"host.name": "h"})])
def test_a_resource_with_nothing_more_to_say_or_without_identity_leads_with_nothing(resource: Resource) -> None:
    bare = Resource.create({}).__class__(resource.attributes)
    names = [dict(labels)["__name__"] for labels, _, _ in decode(body(collection(gauge(number(1.0)), resource=bare)))]
    assert names == ["room_temperature_celsius"]


def test_a_histogram_is_cumulative_buckets_a_sum_and_a_count() -> None:
    point = HistogramDataPoint({"le": "mine"}, 0, NOW, 14, 18.75, [4, 5, 0, 3, 2], [0.25, 0.5, 1.0, 2.5], 0.125, 6.5)
    series = decode(body(collection(Metric("latency", "", "s", Histogram([point], CUMULATIVE)), resource=BARE)))
    shown = [(dict(labels)["__name__"], dict(labels).get("le"), value) for labels, value, _ in series]
    assert shown == [
        ("latency_seconds_bucket", "0.25", 4.0),
        ("latency_seconds_bucket", "0.5", 9.0),
        ("latency_seconds_bucket", "1", 9.0),
        ("latency_seconds_bucket", "2.5", 12.0),
        ("latency_seconds_bucket", "+Inf", 14.0),
        ("latency_seconds_sum", None, 18.75),
        ("latency_seconds_count", None, 14.0),
    ]
    assert all(dict(labels)["exported_le"] == "mine" for labels, _, _ in series)


def test_a_histogram_without_buckets_has_the_infinite_one() -> None:
    point = HistogramDataPoint({}, 0, NOW, 3, 1.5, [], [], 0.5, 0.5)
    series = decode(body(collection(Metric("latency", "", "s", Histogram([point], CUMULATIVE)), resource=BARE)))
    assert [(dict(labels).get("le"), value) for labels, value, _ in series] == [("+Inf", 3.0), (None, 1.5), (None, 3.0)]


def withheld(*given_metrics: Metric) -> list[tuple[str, str]]:
    pieces = items(collection(*given_metrics), template=True)
    return [(piece.code, piece.point) for piece in pieces if isinstance(piece, Withheld)]


def test_what_remote_write_cannot_carry_is_withheld_under_its_code() -> None:
    run = sample("0123456789ab", NOW / 1e9)
    exponential = [
        metric
        for metric in run.data.resource_metrics[0].scope_metrics[0].metrics
        if isinstance(metric.data, ExponentialHistogram)
    ]
    assert [code for code, _ in withheld(*exponential)] == ["prom.rw.exponential"] * 2
    unspecified: Any = 0
    total = Metric("m", "", "", Sum([number(1, zone="x")], unspecified, True))
    assert withheld(total) == [("prom.rw.delta", "m{zone=x}")]
    assert withheld(gauge(number(1), name="…", unit="")) == [("prom.rw.name", "…{}")]
    assert withheld(gauge(number(10**400), number(2))) == [("prom.rw.number", "room.temperature{}")]
    bad = HistogramDataPoint({}, 0, NOW, 3, 1.5, [1, 2], [1.0, 2.0], 0.5, 0.5)
    assert [code for code, _ in withheld(Metric("h", "", "", Histogram([bad], CUMULATIVE)))] == ["prom.rw.buckets"]


STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


@pytest.mark.parametrize("nan", [math.nan, STALE, -math.nan])
@pytest.mark.parametrize("template", [True, False])
def test_no_value_is_ever_prometheus_stale_marker(nan: float, template: bool) -> None:
    content = body(collection(gauge(number(nan), number(1.0, a="x")), resource=BARE), template=template)
    assert struct.pack("<Q", 0x7FF8000000000001) in content
    assert struct.pack("<Q", 0x7FF0000000000002) not in content


@pytest.mark.parametrize("value", [0.0, -0.0, math.inf, -math.inf, 1e300, 5e-324, 0.1])
def test_every_bit_of_a_float_travels(value: float) -> None:
    [(_, seen, _)] = decode(body(collection(gauge(number(value)), resource=BARE)))
    assert struct.pack("<d", seen) == struct.pack("<d", value)


def test_points_of_one_series_travel_in_the_order_of_their_times() -> None:
    points = [number(3.0, NOW + 2 * SECOND), number(1.0, NOW), number(2.0, NOW + SECOND)]
    assert [value for _, value, _ in decode(body(collection(gauge(*points), resource=BARE)))] == [1.0, 2.0, 3.0]


def test_a_payload_can_be_cut_into_its_points() -> None:
    run = sample("0123456789ab", NOW / 1e9)
    parts = [piece for piece in items(run.data, template=True) if isinstance(piece, Chunk)]

    def never(_: bytes) -> list[bytes]:
        raise AssertionError("the lengths are known")

    [payload] = pack(parts, {"": Route("/api/v1/write", 5_000, 5_000_000)}, never)
    assert isinstance(payload, Payload)
    assert payload.points == 10
    points = [
        {dict(labels).get("magictel_sample_point") for labels, _, _ in decode(item)} - {None}
        for item in payload.items()
    ]
    assert points == [{f"point-{n:02d}"} for n in range(1, 11)]


def test_the_wire_bytes_of_a_gauge_are_these() -> None:
    content = body(collection(gauge(number(0.5, zone="eu")), resource=BARE), encoder=ColumnEncoder(scope_labels=False))
    name = bytes([0x0A, 36, 0x0A, 8]) + b"__name__" + bytes([0x12, 24]) + b"room_temperature_celsius"
    zone = bytes([0x0A, 10, 0x0A, 4]) + b"zone" + bytes([0x12, 2]) + b"eu"
    value = bytes([0x12, 16, 0x09]) + bytes.fromhex("000000000000e03f") + bytes([0x10]) + bytes.fromhex("80d0dfb4ab33")
    assert content == bytes([0x0A, 68]) + name + zone + value


def test_attributes_that_come_again_have_their_own_labels_under_each_metric() -> None:
    shared = {"zone": "eu", "job": "mine", "Upper": True, "n": 1, "empty": ""}
    plain = {"a.b": "1", "a_b": "2", "x": 1.0}
    metrics = [
        gauge(
            *(
                NumberDataPoint(attributes, 0, NOW, 1.5)
                for attributes in (shared, plain, {}, {"n": True}, {"n": 1.0}, {"n": "1"})
            ),
            name=name,
        )
        for name in ("first", "second", "third")
    ]
    encoder = ColumnEncoder()
    for resource in (RESOURCE, BARE, RESOURCE):
        collected = collection(*metrics, resource=resource)
        content = body(collected, encoder=encoder, layouts=Layouts())
        assert content == body(collected, template=False)
        assert decode(content)
