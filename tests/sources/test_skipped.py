"""What a reader does not understand is named or counted, never dropped; what is legal is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from magictel.formats.otlp import messages as otlp_messages
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError
from magictel.sources.otlp_json import OtlpJsonReader
from magictel.sources.otlp_protobuf import OtlpProtobuf
from magictel.sources.recording import Recordings
from magictel.sources.skips import REPEATED_KEY, Skips

TIME = 1_700_000_000_000_000_000
PATH = "resourceMetrics[0].scopeMetrics[0].metrics[0]"


def request(*points: Any, kind: str = "gauge", name: str = "m", **members: Any) -> dict[str, Any]:
    """A request with one metric."""
    data = {"dataPoints": [{"timeUnixNano": str(TIME), **point} for point in points], **members}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": name, kind: data}]}]}]}


GOOD = {"asDouble": 1.5}


def read(text: str | bytes | Any, *, go_on: bool = False) -> tuple[list[Any], Skips]:
    """The points of a line, in values or counts, and what was skipped."""
    decoder = OtlpJsonReader("r", 0, Skips(go_on))
    raw = text if isinstance(text, bytes) else (text if isinstance(text, str) else json.dumps(text)).encode()
    return values(decoder.line(raw, 1)), decoder.skips


def values(parts: list[Part]) -> list[Any]:
    """Values of numbers, counts of histograms."""
    return [getattr(point, "value", None) or getattr(point, "count", 0) for part in parts for point in part.points]


BASE64 = {"timeUnixNano": "5", "asDouble": 1, "traceId": "In34NtT/Ay92zZ0Akx1KYg==", "spanId": "WESYaWFU+/g="}
TAKEN: dict[str, tuple[Any, list[Any]]] = {
    "an empty request": ("{}", []),
    "a request without metrics": ('{"resourceMetrics":[]}', []),
    "a metric without data": ({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m"}]}]}]}, []),
    "null for the resource": (json.dumps(request(GOOD)).replace('{"scopeM', '{"resource":null,"scopeM'), [1.5]),
    "null for lists and numbers": (request({**GOOD, "exemplars": None, "attributes": None, "flags": None}), [1.5]),
    "null within attributes": (request({**GOOD, "attributes": [{"key": "a", "value": {"stringValue": None}}]}), [1.5]),
    "null for everything": ('{"resourceMetrics":null}', []),
    "an unknown member": (request({**GOOD, "future": {"a": [1, {"b": 2}]}}), [1.5]),
    "base64 identifiers": (request({**GOOD, "exemplars": [BASE64]}), [1.5]),
    "enums by name": (request({"asInt": "2"}, kind="sum", aggregationTemporality="AGGREGATION_TEMPORALITY_DELTA"), [2]),
    "numbers as text and the reverse": (
        request({"asDouble": "2.5"}, {"asInt": 3}, {"asInt": "4", "timeUnixNano": TIME}),
        [2.5, 3, 4],
    ),
    "an array of requests": ([request(GOOD), {}, request({"asInt": 2})], [1.5, 2]),
    "white space": (" \t" + json.dumps(request(GOOD), indent=1) + "\r\n", [1.5]),
    "names written in escapes": (json.dumps(request(GOOD)).replace("asDouble", "as\\u0044ouble"), [1.5]),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_legal_is_taken(case: str) -> None:
    text, wanted = TAKEN[case]
    points, skips = read(text)
    assert points == wanted
    assert skips.clean


def test_base64_identifiers_mean_what_hex_does() -> None:
    hexadecimal = {
        **BASE64,
        "traceId": "227df836d4ff032f76cd9d00931d4a62",
        "spanId": "5844986961 54fbf8".replace(" ", ""),
    }
    both = [
        OtlpJsonReader("r")
        .line(json.dumps(request({**GOOD, "exemplars": [encode]})).encode(), 1)[0]
        .points[0]
        .exemplars[0]
        for encode in (BASE64, hexadecimal)
    ]
    assert both[0] == both[1]
    _, skips = read(request({**GOOD, "exemplars": [{**BASE64, "traceId": "?"}]}))
    assert skips.warnings() == ("an exemplar's traceId or spanId is neither hex nor base64 (1 point)",)


def test_a_label_may_have_any_character() -> None:
    given = {**GOOD, "attributes": [{"key": "a\0", "value": {"stringValue": "\0\u20ac\U0001f600"}}]}
    decoder = OtlpJsonReader("r")
    assert decoder.line(json.dumps(request(given)).encode(), 1)[0].points[0].attributes == {"a\0": "\0\u20ac\U0001f600"}


POINTS = {"dataPoints": [{"timeUnixNano": str(TIME), "asInt": "1"}]}
LOST: dict[str, tuple[Any, str]] = {
    "intSum": (
        request(kind="intSum"),
        f"unknown member intSum, with data points in it (OTLP has sum since 0.9), in {PATH}.intSum",
    ),
    "an unknown kind": (
        '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sketch":{"values":[1]}}]}]}]}',
        f"unknown kind of metric sketch, of m, in {PATH}.sketch",
    ),
    "data_points": (
        json.dumps(request(GOOD)).replace("dataPoints", "data_points"),
        f"unknown member data_points: OTLP JSON has dataPoints, in {PATH}.gauge.data_points",
    ),
    "resource_metrics": (
        json.dumps(request(GOOD)).replace("resourceMetrics", "resource_metrics"),
        "unknown member resource_metrics: OTLP JSON has resourceMetrics, in resource_metrics",
    ),
    "instrumentationLibraryMetrics": (
        json.dumps(request(GOOD)).replace("scopeMetrics", "instrumentationLibraryMetrics"),
        "unknown member instrumentationLibraryMetrics, with data points in it (OTLP has scopeMetrics since 0.16)",
    ),
    "as_double": (
        json.dumps(request(GOOD)).replace("asDouble", "as_double"),
        f"unknown member as_double: OTLP JSON has asDouble, in {PATH}.gauge.dataPoints[0].as_double",
    ),
    "the resource alone": (
        request(GOOD)["resourceMetrics"][0],
        "unknown member scopeMetrics, with data points in it, in scopeMetrics",
    ),
    "two kinds": (
        json.dumps(request(GOOD)).replace('"gauge"', f'"sum": {json.dumps(POINTS)}, "gauge"'),
        f"the metric m is gauge and sum, expected one of them, in {PATH}",
    ),
    "null in a list": (
        json.dumps(request(GOOD)).replace("[{", "[null, {", 1),
        "expected an element, got null, in resourceMetrics[0]",
    ),
    "an empty array": ("[]", "expected an OTLP request, got an empty array"),
    "another JSON": ('{"level":"info"}', "expected the member resourceMetrics, got level"),
    "an unknown temporality": (
        request(GOOD, kind="sum", aggregationTemporality="DELTA"),
        f"unknown aggregationTemporality 'DELTA', in {PATH}",
    ),
    "half a character": (
        json.dumps(request({**GOOD, "attributes": [{"key": "\ud800"}]})),
        "expected a character, got half of one: \\ud800",
    ),
    "a byte that is not UTF-8": (
        json.dumps(request(GOOD)).encode().replace(b'"m"', b'"\xe9"'),
        "expected UTF-8, got the byte 0xe9",
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_what_would_lose_points_is_a_broken_line_by_name_and_column(case: str) -> None:
    text, why = LOST[case]
    with pytest.raises(SourceError) as failure:
        read(text)
    assert failure.value.code == "source.broken-line"
    place, _, message = failure.value.message.partition(": ")
    assert message.startswith(why)
    assert place.startswith("r, line 1, column ") or "temporality" in case


BUCKETS = {"count": "7", "bucketCounts": ["1", "2", "4"], "explicitBounds": [1, 5]}
IMPOSSIBLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "no time": ("gauge", {**GOOD, "timeUnixNano": "0"}, "m: timeUnixNano is 0 or missing"),
    "a time beyond": ("gauge", {**GOOD, "timeUnixNano": str(2**63)}, "m: timeUnixNano is not a time"),
    "a start beyond": ("sum", {**GOOD, "startTimeUnixNano": str(2**64 - 1)}, "m: startTimeUnixNano is not a time"),
    "no value": ("sum", {}, "m: asDouble and asInt are missing"),
    "bounds that do not increase": (
        "histogram",
        {**BUCKETS, "explicitBounds": [5, 1]},
        "m: explicitBounds[1] is 1 after 5",
    ),
    "a bound that is NaN": ("histogram", {**BUCKETS, "explicitBounds": ["NaN", 1]}, "m: explicitBounds[0] is NaN"),
    "a count beside its buckets": (
        "histogram",
        {**BUCKETS, "count": "8"},
        "m: count is 8, but the buckets add up to 7",
    ),
    "as many counts as bounds": (
        "histogram",
        {**BUCKETS, "bucketCounts": ["3", "4"]},
        "m: bucketCounts has 2 counts for 2 bounds",
    ),
    "min above max": ("histogram", {**BUCKETS, "min": 3, "max": 2}, "m: min is 3, more than max, 2"),
    "an exponential count": (
        "exponentialHistogram",
        {"count": 2, "zeroCount": 1},
        "m: count is 2, but the buckets add up to 1",
    ),
    "a scale": ("exponentialHistogram", {"scale": 99}, "m: scale is 99"),
    "a zero threshold": ("exponentialHistogram", {"zeroThreshold": -1}, "m: zeroThreshold is -1"),
    "a quantile": (
        "summary",
        {"count": 1, "quantileValues": [{"quantile": 99}]},
        "m: quantileValues[0].quantile is 99",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
@pytest.mark.parametrize("format_", ["json", "protobuf"])
def test_an_impossible_point_stops_by_name_or_is_counted_alone(format_: str, case: str) -> None:
    kind, point, why = IMPOSSIBLE[case]
    good = {"gauge": GOOD, "sum": GOOD}.get(kind, {"count": 0})
    tree = request(good, point, good, kind=kind)

    def points(skips: Skips) -> int:
        if format_ == "json":
            parts = OtlpJsonReader("r", 0, skips).line(json.dumps(tree).encode(), 1)
        else:
            raw = ParseDict(tree, ExportMetricsServiceRequest()).SerializeToString()
            parts = OtlpProtobuf("r", 0, skips).message(raw, 1)
        return len(parts[0].points)

    with pytest.raises(SourceError) as failure:
        points(Skips())
    assert failure.value.code == "source.impossible-point"
    place, _, message = failure.value.message.partition(": ")
    assert place.startswith("r, line 1, column " if format_ == "json" else "r, message 1")
    assert message.startswith(why)
    assert message.endswith(f"in {PATH}.{kind}.dataPoints[1]")
    skips = Skips(go_on=True)
    assert points(skips) == 2
    assert (skips.impossible, skips.broken, len(skips.examples)) == (1, 0, 1)


NEGATIVE = [
    ("histogram", {"count": "-1"}),
    ("histogram", {**BUCKETS, "bucketCounts": ["-1", "4", "4"]}),
    ("histogram", {**BUCKETS, "bucketCounts": ["1.5", "1.5", "4"]}),
    ("exponentialHistogram", {"count": 1, "zeroCount": 2, "positive": {"bucketCounts": ["-1"]}}),
    ("summary", {"count": -3}),
]


@pytest.mark.parametrize(("kind", "point"), NEGATIVE)
def test_counts_that_are_negative_or_fractional_never_pass(kind: str, point: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=r"[Cc]ount"):
        read(request(point, kind=kind))


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("gauge", {"asDouble": 0}),
        ("gauge", {}),
        ("sum", {"asInt": "0"}),
        ("histogram", {}),
        ("histogram", {**BUCKETS, "count": "1"}),
        ("exponentialHistogram", {}),
        ("summary", {}),
    ],
)
def test_a_point_without_a_recorded_value_has_ended_whatever_stands_beside_the_flag(
    kind: str, member: dict[str, Any]
) -> None:
    tree = request({**member, "flags": 1}, {**member, "flags": 3, "timeUnixNano": "0"}, kind=kind)
    decoder = OtlpProtobuf("r")
    parts = decoder.message(ParseDict(tree, ExportMetricsServiceRequest()).SerializeToString(), 1)
    points, skips = read(tree)
    assert points == values(parts) == []
    assert skips.ended == decoder.skips.ended == 2


def test_a_flag_that_is_another_ends_nothing() -> None:
    assert read(request({**GOOD, "flags": 2}))[0] == [1.5]


@pytest.mark.parametrize(("unit", "each"), [("milliseconds", 10**6), ("microseconds", 10**3), ("seconds", 10**9)])
def test_times_in_another_unit_are_sent_with_a_warning(unit: str, each: int) -> None:
    points, skips = read(request({**GOOD, "timeUnixNano": str(TIME // each)}, GOOD))
    assert points == [1.5, 1.5]
    assert skips.warnings() == (f"times in 1970: written in {unit}? OTLP has nanoseconds (1 point)",)


def test_a_zero_threshold_that_is_lost_is_said() -> None:
    tree = request({"count": 1, "zeroCount": 1, "zeroThreshold": 0.5}, kind="exponentialHistogram")
    decoder = OtlpProtobuf("r")
    decoder.message(ParseDict(tree, ExportMetricsServiceRequest()).SerializeToString(), 1)
    warnings = ("zeroThreshold of an exponential histogram is not sent (1 point)",)
    assert read(tree)[1].warnings() == decoder.skips.warnings() == warnings


def test_a_metric_of_an_older_protobuf_is_named() -> None:
    metric = b"\x0a\x01m" + b"\x32\x00"  # name "m", field 6
    scope = b"\x12" + bytes([len(metric)]) + metric
    resource = b"\x12" + bytes([len(scope)]) + scope
    raw = b"\x0a" + bytes([len(resource)]) + resource
    with pytest.raises(
        SourceError, match=r"unknown kind of metric \(field 6, intSum of OTLP before 0.9\), of m, in resourceM"
    ):
        OtlpProtobuf("r").message(raw, 1)


def test_lines_of_other_signals_are_passed_over_by_name(tmp_path: Path) -> None:
    spans = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "s"}]}]}]})
    late = {"timeUnixNano": str(TIME + 10**18)}
    logs = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [late]}]}]})
    both = json.dumps({**request(GOOD), "resourceProfiles": []})
    (tmp_path / "r").write_text("\n".join([spans, json.dumps(request(GOOD)), logs, "", both, spans]))
    with Recordings((str(tmp_path / "r"),)) as recordings:
        assert recordings.span().newest == TIME
        assert [value for batch in recordings.batches() for value in values(batch)] == [1.5, 1.5]
        assert [str(reason) for reason in recordings.skips.reasons()] == [
            "2 lines: resourceSpans, not metrics",
            "1 line: resourceLogs, not metrics",
            "1 line: resourceProfiles, not metrics",
        ]
        assert not recordings.skips.lost


PRINTED = {
    "one request": json.dumps(request(GOOD), indent=2),
    "several behind each other": "\n".join(
        json.dumps(request({"asDouble": number}), indent=2) for number in (1.5, 2.5)
    ),
    "an array": json.dumps([request(GOOD), request({"asDouble": 2.5})], indent=2),
    "an array on one line": json.dumps([request(GOOD), request({"asDouble": 2.5})]),
    "an array of lines": "[" + ",\n".join(json.dumps(request({"asDouble": number})) for number in (1.5, 2.5)) + "]",
}


@pytest.mark.parametrize("case", PRINTED)
def test_files_printed_for_people_are_read_and_name_their_own_lines(tmp_path: Path, case: str) -> None:
    (tmp_path / "r").write_text(PRINTED[case])
    with Recordings((str(tmp_path / "r"),)) as recordings:
        wanted = [1.5] if case == "one request" else [1.5, 2.5]
        assert [value for batch in recordings.batches() for value in values(batch)] == wanted
    text = PRINTED[case].replace("asDouble", "asDuoble")
    (tmp_path / "r").write_text(text)
    at = text.index('"timeUnixNano"')
    line = text.count("\n", 0, at)
    with Recordings((str(tmp_path / "r"),)) as recordings, pytest.raises(SourceError) as failure:
        list(recordings.batches())
    assert f"r, line {line if ' ' * 8 in text else line + 1}, column " in failure.value.message


def test_a_broken_first_line_is_skipped_alone(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('Metrics":[]}]}\n'.join(["{", json.dumps(request(GOOD)) + "\n"]))
    with Recordings((str(tmp_path / "r"),), skip_broken=True) as recordings:
        assert [value for batch in recordings.batches() for value in values(batch)] == [1.5]
        assert recordings.skips.broken == 1


def test_of_an_array_of_gateway_records_the_broken_ones_are_counted(tmp_path: Path) -> None:
    record = {"timestamp": "2025-03-05T16:03:20Z", "attributes": {"metadata": {"latency": 5}}}
    records = [record, {**record, "timestamp": "yesterday"}, {**record, "timestamp": "1969-12-31T00:00:00Z"}, record]
    (tmp_path / "r").write_text(json.dumps(records))
    with Recordings((str(tmp_path / "r"),), skip_broken=True) as recordings:
        assert [value for batch in recordings.batches() for value in values(batch)] == [1, 2]
        assert recordings.skips.broken == 2
        assert "column" in recordings.skips.examples[1]


OFFICIAL = {
    otlp_messages.ResourceMetrics: metrics_pb2.ResourceMetrics,
    otlp_messages.ScopeMetrics: metrics_pb2.ScopeMetrics,
    otlp_messages.Metric: metrics_pb2.Metric,
    otlp_messages.Gauges: metrics_pb2.Gauge,
    otlp_messages.Sums: metrics_pb2.Sum,
    otlp_messages.Histograms: metrics_pb2.Histogram,
    otlp_messages.Exponentials: metrics_pb2.ExponentialHistogram,
    otlp_messages.Summaries: metrics_pb2.Summary,
    otlp_messages.Point: metrics_pb2.NumberDataPoint,
    otlp_messages.Histogram: metrics_pb2.HistogramDataPoint,
    otlp_messages.Exponential: metrics_pb2.ExponentialHistogramDataPoint,
    otlp_messages.Summary: metrics_pb2.SummaryDataPoint,
    otlp_messages.Exemplar: metrics_pb2.Exemplar,
    otlp_messages.Pair: common_pb2.KeyValue,
    otlp_messages.AnyValue: common_pb2.AnyValue,
    otlp_messages.Scope: common_pb2.InstrumentationScope,
    otlp_messages.Resource: resource_pb2.Resource,
}


@pytest.mark.parametrize("message", OFFICIAL, ids=lambda message: message.__name__)
def test_every_member_of_otlp_is_known(message: Any) -> None:
    official = {field.json_name for field in OFFICIAL[message].DESCRIPTOR.fields if "Strindex" not in field.json_name}
    assert set(message.__struct_fields__) == official


@pytest.mark.parametrize("size", range(12, 300))
def test_a_request_in_protobuf_is_known_whatever_its_length_looks_like(tmp_path: Path, size: int) -> None:
    """35 bytes behind a line feed look like a comment, 65 to 122 like a metric's name, 123 like JSON."""
    message = ParseDict(request(GOOD, name="m"), ExportMetricsServiceRequest())
    message.resource_metrics[0].scope_metrics[0].metrics[0].description = "d" * size
    file = tmp_path / "r.pb"
    file.write_bytes(message.SerializeToString())
    assert [values(batch) for batch in Recordings((str(file),)).batches()] == [[1.5]]


