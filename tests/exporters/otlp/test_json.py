"""`protocol = "http/json"`: bodies are parsed with the official classes, and say what the official encoder says."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import MetricsData, NumberDataPoint

from magictel.encoding.chunks import Surroundings, chunks
from magictel.encoding.layouts import Layouts
from magictel.encoding.packing import pack
from magictel.encoding.payload import Payload, Route
from magictel.exporters.otlp import json_encoding
from magictel.model.metrics import groups
from tests.cli.running import magictel
from tests.exporters.otlp.test_encoding import NOW, alone, collections, rows


def payloads(data: MetricsData, points: int = 100) -> list[Payload]:
    around = Surroundings(envelope=lambda group: json_encoding.envelope(group.stream))
    parts = chunks(groups(data), json_encoding.encode, None, Layouts(), 50, around)
    packed = list(pack(parts, {"": Route("", points, 10_000_000)}, lambda body: [body]))
    return [part for part in packed if isinstance(part, Payload)]


def ids_in_base64(members: dict[str, Any]) -> dict[str, Any]:
    """OTLP writes ids in hex where protobuf's own mapping writes base64."""
    for key in {"traceId", "spanId"} & members.keys():
        members[key] = base64.b64encode(bytes.fromhex(members[key])).decode()
    return members


def without_empty_buckets(members: dict[str, Any]) -> dict[str, Any]:
    """The official encoder leaves out the offset of no buckets."""
    return {
        key: value for key, value in members.items() if value != {"offset": value_offset(value), "bucketCounts": []}
    }


def value_offset(value: Any) -> Any:
    return value.get("offset") if isinstance(value, dict) else None


def parsed(body: bytes) -> Any:
    tree = json.loads(body, object_hook=lambda members: ids_in_base64(without_empty_buckets(members)))
    return json_format.ParseDict(tree, ExportMetricsServiceRequest())


@given(collections, st.sampled_from([1, 3, 100]))
def test_bodies_say_what_the_official_encoder_says(data: MetricsData, points: int) -> None:
    parts = payloads(data, points)
    decoded = sorted(row for part in parts for row in rows(parsed(json_encoding.request(part))))
    assert decoded == rows(encode_metrics(data))


@given(collections)
def test_halves_are_requests_too(data: MetricsData) -> None:
    for part in payloads(data):
        if part.points > 1:
            halves = [row for half in part.halves() for row in rows(parsed(json_encoding.request(half)))]
            assert sorted(halves) == rows(parsed(json_encoding.request(part)))


def test_the_rules_of_otlp_json() -> None:
    """64-bit integers are texts, ids hexadecimal, enums numbers, and special doubles words."""
    exemplar = Exemplar({}, float("inf"), NOW, 0xAB, 0xCD)
    (payload,) = payloads(alone(NumberDataPoint({"a": 2**60}, 0, NOW, 7, [exemplar])))
    tree = json.loads(json_encoding.request(payload))
    (point,) = tree["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"]
    assert point["asInt"] == "7"
    assert point["timeUnixNano"] == str(NOW)
    assert point["attributes"][0]["value"] == {"intValue": str(2**60)}
    (shown,) = point["exemplars"]
    assert (shown["spanId"], shown["traceId"]) == ("00000000000000ab", "000000000000000000000000000000cd")
    assert shown["asDouble"] == "Infinity"


def test_a_sample_in_json_is_verified_at_the_sandbox(tmp_path: Path) -> None:
    given = ("--sandbox", "--set", "protocol=http/json", "--format", "json")
    sent = magictel("send-sample", "otlp", *given, folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12)
    assert magictel("check", "otlp", *given, "--allow", "empty-write", folder=tmp_path).code == 0
