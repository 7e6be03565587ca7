"""Series of a Prometheus page keep their names, through a recording too; OTLP data, summaries included, has Prometheus 3's names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictel.conformance.points import payloads_of
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.exporters.prometheus_remote_write.encoding import Encoder
from magictel.model.metrics import Kind, Series, Stream, groups, number_point
from magictel.promql.points import Identities
from magictel.registry import entry_points
from magictel.sandbox.prometheus_protobuf import WriteRequest
from magictel.sources.batching import Gathering, Slice
from magictel.sources.recording import Recordings

PAGE = """# TYPE waits summary
# UNIT waits seconds
waits{quantile="0.5",_a="1",a__b="2"} 1
waits_sum 5
waits_count 3
# TYPE done counter
done_total 3
# TYPE old counter
old 7
# TYPE sizes_bytes histogram
sizes_bytes_bucket{le="1"} 1
sizes_bytes_bucket{le="+Inf"} 2
sizes_bytes_sum 3
sizes_bytes_count 2
# TYPE build info
build_info{job="mine",otel_scope_name="s"} 1
plain_total_bytes_total 4
"""
SERIES = {
    "done_total{}",
    "old{}",
    'waits{_a="1",a__b="2",quantile="0.5"}',
    "waits_sum{}",
    "waits_count{}",
    'sizes_bytes_bucket{le="1.0"}',  # as Prometheus 3 stores what it scrapes
    'sizes_bytes_bucket{le="+Inf"}',
    "sizes_bytes_sum{}",
    "sizes_bytes_count{}",
    'build_info{job="mine",otel_scope_name="s"}',
    "plain_total_bytes_total{}",
}  # fmt: skip
SUMMARY = {
    "timeUnixNano": "1726000000000000000",
    "count": "5",
    "sum": 1.5,
    "quantileValues": [{"quantile": 0.5, "value": 0.2}, {"quantile": 0.99, "value": 0.9}],
}


def slices(path: Path) -> list[Slice]:
    with Recordings((str(path),), False, 10**18) as recordings:
        return list(Gathering().slices(recordings.batches()))


def series(path: Path, **options: Any) -> set[str]:
    """The series that travel, as PromQL writes them."""
    settings = PrometheusRemoteWriteSettings(url="http://127.0.0.1:1/api/v1/write", **options)
    exporter = PrometheusRemoteWriteExporter(settings)
    try:
        frames = [
            exporter.encoder.frame(payload) for piece in slices(path) for payload in payloads_of(exporter, piece.data)
        ]
    finally:
        exporter.shutdown(0)
    label_sets = [
        {label.name: label.value for label in row.labels}
        for raw in frames
        for row in WriteRequest.FromString(raw).timeseries
    ]
    return {
        f"{labels.pop('__name__')}{{{','.join(f'{key}={json.dumps(labels[key])}' for key in sorted(labels))}}}"
        for labels in label_sets
    }


def recorded(path: Path) -> Path:
    copy = path.with_suffix(".jsonl")
    exporter = entry_points.load("file")(entry_points.load("file").Settings())
    copy.write_bytes(
        b"".join(
            exporter.encoder.frame(payload) for piece in slices(path) for payload in payloads_of(exporter, piece.data)
        )
    )
    exporter.shutdown(0)
    return copy


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.prom"
    path.write_text(PAGE)
    return path


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    path = tmp_path / "summary.json"
    metric = {"name": "rpc.duration", "unit": "s", "summary": {"dataPoints": [SUMMARY]}}
    path.write_text(json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}) + "\n")
    return path


def test_series_of_a_page_keep_their_names_and_labels_when_replayed_and_when_recorded_first(page: Path) -> None:
    assert series(page) == SERIES
    assert series(recorded(page)) == SERIES


def test_a_page_is_named_as_opentelemetry_data_where_that_is_chosen(page: Path) -> None:
    renamed = series(page, page_names=False)
    assert "old_total{}" in renamed
    assert {name.partition("{")[0] for name in renamed} - {name.partition("{")[0] for name in SERIES}


@pytest.mark.parametrize(
    ("options", "name"), [({}, "rpc_duration_seconds"), ({"name_suffixes": False}, "rpc_duration")]
)
def test_an_otlp_summary_has_the_names_that_prometheus_gives_it(summary: Path, options: Any, name: str) -> None:
    expected = {f'{name}{{quantile="0.5"}}', f'{name}{{quantile="0.99"}}', f"{name}_count{{}}", f"{name}_sum{{}}"}
    assert series(summary, **options) == expected
    assert series(recorded(summary), **options) == expected


@pytest.mark.parametrize(
    "scope",
    [
        "otelcol/prometheusreceiver",
        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver",
    ],
)
def test_what_the_collector_scraped_keeps_its_names(scope: str) -> None:
    stream = Stream("old", "s", "", Kind.SUM, "cumulative", True, {}, "", scope, "1", {}, "")
    encoder = Encoder()
    assert encoder.name(stream) == "old"
    assert encoder.labels(Series(stream, {"_a": "1"})) == {"_a": "1"}


def test_read_back_looks_for_the_name_on_the_page_whatever_the_encoder_makes_of_it(page: Path) -> None:
    class Renaming(Encoder):
        def name(self, stream: Stream) -> str:
            return f"{stream.name}_total"

    read = [
        Identities(renaming := Renaming(), renaming.carries).of(Series(group.stream, point.attributes or {}), point)
        for piece in slices(page)
        for group in groups(piece.data)
        for point in group.points
    ]
    wanted = {name for point in read if point is not None for name in point.fields}
    assert wanted == {series.replace('"', "").replace(",", ", ") for series in SERIES}


def test_names_and_values_with_any_character_are_looked_for_as_they_are() -> None:
    metadata = (("prometheus.type", "gauge"),)
    stream = Stream("a{b} \\c", "", "", Kind.GAUGE, None, False, {}, "", "", "", {}, "", metadata)
    values = [{"k": "1, l=2"}, {"k": "1", "l": "2"}]
    encoder = Encoder()
    read = [
        Identities(encoder, encoder.carries).of(Series(stream, value), number_point(value, 0, 10**18, 1.0))
        for value in values
    ]
    fields = [list(point.fields) for point in read if point is not None]
    assert fields == [['a\\{b} \\\\c{k="1, l=2"}'], ["a\\{b} \\\\c{k=1, l=2}"]]
