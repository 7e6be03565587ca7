"""Every format means the same points as its reference reader says: protobuf's own classes, and pages written by hand."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from magictel.model.metrics import Kind
from magictel.sources.batching import Gathering, Part, SeriesCount
from magictel.sources.errors import SourceError
from magictel.sources.lines import lines
from magictel.sources.otlp_json import OtlpJsonReader
from magictel.sources.otlp_protobuf import OtlpProtobuf, messages
from magictel.sources.recording import Recordings
from magictel.sources.times import times

SHARED = Path(__file__).parents[3] / "shared" / "data"
EXAMPLES = ["opentelemetry-proto/metrics.json"]
SUMMARY = """{"resourceMetrics":[{"resource":{"attributes":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":"-7"},
{"kvlistValue":{"values":[{"key":"b","value":{"bytesValue":"AQI="}}]}}]}}}]},"schemaUrl":"r","scopeMetrics":[{"scope":{"name":"s",
"version":"1"},"schemaUrl":"x","metrics":[{"name":"su","unit":"s","summary":{"dataPoints":[{"attributes":[{"key":"k","value":
{"boolValue":true}}],"startTimeUnixNano":"5","timeUnixNano":"1700000000000000000","count":"9","sum":4.5,"quantileValues":[{"quantile":
0.5,"value":1.5},{"quantile":0.99,"value":2}]}]}},{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"1700000000000000001","asInt":
"-3","exemplars":[{"timeUnixNano":"7","asDouble":2,"spanId":"0000000000000001","traceId":"00000000000000000000000000000002"}]},
{"timeUnixNano":"1700000000000000001","flags":1},{"timeUnixNano":"1700000000000000002","asDouble":"NaN"}]}}]}]}]}"""


def plain_values(parts: list[Part]) -> list[Any]:
    """Parts in plain values; NaN equal to itself."""
    return [
        (
            *part.head[4:],
            dict(part.head.resource.attributes),
            part.head.resource_schema_url,
            part.head.scope.name,
            part.head.scope.version,
            part.head.scope_schema_url,
            [repr(point).replace("exemplars=()", "exemplars=[]") for point in part.points],
        )
        for part in parts
        if part.points
    ]


def as_protobuf(text: str) -> bytes:
    # json_format reads identifiers as base64; OTLP writes them in hex.
    fixed = text.replace('"0000000000000001"', '"AAAAAAAAAAE="')
    fixed = fixed.replace('"00000000000000000000000000000002"', '"AAAAAAAAAAAAAAAAAAAAAg=="')
    return Parse(fixed, ExportMetricsServiceRequest()).SerializeToString()


def texts() -> list[str]:
    lines = [SUMMARY.replace("\n", "")]
    lines.extend((SHARED / name).read_text() for name in EXAMPLES if (SHARED / name).exists())
    return lines


@pytest.mark.parametrize("number", range(2))
def test_protobuf_and_json_mean_the_same(number: int) -> None:
    if number >= len(texts()):
        pytest.skip("the examples of opentelemetry-proto are not here")
    text = texts()[number]
    json_decoder, protobuf = OtlpJsonReader("j", 1000), OtlpProtobuf("p", 1000)
    assert plain_values(json_decoder.line(text.encode(), 1)) == plain_values(protobuf.message(as_protobuf(text), 1))
    assert json_decoder.skips.ended == protobuf.skips.ended == (1 if number == 0 else 0)


def test_a_summary_is_two_sums_and_a_gauge_for_each_quantile() -> None:
    parts = [part for part in OtlpJsonReader("j").line(SUMMARY.replace("\n", "").encode(), 1) if part.points]
    assert [(part.head.name, part.head.kind, part.head.monotonic) for part in parts[:3]] == [
        ("su_count", Kind.SUM, True),
        ("su_sum", Kind.SUM, True),
        ("su", Kind.GAUGE, False),
    ]
    assert [point.value for part in parts[:3] for point in part.points] == [9, 4.5, 1.5, 2.0]  # type: ignore[union-attr]
    assert [point.attributes["quantile"] for point in parts[2].points] == ["0.5", "0.99"]  # type: ignore[index]


def test_attributes_that_come_again_are_the_same_objects() -> None:
    decoder = OtlpJsonReader("j")
    text = SUMMARY.replace("\n", "").encode()
    first, second = decoder.line(text, 1), decoder.line(text, 2)
    assert first[0].points[0].attributes is second[0].points[0].attributes
    assert first[0].head is second[0].head


def test_framed_protobuf_is_read_whatever_the_blocks() -> None:
    raw = as_protobuf(SUMMARY.replace("\n", ""))
    framed = (len(raw).to_bytes(4, "big") + raw) * 3
    for size in (1, 3, 7, len(raw), len(framed)):
        blocks = [framed[at : at + size] for at in range(0, len(framed), size)]
        assert list(messages("p", blocks)) == [raw] * 3


def test_times_are_found_without_decoding() -> None:
    text = SUMMARY.replace("\n", "").encode()
    decoded = [point.time_unix_nano for part in OtlpJsonReader("j").line(text, 1) for point in part.points]
    line = b'{"timeUnixNano":"1700000000000000000"},{"startTimeUnixNano":"5","timeUnixNano": 1700000000000000009}'
    assert times(line) == (1_700_000_000_000_000_000, 1_700_000_000_000_000_009)
    members = b'{"timeUnixNano":"1700000000000000005"},{"timeUnixNano":"1700000000000000005"}'
    assert times(members) == (1_700_000_000_000_000_005,) * 2
    assert times(members + b',{"timeUnixNano":1700000000000000004}') == (
        1_700_000_000_000_000_004,
        1_700_000_000_000_000_005,
    )
    assert times(b'{"timeUnixNano":"0"}') is None
    assert times(b"{}") is None
    assert max(decoded) == (times(text) or (0, 0))[1]


def page(tmp_path: Path, text: str, shift: int = 0) -> list[Part]:
    path = tmp_path / "page"
    path.write_text(text)
    os.utime(path, (1_700_000_000.5, 1_700_000_000.5))
    with Recordings((str(path),), now=1_800_000_000_000_000_000) as recordings:
        return [part for batch in recordings.batches(shift) for part in batch]


def rows(parts: list[Part]) -> list[tuple[Any, ...]]:
    return [
        (part.head.name, part.head.kind.value, dict(point.attributes or {}), point.value, point.time_unix_nano)  # type: ignore[union-attr]
        for part in parts
        for point in part.points
    ]


def test_a_page_of_prometheus(tmp_path: Path) -> None:
    content = page(
        tmp_path,
        "# a comment\n# HELP http_requests_total Served,\\nall.\n# TYPE http_requests_total counter\n"
        'http_requests_total{method="post",path="a\\"}\\n\\\\"} 3 1700000001000\n'
        "http_requests_total 1.5e3\n\nnothing_said NaN\n# TYPE u untyped\nu -Inf\n"
        '{"dotted.name", "a.b"="c"} 2\n',
    )
    newest = 1_700_000_001_000_000_000
    parsed = rows(content)
    assert parsed[0] == (
        "http_requests_total", "sum", {"method": "post", "path": 'a"}\n\\'}, 3.0, 1_700_000_001_000_000_000
    )  # fmt: skip
    assert parsed[1] == ("http_requests_total", "sum", {}, 1500.0, newest)
    assert parsed[2][:2] == ("nothing_said", "gauge")
    assert math.isnan(parsed[2][3])
    assert parsed[3] == ("u", "gauge", {}, -math.inf, newest)
    assert parsed[4] == ("dotted.name", "gauge", {"a.b": "c"}, 2.0, newest)
    assert content[0].head.description == "Served,\nall."
    assert content[0].head.temporality == "cumulative"


def test_a_page_of_openmetrics(tmp_path: Path) -> None:
    content = page(
        tmp_path,
        "# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n"
        't_seconds_bucket{le="0.5"} 2 1700000002.25 # {trace_id="a"} 0.3\nt_seconds_bucket{le="+Inf"} 5 1700000002.25\n'
        "t_seconds_sum 7.5 1700000002.25\nt_seconds_count 5 1700000002.25\nt_seconds_created 1699999999.5\n"
        '# TYPE q summary\nq{quantile="0.5"} 1\nq_sum 3\nq_count 2\n# TYPE i info\ni_info{v="1"} 1\n# EOF\n',
        shift=1_000,
    )
    (histogram,) = content[0].points
    assert content[0].head.unit == "seconds"
    assert (histogram.bucket_counts, histogram.explicit_bounds) == ([2, 3], [0.5])  # type: ignore[union-attr]
    assert (histogram.count, histogram.sum) == (5, 7.5)  # type: ignore[union-attr]
    assert histogram.time_unix_nano == 1_700_000_002_250_001_000
    assert histogram.start_time_unix_nano == 1_699_999_999_500_001_000
    assert [(row[0], row[1], row[2], row[3]) for row in rows(content[1:])] == [
        ("q", "gauge", {"quantile": "0.5"}, 1.0),
        ("q_sum", "sum", {}, 3.0),
        ("q_count", "sum", {}, 2.0),
        ("i_info", "gauge", {"v": "1"}, 1.0),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a{b} 1", "line 2, column 4: expected a label's value in quotes"),
        ('a{b="c" d} 1', "line 2, column 7: expected , or }"),
        ("a{b=", "line 2, column 5: expected } after the labels"),
        ("a x", "line 2, column 3: expected a number, got 'x'"),
        ("a 1 2 3", "line 2, column 7: expected the line's end"),
        ("a", "line 2, column 2: expected a value"),
        ("a 1 soon", "line 2, column 5: expected a time"),
        ("# TYPE a thing", "line 2, column 10: expected one of the types counter, gauge, "),
        ("9 1", "line 2, column 1: expected a metric's name"),
    ],
)
def test_a_broken_line_of_a_page_says_where_and_what_was_expected(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(SourceError) as raised:
        page(tmp_path, f"good 1\n{line}\n")
    assert message in raised.value.message


def test_both_spellings_of_a_gateway_log_are_the_same_metrics() -> None:
    folder = SHARED / "gateway-request-logs"
    if not folder.exists():
        pytest.skip("the gateway's samples are not here")
    with Recordings((str(folder / "request_logs.json"), str(folder / "es_document.json"))) as recordings:
        parts = [part for batch in recordings.batches() for part in batch]
    names = {part.head.name for part in parts}
    assert names >= {
        "http.server.request.duration",
        "http.server.request.body.size",
        "gen_ai.client.token.usage",
        "gateway.request.cost",
    }
    costs = [part for part in parts if part.head.name == "gateway.request.cost"]
    assert len(costs) == 4
    models = {cost.points[0].attributes["gen_ai.request.model"] for cost in costs}  # type: ignore[index]
    assert models == {"gpt-4-turbo", "llama-3-70b-instruct", "llama-3.1-8b-instant"}
    assert "Sample request content" not in repr(parts)
    assert "user_456" not in repr(parts)


@given(st.lists(st.binary(max_size=8), max_size=12), st.integers(1, 9))
def test_lines_have_their_numbers_whatever_the_blocks(given_lines: list[bytes], size: int) -> None:
    clean = [line.replace(b"\n", b"") for line in given_lines]
    text = b"\n".join(clean)
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    wanted = [(number, line) for number, line in enumerate(clean, 1) if line and not line.isspace()]
    assert list(lines("f", blocks)) == wanted


def test_series_are_counted_exactly_and_then_nearly(monkeypatch: pytest.MonkeyPatch) -> None:
    head = OtlpJsonReader("j").line(SUMMARY.replace("\n", "").encode(), 1)[0].head
    count = SeriesCount()
    for start in range(0, 300_000, 1_000):
        keys = [hash(str(number)) for number in range(start, start + 1_000)]
        count.add(head, keys)
        count.add(head, keys)
        if start == 50_000:
            assert count.value == 51_000
    assert count.value == pytest.approx(300_000, rel=0.01)


def test_a_series_of_several_files_is_one_and_one_of_another_resource_is_another(tmp_path: Path) -> None:
    for name in ("a.prom", "b.prom"):
        (tmp_path / name).write_text('up{job="x"} 1\nup{job="y"} 0\n')
    metric = {"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": "1700000000000000000", "asInt": "1"}]}}
    for name, pod in (("c.jsonl", "a"), ("d.jsonl", "b"), ("e.jsonl", "a")):
        resource = {"attributes": [{"key": "pod", "value": {"stringValue": pod}}]}
        line = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}
        (tmp_path / name).write_text(json.dumps(line) + "\n")
    gathering = Gathering()
    with Recordings(
        [str(tmp_path / name) for name in ("a.prom", "b.prom", "c.jsonl", "d.jsonl", "e.jsonl")]
    ) as recordings:
        points = sum(piece.points for piece in gathering.slices(recordings.batches(0)))
    assert (points, gathering.series.value) == (7, 4)


@pytest.mark.parametrize("exemplar", [1_600_000_000_000_000_000, 1_700_000_000_000_000_005, 1_800_000_000_000_000_000])
def test_the_times_of_a_recording_are_its_points_and_not_its_exemplars(tmp_path: Path, exemplar: int) -> None:
    def line(time: int, more: str = "") -> str:
        point = f'{{"timeUnixNano":"{time}","asDouble":1{more}}}'
        return f'{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{point}]}}}}]}}]}}]}}\n'

    with_exemplar = line(1_700_000_000_000_000_005, f',"exemplars":[{{"timeUnixNano":"{exemplar}","asDouble":2}}]')
    path = tmp_path / "recording.jsonl"
    path.write_text(line(1_700_000_000_000_000_001) + with_exemplar + line(1_700_000_000_000_000_009))
    with Recordings((str(path),)) as recordings:
        span = recordings.span()
    assert (span.oldest, span.newest) == (1_700_000_000_000_000_001, 1_700_000_000_000_000_009)
