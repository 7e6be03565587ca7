"""Points that become one series and time to Prometheus: the first is sent, the others are named and counted, nothing else is held up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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

from magictel.encoding.payload import Payload
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.model.outcome import Fate, Reason
from magictel.sandbox.prometheus_protobuf import WriteRequest
from magictel.sources.sample import sample

NOW = 1_764_000_000_000_000_000
SHOP = Resource({"service.name": "shop", "service.instance.id": "i-1"})
CODE = "prom.rw.collision"


@pytest.fixture(scope="module")
def exporter() -> Iterator[PrometheusRemoteWriteExporter]:
    exporter = PrometheusRemoteWriteExporter()
    yield exporter
    exporter.shutdown(0)


def point(value: float = 1.0, time: int = NOW, **attributes: Any) -> NumberDataPoint:
    return NumberDataPoint(attributes, 0, time, value)


def gauge(name: str, *points: NumberDataPoint, unit: str = "", description: str = "") -> Metric:
    return Metric(name, description, unit, Gauge(list(points)))


def total(name: str, *points: NumberDataPoint) -> Metric:
    return Metric(name, "", "", Sum(list(points), AggregationTemporality.CUMULATIVE, True))


def histogram(name: str, **attributes: Any) -> Metric:
    point = HistogramDataPoint(attributes, 0, NOW, 3, 4.5, [1, 2], [5.0], 0.5, 4.0)
    return Metric(name, "", "", Histogram([point], AggregationTemporality.CUMULATIVE))


def at(*metrics: Metric, resource: Resource = SHOP, scope: str = "lib", version: str = "1") -> ResourceMetrics:
    return ResourceMetrics(resource, [ScopeMetrics(InstrumentationScope(scope, version), list(metrics), "")], "")


def sent_and_left_out(
    exporter: PrometheusRemoteWriteExporter, *resources: ResourceMetrics
) -> tuple[list[Any], list[Reason]]:
    """Samples that would travel, as (name, labels without the scope's, value); and what was left out."""
    left_out: list[Reason] = []
    rows = []
    for payload in exporter.payloads(MetricsData(list(resources))):
        if isinstance(payload, Withheld):
            left_out.append(payload.reason)
            continue
        for series in WriteRequest.FromString(exporter.encoder.frame(payload)).timeseries:
            labels = {label.name: label.value for label in series.labels}
            rows.append((labels["__name__"], labels, series.samples[0].value, series.samples[0].timestamp))
    return rows, left_out


def values(rows: list[Any], name: str) -> list[float]:
    return sorted(row[2] for row in rows if row[0] == name)


def test_of_two_metrics_whose_names_become_one_the_first_is_sent_and_the_other_named(
    exporter: PrometheusRemoteWriteExporter,
) -> None:
    rows, left_out = sent_and_left_out(
        exporter,
        at(
            total("nfs.read", point(1.0, disk="a"), point(2.0, disk="b")),
            total("nfs.read.total", point(3.0, disk="a"), point(4.0, disk="c")),
        ),
    )
    assert values(rows, "nfs_read_total") == [1.0, 2.0, 4.0]
    (loss,) = left_out
    assert (loss.code, loss.count, loss.fate) == (CODE, 1, Fate.REJECTED)
    assert loss.example == "nfs.read and nfs.read.total are both nfs_read_total: nfs.read.total{disk=a}"


def test_resources_without_job_and_instance_are_told_apart_by_nothing(exporter: PrometheusRemoteWriteExporter) -> None:
    pods = [Resource({"k8s.pod.name": f"secret-{number}", "k8s.pod.uid": str(number)}) for number in range(3)]
    rows, left_out = sent_and_left_out(
        exporter, *(at(gauge("memory", point(float(n))), resource=pod) for n, pod in enumerate(pods))
    )
    assert values(rows, "memory") == [0.0]
    assert [loss.fate for loss in left_out] == [Fate.REJECTED] * 2
    assert left_out[0].example == (
        "the resources differ only in what is no label (k8s.pod.name, k8s.pod.uid): memory{}"
    )


@pytest.mark.parametrize(
    ("left", "right", "lost"),
    [
        (at(gauge("a_b", point())), at(gauge("a.b", point())), 1),
        (at(gauge("size", point(), unit="By")), at(gauge("size_bytes", point())), 1),
        (at(gauge("a", point(), unit="x")), at(gauge("a", point(), unit="{x}")), 0),
        (at(gauge("a", point(), unit="{x}")), at(gauge("a", point(), unit="{y}")), 1),
        (at(gauge("a_b", point())), at(gauge("a.b", point(time=NOW + 1_000_000))), 0),
        (at(gauge("a_b", point())), at(gauge("a.b", point(time=NOW + 999_999))), 1),
        (at(gauge("a_b", point(x="1"))), at(gauge("a.b", point(x="2"))), 0),
        (at(gauge("a_b", point(x="1"))), at(gauge("a.b", point(x=1))), 1),
        (at(gauge("a_b", point())), at(gauge("a.b", point()), scope="other"), 0),
        (at(gauge("a_b", point())), at(gauge("a.b", point()), version="2"), 0),
        (at(gauge("a_b", point())), at(gauge("a.b", point()), resource=Resource({"service.name": "till"})), 0),
        (at(histogram("a")), at(gauge("a_count", point())), 1),
        (at(gauge("a_count", point())), at(histogram("a")), 1),
        (at(gauge("a_bucket", point(le="5"))), at(histogram("a")), 1),
        (at(gauge("a_bucket", point(le="7"))), at(histogram("a")), 0),
        (at(gauge("a", point())), at(histogram("a")), 0),
        (at(gauge("a", point(), description="old")), at(gauge("a", point(), description="new")), 0),
        (at(gauge("a", point())), at(gauge("a", point()), resource=Resource(dict(SHOP.attributes))), 0),
    ],
)
def test_only_what_is_one_sample_to_prometheus_is_refused(
    exporter: PrometheusRemoteWriteExporter, left: ResourceMetrics, right: ResourceMetrics, lost: int
) -> None:
    rows, left_out = sent_and_left_out(exporter, left, right)
    assert [(loss.code, loss.fate) for loss in left_out] == [(CODE, Fate.REJECTED)] * lost
    identities = {(row[3], frozenset(row[1].items())) for row in rows}
    assert len(identities) == len(rows) or not lost


A_B, DOT = {"a_b": "x"}, {"a.b": "x"}


@pytest.mark.parametrize(
    ("attributes", "sent"),
    [
        ([A_B, DOT, {"a-b": "x"}], 1),
        ([{"a_b": "x"}, {"a.b": "y"}], 2),
        ([{"k": "1"}, {"k": 1}, {"k": 1.0}], 1),
        ([{"k": "true"}, {"k": True}], 1),
        ([{"k": 1}, {"k": True}], 2),
        ([{"k": ""}, {}], 1),
        ([{"k": ""}, {"l": ""}], 1),
        ([{"k": "x", "l": ""}, {"k": "x"}], 1),
        ([{"k": ["1"]}, {"k": '["1"]'}], 1),
        ([{"k": "\ud800"}, {"k": "\ud801"}], 1),
        ([{"k": "a\0b"}, {"k": "a", "l": "b"}], 2),
        ([{"job": "shop"}, {"exported_job": "shop"}], 1),
        ([{"a.b": "1", "a_b": "2"}, {"a_b": "1;2"}], 1),
        ([{"k": 0.0}, {"k": -0.0}], 2),
        ([{"k": float("nan")}, {"k": float("nan")}], 1),
    ],
)
@pytest.mark.parametrize("make", [gauge, total])
def test_points_of_one_metric_that_become_one_series_are_refused_but_the_first(
    exporter: PrometheusRemoteWriteExporter, attributes: list[dict[str, Any]], sent: int, make: Any
) -> None:
    points = [NumberDataPoint(attribute, 0, NOW, float(value)) for value, attribute in enumerate(attributes)]
    rows, left_out = sent_and_left_out(exporter, at(make("m", *points)))
    sent_values = [row[2] for row in rows if row[0] != "target_info"]
    assert (sent_values[0], len(sent_values)) == (0.0, sent)
    assert [(loss.code, loss.fate) for loss in left_out] == [(CODE, Fate.REJECTED)] * (len(points) - sent)


def test_a_point_is_named_with_the_one_that_it_is_taken_for(exporter: PrometheusRemoteWriteExporter) -> None:
    other_value = NumberDataPoint(A_B, 0, NOW, 2.0)
    soon_after = NumberDataPoint(A_B, 0, NOW + 999_999, 2.0)
    points = [NumberDataPoint(A_B, 0, NOW, 1.0), NumberDataPoint(DOT, 0, NOW, 1.0), other_value, soon_after]
    _, left_out = sent_and_left_out(exporter, at(gauge("m", *points)))
    assert [loss.example for loss in left_out] == [
        "m{a_b=x} has the same labels: m{a.b=x}",
        "the same point has another value: m{a_b=x}",
        "two points lie within one millisecond: m{a_b=x}",
    ]
    typed = [NumberDataPoint({"k": value}, 0, NOW, 1.0) for value in ("1", 1)]
    (loss,) = sent_and_left_out(exporter, at(gauge("m", *typed)))[1]
    assert loss.example == 'm{k="1"} has the same labels: m{k=1}'


@pytest.mark.parametrize("other", [{"a": "1", "b": 2}, {"b": 2, "a": "1"}])
def test_a_repeat_is_sent_whatever_the_order_of_its_attributes(
    exporter: PrometheusRemoteWriteExporter, other: dict[str, Any]
) -> None:
    points = [NumberDataPoint(attributes, 0, NOW, 1.0) for attributes in ({"a": "1", "b": 2}, other)]
    assert sent_and_left_out(exporter, at(gauge("m", *points)))[1] == []
    rows, left_out = sent_and_left_out(exporter, at(gauge("m", points[0])), at(gauge("m", points[1])))
    assert (values(rows, "m"), left_out) == ([1.0, 1.0], [])


def test_histograms_of_one_series_and_time_are_refused_though_their_bounds_differ(
    exporter: PrometheusRemoteWriteExporter,
) -> None:
    both = [HistogramDataPoint({}, 0, NOW, 3, 4.5, [1, 2], [bound], 0.5, 4.0) for bound in (5.0, 7.0)]
    _, left_out = sent_and_left_out(
        exporter, at(Metric("h", "", "", Histogram(both, AggregationTemporality.CUMULATIVE)))
    )
    assert [loss.code for loss in left_out] == [CODE]


def test_what_was_proved_for_attributes_holds_for_the_same_objects_only() -> None:
    exporter = PrometheusRemoteWriteExporter()
    known = [{"a.b": str(number)} for number in range(5)]
    scope = InstrumentationScope("lib")

    def left_out(attributes: list[dict[str, Any]]) -> int:
        points = [NumberDataPoint(attribute, 0, NOW, 1.0) for attribute in attributes]
        data = MetricsData([ResourceMetrics(SHOP, [ScopeMetrics(scope, [gauge("m", *points)], "")], "")])
        parts = list(exporter.payloads(data))
        without = sum(isinstance(part, Withheld) for part in parts)
        assert without + sum(part.points for part in parts if isinstance(part, Payload)) == len(attributes)
        return without

    assert left_out(known) == 0
    assert left_out(known) == 0
    assert left_out([*known, {"a_b": "3"}]) == 1
    assert left_out([*known[:4], {"a-b": "3"}]) == 1
    assert left_out(known[:3]) == 0
    assert left_out(known) == 0
    exporter.shutdown(0)


def test_the_collections_of_a_recording_share_their_attributes(exporter: PrometheusRemoteWriteExporter) -> None:
    a, b = {"k": "1"}, {"k": "2"}
    points = [
        NumberDataPoint(attributes, 0, NOW + at * 1_000_000, 1.0 + at) for at in range(3) for attributes in (a, b)
    ]
    assert sent_and_left_out(exporter, at(gauge("m", *points)))[1] == []
    again = [*points, NumberDataPoint(a, 0, NOW, 9.0)]
    assert len(sent_and_left_out(exporter, at(gauge("m", *again)))[1]) == 1


def test_points_withheld_by_another_rule_claim_nothing(exporter: PrometheusRemoteWriteExporter) -> None:
    unspecified: Any = 0
    total = Metric("a_b", "", "", Sum([point()], unspecified, False))
    rows, left_out = sent_and_left_out(exporter, at(total), at(gauge("a.b", point(2.0))))
    assert values(rows, "a_b") == [2.0]
    assert [(loss.code, loss.fate) for loss in left_out] == [("prom.rw.delta", Fate.WITHHELD)]


def test_a_delta_claims_its_place_as_the_cumulative_point_that_is_sent(exporter: PrometheusRemoteWriteExporter) -> None:
    delta = Metric("a_b", "", "", Sum([point()], AggregationTemporality.DELTA, False))
    rows, left_out = sent_and_left_out(exporter, at(delta), at(gauge("a.b", point(2.0))))
    assert len(values(rows, "a_b")) == 1
    assert [loss.fate for loss in left_out] == [Fate.REJECTED]


def test_the_sample_collides_with_nothing(exporter: PrometheusRemoteWriteExporter) -> None:
    run = sample("r" * 26, NOW / 1e9, thorough=True)
    left_out = [part for part in exporter.payloads(run.data) if isinstance(part, Withheld)]
    assert not [loss for loss in left_out if loss.refused]


names = st.sampled_from(["a.b", "a_b", "a-b", "a.b.total", "b", "b_sum", "b_count"])
kinds = st.sampled_from([gauge, total])
resources = st.sampled_from(
    [SHOP, Resource({"host.name": "x"}), Resource({"host.name": "y"}), Resource({"service.name": "shop", "x": "1"})]
)
points = st.lists(
    st.builds(
        lambda key, label, time: point(1.0, NOW + time * 1_000_000, **{key: label}),
        st.sampled_from(["x", "x.y", "x_y"]),
        st.sampled_from(["u", "1", 1, ""]),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda point: (str(point.attributes), point.time_unix_nano),
)
metrics = st.builds(lambda make, name, some: make(name, *some), kinds, names, points) | st.builds(
    lambda label: histogram("b", x=label), st.sampled_from("uv")
)


@given(
    st.lists(
        st.tuples(resources, metrics),
        max_size=6,
        unique_by=lambda pair: (id(pair[0]), pair[1].name, type(pair[1].data)),
    )
)
def test_what_travels_is_distinct_and_every_point_left_out_has_a_double_that_travels(
    exporter: PrometheusRemoteWriteExporter, given_metrics: list[tuple[Resource, Metric]]
) -> None:
    rows, left_out = sent_and_left_out(exporter, *(at(metric, resource=resource) for resource, metric in given_metrics))
    travelling = [(frozenset(row[1].items()), row[3]) for row in rows if row[0] != "target_info"]
    assert len(set(travelling)) == len(travelling)
    sent = 0
    samples = set(travelling)
    for resource, metric in given_metrics:
        for point in metric.data.data_points:
            sent += 1
            alone, _ = sent_and_left_out(exporter, at(replace_points(metric, point), resource=resource))
            point_samples = {(frozenset(row[1].items()), row[3]) for row in alone if row[0] != "target_info"}
            assert point_samples & samples, "a point without any of its samples there was left out for nothing"
    histograms = sum(1 for row in rows if row[0] == "b_bucket" and row[1].get("le") == "5")
    numbers = sum(1 for row in rows if row[0] != "target_info") - 4 * histograms
    assert numbers + histograms + len(left_out) == sent


def replace_points(metric: Metric, point: Any) -> Metric:
    return replace(metric, data=replace(metric.data, data_points=[point]))  # type: ignore[arg-type]
