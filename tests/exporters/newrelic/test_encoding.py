"""Bodies read as JSON, and numbers by column equal to numbers one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from opentelemetry.sdk.metrics.export import HistogramDataPoint, MetricsData

from magictel.encoding.chunks import Surroundings, chunks
from magictel.encoding.layouts import Layouts
from magictel.encoding.packing import pack
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.newrelic.encoding import NewRelicEncoder
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.model.metrics import Kind, Series, groups
from magictel.secrets.secret import Secret
from tests.exporters.datadog.test_encoding import number, stream
from tests.exporters.otlp.test_encoding import collections
from tests.fake_clock import FakeClock


def encoder() -> NewRelicEncoder:
    given = NewRelicSettings(license_key=Secret("0" * 36 + "NRAL"))
    return NewRelicEncoder(NewRelicExporter(given, prepare=False, clock=FakeClock()))


def metric(item: bytes | Withheld) -> Any:
    assert isinstance(item, bytes)
    return json.loads(item.removesuffix(b","))


def test_a_gauge() -> None:
    given = {"zone": "eu", "ok": True, "list": ("a", "b"), "timestamp": 1}
    assert metric(encoder().encode(Series(stream(), given), number(3, given))) == {
        "name": "queue.size",
        "type": "gauge",
        "value": 3,
        "timestamp": 1_764_000_000_000,
        "attributes": {"zone": "eu", "ok": True, "list": '["a","b"]'},
    }


def test_a_count_has_the_interval_without_which_new_relic_drops_it() -> None:
    counted = metric(encoder().encode(Series(stream(Kind.SUM, "delta", monotonic=True), {}), number(7)))
    assert (counted["type"], counted["value"], counted["interval.ms"]) == ("count", 7, 10_000)


def test_a_histogram_is_a_summary() -> None:
    point = HistogramDataPoint({}, 0, 1_764_000_000 * 10**9, 4, 10.0, [1, 3], [1.0], 0.5, 4.0)
    summary = metric(encoder().encode(Series(stream(Kind.HISTOGRAM, "delta"), {}), point))
    assert (summary["type"], summary["value"]) == ("summary", {"count": 4, "sum": 10.0, "min": 0.5, "max": 4.0})
    assert summary["interval.ms"] >= 1


@pytest.mark.parametrize(
    ("given", "value", "code"),
    [
        (stream(), float("nan"), "nr.not-finite"),
        (stream(Kind.SUM, "cumulative", monotonic=True), 1, "nr.cumulative"),
        (stream(name="x" * 256), 1, "nr.name"),
    ],
)
def test_what_new_relic_has_no_form_for_is_withheld(given: Any, value: float, code: str) -> None:
    left_out = encoder().encode(Series(given, {}), number(value))
    assert isinstance(left_out, Withheld)
    assert left_out.code == code


def payloads(data: MetricsData, template: NewRelicEncoder | None, given: NewRelicEncoder) -> list[Payload]:
    parts = chunks(groups(data), given.encode, template, Layouts(), 50, Surroundings(envelope=given.envelope))
    return [part for part in pack(parts, {"": Route("", 100, 10_000_000)}, given.split) if isinstance(part, Payload)]


REUSED = encoder()
"""One for all examples: an exporter costs more than they do."""


@settings(max_examples=50)
@given(collections)
def test_columns_give_the_bytes_of_encode_and_every_body_is_json(data: MetricsData) -> None:
    given = REUSED
    whole = [given.frame(part) for part in payloads(data, None, given)]
    assert [given.frame(part) for part in payloads(data, given, given)] == whole
    for body in whole:
        for batch in json.loads(body):
            assert batch["common"].keys() == {"attributes"}
            assert batch["metrics"]


@settings(max_examples=50)
@given(collections)
def test_a_body_is_cut_into_its_items(data: MetricsData) -> None:
    given = REUSED
    for part in payloads(data, None, given):
        assert b"".join(given.split(part.body)) == part.body
        assert len(given.split(part.body)) == part.points
