"""The sandbox's OTLP receiver: official encodings are stored as Prometheus names them, and what it refuses."""

from __future__ import annotations

import gzip
import time

import opentelemetry.exporter.otlp.proto.grpc.metric_exporter as official_grpc
import opentelemetry.exporter.otlp.proto.http.metric_exporter as official_http
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.formats.prometheus import names
from magictel.http.wire import Reply, Request
from magictel.sandbox import otlp_series
from magictel.sandbox.otlp import PATH, OtlpEmulator
from magictel.sources.sample import sample
from tests.emulators.otlp_grpc import GrpcStage

NOW = 1_764_000_000.0
HEADERS = {"Content-Type": "application/x-protobuf"}


def post(emulator: OtlpEmulator, body: bytes, **headers: str) -> Reply:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return emulator.handle(Request("POST", f"http://localhost{PATH}", {**HEADERS, **more}, body))


def test_the_official_encoding_of_the_sample_is_stored() -> None:
    emulator = OtlpEmulator()
    body = encode_metrics(sample("0123456789ab", emulator.clock.now()).data).SerializeToString()
    assert post(emulator, gzip.compress(body), Content_Encoding="gzip").status == 200
    stored = {labels["__name__"] for labels, _, _ in emulator.samples()}
    assert "target_info" in stored
    assert emulator.stored > len(emulator.samples()), "exponential histograms are native ones"


def deltas() -> bytes:
    point = NumberDataPoint({}, 0, int(NOW * 1e9), 1)
    metric = Metric("m", "", "", Sum([point], AggregationTemporality.DELTA, True))
    scope = ScopeMetrics(InstrumentationScope("lib"), [metric], "")
    data = MetricsData([ResourceMetrics(Resource({"service.name": "a"}), [scope], "")])
    return bytes(encode_metrics(data).SerializeToString())


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 200),
        (deltas(), {}, 500),
        (b"\xff\xff", {}, 400),
        (b"not gzip", {"Content_Encoding": "gzip"}, 400),
        (b"{}", {"Content_Type": "text/plain"}, 415),
    ],
)
def test_what_it_answers(body: bytes, headers: dict[str, str], status: int) -> None:
    emulator = OtlpEmulator()
    assert post(emulator, body, **headers).status == status
    assert emulator.stored == 0


def test_a_get_is_answered_as_receivers_do() -> None:
    assert OtlpEmulator().handle(Request("GET", f"http://localhost{PATH}", {}, b"")).status == 405


def everything(emulator: OtlpEmulator) -> list[object]:
    return emulator.store.select(lambda labels: True)


def test_the_official_exporters_and_ours_store_the_same_points() -> None:
    """Over HTTP in protobuf and JSON, and over gRPC: whoever sends, the receiver shows the same series, times and values."""
    data = sample("0123456789ab", time.time()).data
    stored = {}
    for name, make_exporter in {
        "official, HTTP": lambda http, grpc: official_http.OTLPMetricExporter(endpoint=http, timeout=60),
        "official, gRPC": lambda http, grpc: official_grpc.OTLPMetricExporter(endpoint=grpc, insecure=True, timeout=60),
        "protobuf": lambda http, grpc: OtlpExporter(OtlpSettings(url=http)),
        "JSON": lambda http, grpc: OtlpExporter(OtlpSettings(url=http, protocol="http/json")),
        "gRPC": lambda http, grpc: OtlpExporter(OtlpSettings(url=grpc, protocol="grpc")),
    }.items():
        stage = GrpcStage()
        exporter = make_exporter(f"{stage.origin}{PATH}", f"http://127.0.0.1:{stage.port}")
        try:
            assert exporter.export(data) is MetricExportResult.SUCCESS, name
            stored[name] = everything(stage.emulator)
        finally:
            exporter.shutdown()
            stage.stop()
    assert len(stored["official, HTTP"]) > 12
    assert all(series == stored["official, HTTP"] for series in stored.values()), stored


UNITS = st.sampled_from(["", "1", "s", "ms", "By", "By/s", "1/s", "{requests}", "m/min", "Cel", "%", "packets", "a b"])
NAMES = st.one_of(
    st.sampled_from(["http.requests", "m", "a..b", "1st", "cpu_ratio", "requests.total", "m.seconds", "a:b"]),
    st.text("ab1._:- ä", min_size=1, max_size=8),
)


@given(NAMES, UNITS, st.booleans(), st.booleans())
def test_metrics_are_named_as_the_exporters_expect(name: str, unit: str, counter: bool, gauge: bool) -> None:
    counter = counter and not gauge
    expected = names.metric_name(name, unit, counter=counter, gauge=gauge)
    if expected is not None:
        assert otlp_series.metric_name(name, unit, counter=counter, gauge=gauge) == expected


@given(st.text("ab1._ä-", min_size=1, max_size=8).filter(lambda key: any(letter.isalnum() for letter in key)))
def test_labels_are_named_as_the_exporters_expect(key: str) -> None:
    expected = names.label_name(key)
    if (expected.strip("_") and not expected.startswith("key_")) or key[:1].isdigit():
        assert otlp_series.label_name(key) == expected


@given(st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.floats(-1e15, 1e15), st.binary(max_size=3)))
def test_values_are_written_as_the_exporters_expect(value: object) -> None:
    assert otlp_series.label_value(value) == names.label_value(value)
