"""Metadata of a metric: where it comes from, and that it survives a recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from magictel.conformance.points import payloads_of
from magictel.model.metrics import groups
from magictel.registry import entry_points
from magictel.sources.batching import Gathering, Part
from magictel.sources.otlp_json import OtlpJsonReader
from magictel.sources.otlp_protobuf import OtlpProtobuf
from magictel.sources.recording import Recordings

PAGE = b"""# TYPE waits summary
waits{quantile="0.5"} 1
waits_sum 5
waits_count 3
# TYPE sizes gaugehistogram
sizes_bucket{le="+Inf"} 2
sizes_gcount 2
sizes_gsum 9
plain 4
"""
_POINT = {"timeUnixNano": "1726000000000000000", "asDouble": 1.0}
_TOLD = [
    {"key": "prometheus.type", "value": {"stringValue": "counter"}},
    {"key": "number", "value": {"intValue": "7"}},
]


def request(*metrics: object) -> str:
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": list(metrics)}]}]})


def test_series_of_a_page_bear_the_type_they_have_there(tmp_path: Path) -> None:
    page = tmp_path / "page.prom"
    page.write_bytes(PAGE)
    expected = {
        "waits": "summary",
        "waits_sum": "summary",
        "waits_count": "summary",
        "sizes_bucket": "gaugehistogram",
        "sizes_gcount": "gaugehistogram",
        "sizes_gsum": "gaugehistogram",
        "plain": "unknown",
    }
    assert metadata_by_name(page) == {name: (("prometheus.type", kind),) for name, kind in expected.items()}
    exporter = entry_points.load("file")(entry_points.load("file").Settings())
    copy = tmp_path / "copy.jsonl"
    with Recordings((str(page),), False, 10**18) as recordings:
        for piece in Gathering().slices(recordings.batches()):
            copy.write_bytes(b"".join(exporter.encoder.frame(payload) for payload in payloads_of(exporter, piece.data)))
    exporter.shutdown(0)
    assert metadata_by_name(copy) == metadata_by_name(page)


def metadata_by_name(path: Path) -> dict[str, object]:
    with Recordings((str(path),), False, 10**18) as recordings:
        pieces = list(Gathering().slices(recordings.batches()))
    return {group.stream.name: group.stream.metadata for piece in pieces for group in groups(piece.data)}


@pytest.mark.parametrize("protobuf", [False, True])
def test_text_of_otlp_metadata_is_kept_and_metrics_that_differ_in_it_are_two(protobuf: bool) -> None:
    text = request(
        {"name": "m", "gauge": {"dataPoints": [_POINT]}, "metadata": _TOLD},
        {"name": "m", "gauge": {"dataPoints": [_POINT]}, "metadata": []},
    )
    heads = [part.head for part in parts(text, protobuf)]
    assert [head.metadata for head in heads] == [(("prometheus.type", "counter"),), ()]


@pytest.mark.parametrize("protobuf", [False, True])
def test_the_parts_of_a_summary_name_it_and_its_unit(protobuf: bool) -> None:
    quantiles = [{"quantile": 0.9999999, "value": 1.0}, {"quantile": 0.99999991, "value": 2.0}]
    point = {"timeUnixNano": "1726000000000000000", "count": "5", "sum": 1.5, "quantileValues": quantiles}
    summary = {"name": "rpc.wait", "unit": "s", "summary": {"dataPoints": [point]}}
    labels = (("magictel.summary.name", "rpc.wait"), ("magictel.summary.unit", "s"))
    read = parts(request(summary), protobuf)
    assert {part.head.name: part.head.metadata for part in read} == {
        "rpc.wait_count": labels,
        "rpc.wait_sum": labels,
        "rpc.wait": labels,
    }
    shown = [point.attributes["quantile"] for part in read if part.head.name == "rpc.wait" for point in part.points]
    assert shown == ["0.9999999", "0.99999991"]
    of_a_page = parts(request(summary | {"metadata": _TOLD}), protobuf)
    assert {part.head.metadata for part in of_a_page} == {(("prometheus.type", "counter"),)}


def parts(text: str, protobuf: bool) -> list[Part]:
    if protobuf:
        return list(OtlpProtobuf("p").message(Parse(text, ExportMetricsServiceRequest()).SerializeToString(), 1))
    return list(OtlpJsonReader("j").line(text.encode(), 1))
