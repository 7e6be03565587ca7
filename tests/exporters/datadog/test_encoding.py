"""Bodies decoded with protobuf's own classes, and numbers by column equal to numbers one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from opentelemetry.sdk.metrics.export import Gauge, HistogramDataPoint, Metric, MetricsData, NumberDataPoint

from magictel.encoding.chunks import Surroundings, chunks
from magictel.encoding.layouts import Layouts
from magictel.encoding.packing import pack
from magictel.encoding.payload import Payload, Route
from magictel.encoding.protobuf import all_of, fields_of
from magictel.encoding.withheld import Withheld
from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.datadog.encoding import DatadogEncoder
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.model.metrics import Group, Kind, Series, Stream, groups
from magictel.sandbox.datadog_protobuf import MetricPayload, SketchPayload
from magictel.secrets.secret import Secret
from magictel.sources.sample import as_delta
from tests.exporters.elasticsearch.collections_of_points import collection
from tests.exporters.otlp.test_encoding import collections
from tests.fake_clock import FakeClock

SECOND = 1_000_000_000
CASSETTE = (
    Path(__file__).parents[4] / "shared/data/datadog-api/v2/cassettes/test_scenarios"
    "/test_submit_metrics_returns_payload_accepted_response.yaml"
)


def encoder(**options: Any) -> DatadogEncoder:
    given = DatadogSettings(api_key=Secret("0" * 32), **options)
    return DatadogEncoder(DatadogExporter(given, prepare=False, clock=FakeClock()))


def stream(kind: Kind = Kind.GAUGE, temporality: str | None = None, **more: Any) -> Stream:
    about: dict[str, Any] = {"monotonic": False, "unit": "s", "resource": {}, **more}
    name, unit, resource = about.pop("name", "queue.size"), about.pop("unit"), about.pop("resource")
    return Stream(name, unit, "", kind, temporality, about["monotonic"], resource, "", "", "", {}, "")


def number(value: float, attributes: dict[str, Any] | None = None, seconds: int = 1_764_000_000) -> NumberDataPoint:
    return NumberDataPoint(attributes or {}, (seconds - 10) * SECOND, seconds * SECOND, value)


def decoded(item: bytes | Withheld) -> Any:
    assert isinstance(item, bytes)
    (series,) = MetricPayload.FromString(item).series
    return series


@pytest.mark.parametrize("resource_tags", [False, True])
def test_processes_on_one_host_are_different_series(resource_tags: bool) -> None:
    processes = [
        decoded(
            encoder(resource_tags=resource_tags).encode(
                Series(stream(resource={"host.name": "node-1", "service.instance.id": name}), {}), number(1.0)
            )
        )
        for name in ("a", "b")
    ]
    assert [list(series.tags) for series in processes] == [["service.instance.id:a"], ["service.instance.id:b"]]


def test_a_gauge_has_its_tags_its_unit_and_its_host() -> None:
    resource = {"service.name": "gateway", "deployment.environment.name": "prod", "host.name": "node-1", "other": "x"}
    series = decoded(
        encoder(tags=["team:Core"]).encode(Series(stream(resource=resource), {"Zone": "EU"}), number(3, {"Zone": "EU"}))
    )
    assert (series.metric, series.type, series.unit, series.interval) == ("queue.size", 3, "second", 0)
    assert list(series.tags) == ["zone:eu", "service:gateway", "env:prod", "team:core"]
    assert [(resource.type, resource.name) for resource in series.resources] == [("host", "node-1")]
    assert [(point.value, point.timestamp) for point in series.points] == [(3.0, 1_764_000_000)]


def test_settings_replace_what_the_resource_says() -> None:
    resource = {"service.name": "gateway", "host.name": "node-1"}
    given = encoder(service="edge", env="test", version="2", hostname="h", resource_tags=True)
    series = decoded(given.encode(Series(stream(resource=resource | {"zone": "b"}), {}), number(1)))
    assert list(series.tags) == ["service:edge", "version:2", "env:test", "service.name:gateway", "zone:b"]
    assert series.resources[0].name == "h"


def test_a_count_has_its_interval() -> None:
    counted = stream(Kind.SUM, "delta", monotonic=True)
    series = decoded(encoder().encode(Series(counted, {}), number(7)))
    assert (series.type, series.interval, series.points[0].value) == (1, 10, 7.0)


def test_bounds_of_buckets_are_tags_as_datadog_stores_them() -> None:
    """Its translator sends upper_bound:1e+06.0, and a tag has no plus sign."""
    point = HistogramDataPoint({}, 0, 1_764_000_000 * SECOND, 3, 4.0, [1, 2], [1e6], 1, 2)
    item = encoder(histograms="counters").encode(Series(stream(Kind.HISTOGRAM, "delta"), {}), point)
    assert isinstance(item, bytes)
    buckets = [series for series in MetricPayload.FromString(item).series if series.metric.endswith(".bucket")]
    limits = [["lower_bound:-inf", "upper_bound:1e_06.0"], ["lower_bound:1e_06.0", "upper_bound:inf"]]
    assert [list(series.tags) for series in buckets] == limits


@pytest.mark.parametrize(
    ("given", "value", "code"),
    [
        (stream(), float("nan"), "dd.not-finite"),
        (stream(), float("inf"), "dd.not-finite"),
        (stream(Kind.SUM, "cumulative", monotonic=True), 1, "dd.cumulative"),
        (stream(name="123"), 1, "dd.name"),
    ],
)
def test_what_datadog_has_no_form_for_is_withheld(given: Stream, value: float, code: str) -> None:
    left_out = encoder().encode(Series(given, {}), number(value))
    assert isinstance(left_out, Withheld)
    assert left_out.code == code


def test_points_outside_datadogs_window_are_withheld_one_by_one() -> None:
    given = encoder()
    now = int(given.exporter.clock.now())
    group = Group(stream(), [number(1, seconds=now + after) for after in (-3700, -3500, 0, 500, 700)])
    kept, withheld = [], []
    for part in given.convert([group], 1):
        (kept if isinstance(part, Group) else withheld).append(part)
    assert [point.time_unix_nano // SECOND - now for (group) in kept for point in group.points] == [-3500, 0, 500]
    assert [part.code for part in withheld] == ["dd.loss.timestamp"] * 2


def bodies(data: MetricsData, template: DatadogEncoder | None, given: DatadogEncoder) -> bytes:
    parts = chunks(groups(data), given.encode, template, Layouts(), 50, Surroundings())
    packed = pack(parts, {"": Route("", 100, 10_000_000)}, lambda body: [body])
    return b"".join(part.body for part in packed if isinstance(part, Payload))


REUSED = encoder()
"""One for all examples: an exporter costs more than they do."""


@settings(max_examples=50)
@given(collections)
def test_a_sketch_has_a_count_for_each_key_and_no_distributions(data: MetricsData) -> None:
    """VictoriaMetrics answers 202 to others, and stores nothing of them, or quantiles of 0."""
    for group in groups(as_delta(data)):
        for point in group.points:
            item = REUSED.encode(Series(group.stream, point.attributes or {}), point)
            if REUSED.exporter.route_of(group.stream) and isinstance(item, bytes):
                (sketch,) = SketchPayload.FromString(item).sketches
                (dogsketch,) = sketch.dogsketches
                assert len(dogsketch.k) == len(dogsketch.n) > 0
                assert {number for number, _ in fields_of(all_of(item, 1)[0])} <= {1, 2, 4, 7}


@settings(max_examples=50)
@given(collections)
def test_columns_give_the_bytes_of_encode(data: MetricsData) -> None:
    given = REUSED
    assert bodies(data, given, given) == bodies(data, None, given)


FORMS = {form: encoder(histograms="aggregates", encoding=form) for form in ("protobuf", "json")}


@settings(max_examples=50)
@given(collections)
def test_json_says_what_protobuf_says(data: MetricsData) -> None:
    for group in groups(as_delta(data)):
        for point in group.points:
            series = Series(group.stream, point.attributes or {})
            binary, text = (form.encode(series, point) for form in FORMS.values())
            if isinstance(text, Withheld):
                assert text == binary
                continue
            assert isinstance(binary, bytes)
            document = json.loads(FORMS["json"].frame(Payload(text + text, 2)))
            assert ParseDict(document, MetricPayload()) == MetricPayload.FromString(binary + binary)


@pytest.mark.skipif(not CASSETTE.exists(), reason="shared/data is not present")
def test_json_has_the_form_that_datadogs_client_sends() -> None:
    recorded = yaml.safe_load(CASSETTE.read_text())["interactions"][0]["request"]
    given = encoder(encoding="json", hostname="dummyhost")
    series = Series(stream(name="system.load.1", unit="1"), {})
    point = number(0.7, seconds=json.loads(recorded["body"])["series"][0]["points"][0]["timestamp"])
    item = given.encode(series, point)
    assert isinstance(item, bytes)
    sent = json.loads(given.frame(Payload(item, 1)))
    assert sent["series"][0].pop("type") == 3  # the recorded one leaves it unspecified
    assert sent["series"][0].pop("tags") == []
    wanted = json.loads(recorded["body"])
    del wanted["series"][0]["type"]
    assert sent == wanted


def test_json_has_its_own_content_type_and_the_limits_of_v2() -> None:
    given: dict[str, Any] = {"api_key": Secret("0" * 32), "encoding": "json", "max_batch_points": 100_000}
    options = DatadogSettings(**given, max_batch_bytes=100_000_000, compression="gzip")
    clock = FakeClock()
    exporter = DatadogExporter(options, prepare=False, clock=clock)
    numbers, sketches = exporter.routes()
    assert (numbers.content_type, sketches.content_type) == ("application/json", None)
    assert (numbers.max_sent_bytes, sketches.max_sent_bytes) == (512_000, 512_000)
    points = [number(at, {"n": at, "long": "x" * 150}, int(clock.now())) for at in range(30_000)]
    requests = list(exporter.requests(collection(Metric("queue.size", "", "1", Gauge(points)))))
    assert len(requests) == 2
    for request, body in requests:
        assert request.headers["Content-Type"] == "application/json"
        assert json.loads(body)["series"]
        assert len(body) <= 5_242_880