@pytest.mark.parametrize("begin", [b"\n", b"\n\n\n", b"\n#\n\n", b"\n# HELP a b\n", b" \n\t\n"])
def test_a_page_that_begins_with_blank_lines_is_none(tmp_path: Path, begin: bytes) -> None:
    file = tmp_path / "p.prom"
    file.write_bytes(begin + b"a 1.5\n")
    assert [values(batch) for batch in Recordings((str(file),), now=TIME).batches() if batch][-1] == [1.5]


def test_a_gauge_beside_a_summary_of_its_name_is_no_part_of_it() -> None:
    summary = request({"count": "1", "sum": 2.0, "quantileValues": [{"quantile": 0.5, "value": 1.0}]}, kind="summary")
    metrics = summary["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    metrics += request(GOOD)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    protobuf = ParseDict(summary, ExportMetricsServiceRequest()).SerializeToString()
    for parts in (
        OtlpJsonReader("r", 0).line(json.dumps(summary).encode(), 1),
        OtlpProtobuf("r", 0).message(protobuf, 1),
    ):
        gauges = [part for part in parts if part.head.name == "m"]
        assert [(bool(part.head.metadata), values([part])) for part in gauges] == [(True, [1.0]), (False, [1.5])]


def test_older_and_foreign_fields_of_a_request_in_protobuf_are_broken_by_number() -> None:
    message = ParseDict(request(GOOD), ExportMetricsServiceRequest())
    inner = message.resource_metrics[0].scope_metrics[0].SerializeToString()
    older = b"\xc2\x3e" + bytes([len(inner)]) + inner
    with pytest.raises(SourceError, match="field 1000, instrumentationLibraryMetrics"):
        OtlpProtobuf("r", 0).message(b"\x0a" + bytes([len(older)]) + older, 1)
    with pytest.raises(SourceError, match=r"resourceMetrics \(1\)"):
        OtlpProtobuf("r", 0).message(b"\x12" + bytes([len(inner)]) + inner, 1)


@pytest.mark.parametrize("kind", ["gauge", "histogram", "summary"])
def test_a_key_that_stands_twice_in_a_point_is_counted(kind: str) -> None:
    """Line after line: a line of a known shape is counted as well."""
    pairs = [{"key": "a", "value": {"stringValue": text}} for text in "xy"]
    value: Any = GOOD if kind == "gauge" else {"count": "0"}
    given = request({**value, "attributes": pairs}, {**value, "attributes": pairs[:1]}, kind=kind)
    decoder, skips = OtlpJsonReader("r", 0, Skips()), Skips()
    for number in range(5):
        text = json.dumps(given, separators=(",", ":")).replace(str(TIME), str(TIME + number))
        points = [point for part in decoder.line(text.encode(), number) for point in part.points]
        assert points[0].attributes == {"a": "y"}
    protobuf = OtlpProtobuf("r", 0, skips)
    protobuf.message(ParseDict(given, ExportMetricsServiceRequest()).SerializeToString(), 1)
    assert [dict(decoder.skips.doubts), dict(skips.doubts)] == [{REPEATED_KEY: 5}, {REPEATED_KEY: 1}]
