"""Remote write 2.0: what a request means is what 1.0 means, and more. Bodies are decoded by classes of Google's protobuf runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
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
from opentelemetry.sdk.metrics.export import Buckets as SdkBuckets
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.encoding.payload import Payload
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.exporters.prometheus_remote_write.scan import counts
from magictel.sandbox.prometheus_protobuf import Request2, WriteRequest
from magictel.sandbox.prometheus_write_2 import native

NOW = 1_764_000_000_000_000_000
START = NOW - 60 * 10**9
MS = 1_000_000
CUMULATIVE = AggregationTemporality.CUMULATIVE
RESOURCE = Resource({"service.name": "shop", "service.instance.id": "i-1", "host.name": "h"})
SCOPE = InstrumentationScope("lib", "1")


def exporter(protocol: str = "2.0", **options: Any) -> PrometheusRemoteWriteExporter:
    settings = PrometheusRemoteWriteSettings(url="http://127.0.0.1:1/api/v1/write", protocol=protocol, **options)  # type: ignore[arg-type]
    return PrometheusRemoteWriteExporter(settings, prepare=False)


def collection(*metrics: Metric, resource: Resource = RESOURCE) -> MetricsData:
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, list(metrics), "")], "")])


def gauge(*points: NumberDataPoint, name: str = "room.temperature", unit: str = "Cel") -> Metric:
    return Metric(name, "How warm it is.", unit, Gauge(list(points)))


def counter(*points: NumberDataPoint, name: str = "requests", monotonic: bool = True) -> Metric:
    return Metric(name, "Requests so far.", "1", Sum(list(points), CUMULATIVE, monotonic))


def histogram(*points: HistogramDataPoint, name: str = "latency") -> Metric:
    return Metric(name, "How long it takes.", "s", Histogram(list(points), CUMULATIVE))


def exponential(*points: ExponentialHistogramDataPoint, name: str = "size") -> Metric:
    return Metric(name, "", "By", ExponentialHistogram(list(points), CUMULATIVE))


def number(
    value: float = 1.0, *, time: int = NOW, start: int = START, exemplars: Sequence[Any] = (), **attributes: Any
) -> Any:
    return NumberDataPoint(attributes, start, time, value, list(exemplars))


def buckets(counts_: Sequence[int] = (1, 2, 3), exemplars: Sequence[Any] = (), **attributes: Any) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes, START, NOW, sum(counts_), 7.5, list(counts_), [0.5, 5.0], 0.1, 9.0, list(exemplars)
    )


def powers(
    scale: int = 1,
    positive: Sequence[int] = (1, 0, 0, 2),
    negative: Sequence[int] = (),
    zeros: int = 1,
    **attributes: Any,
) -> ExponentialHistogramDataPoint:
    total = sum(positive) + sum(negative) + zeros
    sides = SdkBuckets(-1, list(positive)), SdkBuckets(2, list(negative))
    return ExponentialHistogramDataPoint(attributes, START, NOW, total, 9.0, scale, zeros, *sides, 0, 0.1, 9.0)


def exemplar(value: float, time: int = NOW, **attributes: Any) -> Exemplar:
    return Exemplar(attributes, value, time, span_id=0xABC, trace_id=0xDEF)


def payloads(sender: PrometheusRemoteWriteExporter, data: MetricsData) -> list[Payload]:
    return [part for part in sender.payloads(data) if isinstance(part, Payload)]


def requests(sender: PrometheusRemoteWriteExporter, data: MetricsData) -> list[Any]:
    """Return the requests of 2.0, with their tables of symbols verified."""
    decoded = []
    for request, body in sender.requests(data):
        assert request.headers["Content-Type"] == "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        assert request.headers["X-Prometheus-Remote-Write-Version"] == "2.0.0"
        assert bytes(cramjam.snappy.decompress_raw(request.body)) == body
        message = Request2.FromString(body)
        symbols = list(message.symbols)
        assert symbols[0] == ""
        assert len(set(symbols)) == len(symbols), "each text once"
        used = {0}
        for series in message.timeseries:
            refs = [series.labels_refs, *(trace.labels_refs for trace in series.exemplars)]
            used.update(ref for each in refs for ref in each)
            used.update((series.metadata.help_ref, series.metadata.unit_ref))
            assert len(series.samples) + len(series.histograms) == 1
        assert used == set(range(len(symbols))), "every text is used"
        decoded.append(message)
    return decoded


def labels(refs: Sequence[int], symbols: Sequence[str]) -> dict[str, str]:
    names = [symbols[ref] for ref in refs[::2]]
    assert names == sorted(set(names)), "labels are sorted and unique"
    return dict(zip(names, (symbols[ref] for ref in refs[1::2]), strict=True))


def series(message: Any) -> list[tuple[dict[str, str], Any]]:
    return [(labels(row.labels_refs, message.symbols), row) for row in message.timeseries]


def meaning_2(message: Any) -> list[Any]:
    return [(named, sample.timestamp, repr(sample.value)) for named, row in series(message) for sample in row.samples]


def meaning_1(body: bytes) -> list[Any]:
    return [
        ({label.name: label.value for label in row.labels}, sample.timestamp, repr(sample.value))
        for row in WriteRequest.FromString(body).timeseries
        for sample in row.samples
    ]


def withheld(sender: PrometheusRemoteWriteExporter, data: MetricsData) -> list[str]:
    return [part.code for part in sender.payloads(data) if isinstance(part, Withheld)]


_texts = st.text(st.sampled_from("aä\x12\x10\x17\x09\n\0"), max_size=30)
_attributes = st.dictionaries(st.sampled_from(["a", "b", "zone", "le"]), _texts, max_size=3)
_times = st.sampled_from([NOW, NOW + MS, 0, MS, 10**16, 40 * 10**18 // 10])
_exemplars = st.lists(st.builds(exemplar, st.floats(-1, 9), a=_texts), max_size=2)
_numbers = st.lists(
    st.builds(lambda value, time, start, given_attributes: NumberDataPoint(given_attributes, start, time, value),
              st.floats(), _times, _times, _attributes), min_size=1, max_size=4,
)  # fmt: skip
_metrics = st.one_of(
    _numbers.map(lambda points: gauge(*points)),
    _numbers.map(lambda points: counter(*points)),
    st.builds(lambda counts_, exemplars: histogram(buckets(counts_, exemplars)),
              st.lists(st.integers(0, 9), min_size=3, max_size=3), _exemplars),
)  # fmt: skip


@given(st.lists(_metrics, min_size=1, max_size=4))
def test_a_request_of_2_means_what_the_request_of_1_means_also_when_framed_again(metrics: list[Metric]) -> None:
    named = [Metric(f"m{place}", metric.description, "", metric.data) for place, metric in enumerate(metrics)]
    data = collection(*named)
    old, new = exporter("1.0"), exporter("2.0")
    expected = [row for payload in payloads(old, data) for row in meaning_1(old.encoder.frame(payload))]
    for _ in range(2):
        assert [row for message in requests(new, data) for row in meaning_2(message)] == expected
        downgraded = [new.encoder.frame(replace(payload, form="1.0")) for payload in payloads(new, data)]
        assert downgraded == [old.encoder.frame(payload) for payload in payloads(old, data)]


def test_only_what_changed_is_framed_anew_and_new_series_are_noticed() -> None:
    sender = exporter()
    for values in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0, 7.0], [8.0]):
        data = collection(gauge(*(number(value, n=str(place)) for place, value in enumerate(values))))
        (message,) = requests(sender, data)
        rows = [(named.get("n"), row.samples[0].value) for named, row in series(message) if "n" in named]
        assert rows == [(str(place), value) for place, value in enumerate(values)]


def test_halves_of_a_payload_are_framed_as_they_are() -> None:
    sender = exporter()
    data = collection(gauge(*(number(value, n=str(value)) for value in range(5))), counter(number(7.0, n="x")))
    (whole,) = payloads(sender, data)
    body = sender.encoder.frame(Payload(whole.body, whole.points, whole.sizes, form="2.0", runs=whole.runs))
    rows = meaning_2(Request2.FromString(body))
    halves = [Payload(half.body, half.points, half.sizes, form="2.0", runs=half.runs) for half in whole.halves()]
    assert [row for half in halves for row in meaning_2(Request2.FromString(sender.encoder.frame(half)))] == rows


def test_series_come_with_the_type_help_and_unit_of_their_metric() -> None:
    data = collection(
        gauge(number()), counter(number()), counter(number(), name="queue", monotonic=False), histogram(buckets()),
        exponential(powers()),
    )  # fmt: skip
    (message,) = requests(exporter(), data)
    shown = {
        named["__name__"]: (
            row.metadata.type,
            message.symbols[row.metadata.help_ref],
            message.symbols[row.metadata.unit_ref],
        )
        for named, row in series(message)
    }
    assert shown == {
        "target_info": (2, "", ""),
        "room_temperature_celsius": (2, "How warm it is.", "celsius"),
        "requests_total": (1, "Requests so far.", ""),
        "queue": (2, "Requests so far.", ""),
        "latency_seconds_bucket": (3, "How long it takes.", "seconds"),
        "latency_seconds_sum": (3, "How long it takes.", "seconds"),
        "latency_seconds_count": (3, "How long it takes.", "seconds"),
        "size_bytes": (3, "", "bytes"),
    }


@pytest.mark.parametrize("start", [START, 0, NOW + 1_000 * MS, None])
def test_counters_and_histograms_say_when_counting_began_and_gauges_do_not(start: int | None) -> None:
    sender = exporter()
    data = collection(gauge(number()), counter(number(start=start)))  # type: ignore[arg-type]
    (message,) = requests(sender, data)
    starts = {named["__name__"]: row.samples[0].start_timestamp for named, row in series(message)}
    assert starts["requests_total"] == (START // MS if start == START else 0)
    assert starts["room_temperature_celsius"] == starts["target_info"] == 0
    (message,) = requests(sender, collection(histogram(buckets()), exponential(powers())))
    assert {row.samples[0].start_timestamp for named, row in series(message) if "latency" in named["__name__"]} == {
        START // MS
    }
    assert [row.histograms[0].start_timestamp for _, row in series(message) if row.histograms] == [START // MS]


def test_exemplars_go_with_the_counter_and_with_the_bucket_of_their_value() -> None:
    given_exemplars = [exemplar(4.0, NOW - 5 * MS, user="u"), exemplar(0.5, NOW - 7 * MS), exemplar(4.5, NOW - 9 * MS)]
    data = collection(histogram(buckets(exemplars=given_exemplars)), counter(number(exemplars=[exemplar(3.0)])))
    (message,) = requests(exporter(), data)
    shown = {
        (named["__name__"], named.get("le")): [
            (labels(each.labels_refs, message.symbols), each.value, each.timestamp) for each in row.exemplars
        ]
        for named, row in series(message)
        if row.exemplars
    }
    ids = {"trace_id": f"{0xDEF:032x}", "span_id": f"{0xABC:016x}"}
    assert shown == {
        ("latency_seconds_bucket", "0.5"): [(ids, 0.5, NOW // MS - 7)],
        ("latency_seconds_bucket", "5"): [(ids, 4.5, NOW // MS - 9), ({**ids, "user": "u"}, 4.0, NOW // MS - 5)],
        ("requests_total", None): [(ids, 3.0, NOW // MS)],
    }
    (payload,) = payloads(exporter(), data)
    assert counts(payload.body).exemplars == 4


def test_an_exemplar_keeps_its_trace_where_all_of_its_labels_would_be_too_many() -> None:
    point = number(exemplars=[exemplar(1.0, note="x" * 60, more="y" * 10)])
    (message,) = requests(exporter(), collection(counter(point)))
    (each,) = (trace for _, row in series(message) for trace in row.exemplars)
    assert set(labels(each.labels_refs, message.symbols)) == {"trace_id", "span_id", "more"}


@given(
    st.integers(-4, 20),
    st.lists(st.integers(0, 5), max_size=40),
    st.lists(st.integers(0, 5), max_size=40),
    st.integers(0, 3),
)
def test_an_exponential_histogram_is_a_native_one_with_the_same_observations(
    scale: int, positive: list[int], negative: list[int], zeros: int
) -> None:
    point = powers(scale, positive, negative, zeros)
    (message,) = requests(exporter(), collection(exponential(point)))
    (decoded,) = (row.histograms[0] for _, row in series(message) if row.histograms)
    assert (decoded.timestamp, decoded.count_int, decoded.sum) == (NOW // MS, point.count, 9.0)
    assert decoded.schema == min(scale, 8)
    shown = native(decoded)
    base = 2.0 ** (2.0**-scale)
    for offset, sent, sign in ((-1, positive, 1), (2, negative, -1)):
        for index, count in enumerate(sent, offset):
            middle = sign * base ** (index + 0.5)
            assert count <= sum(filled for low, high, filled in shown.buckets if low <= middle <= high)
    assert sum(count for _, _, count in shown.buckets) == point.count


def test_an_explicit_histogram_is_a_native_one_with_custom_buckets_where_that_is_chosen() -> None:
    (message,) = requests(exporter(histograms="native"), collection(histogram(buckets((1, 0, 3)))))
    ((named, row),) = ((named, row) for named, row in series(message) if row.histograms)
    assert named["__name__"] == "latency_seconds"
    assert (row.histograms[0].schema, list(row.histograms[0].custom_values)) == (-53, [0.5, 5.0])
    assert native(row.histograms[0]).buckets == ((-math.inf, 0.5, 1), (5.0, math.inf, 3))


def test_what_a_native_histogram_cannot_be_is_withheld_by_name() -> None:
    assert withheld(exporter(), collection(exponential(powers(scale=-5)))) == ["prom.rw.scale"]
    assert withheld(exporter("1.0"), collection(exponential(powers()))) == ["prom.rw.exponential"]


def test_a_number_and_a_native_histogram_of_one_series_and_time_are_one_sample() -> None:
    metrics = gauge(number(), name="size", unit="By"), exponential(powers())
    assert withheld(exporter(), collection(*metrics)) == ["prom.rw.collision"]


def test_a_body_of_2_is_at_most_a_quarter_of_that_of_1() -> None:
    points = [
        number(float(place), host=f"host-{place % 50}.example.net", path=f"/api/v1/items/{place % 7}", zone="eu-west-1",
               status="200", n=str(place))
        for place in range(2_000)
    ]  # fmt: skip
    data = collection(gauge(*points))
    sizes = {version: sum(len(body) for _, body in exporter(version).requests(data)) for version in ("1.0", "2.0")}
    assert sizes["2.0"] * 4 <= sizes["1.0"]
