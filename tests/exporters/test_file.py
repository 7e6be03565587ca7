"""The file exporter: lines as the Collector's, whole or not at all, read back and compared."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Exemplar
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

from magictel.errors import WireError
from magictel.exporters.file import FileExporter, FileReadBack, FileSettings
from magictel.formats.otlp.json_lines import OtlpJsonEncoder, line
from magictel.model.events import SendFinished
from magictel.model.finding import Rung, Status
from magictel.model.metrics import Series, groups
from magictel.operations.clean import clean
from magictel.operations.dry_run import dry_run
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.sources.sample import sample
from magictel.transports.file import append

EXAMPLES = Path(__file__).parents[3] / "shared/data/otlp-file-exporter/metrics.jsonl"
RESOURCE, SCOPE = Resource({"service.name": "shop"}), InstrumentationScope("lib", "1")


def job(path: Path, **more: Any) -> Job:
    return Job("f", "file", lambda: FileExporter(FileSettings(path=str(path), **more), target="f"))


def result(path: Path, **options: Any) -> Any:
    *_, last = send([job(path)], SendOptions(**options))
    assert isinstance(last, SendFinished)
    return last.results[0]


def one_line(data: MetricsData) -> bytes:
    encoder = OtlpJsonEncoder()
    items = [
        encoder.encode(Series(group.stream, point.attributes or {}), point)
        for group in groups(data)
        for point in group.points
    ]
    return line([item for item in items if isinstance(item, bytes)])


def official(line: bytes) -> Any:
    """The line as Google's JSON parser and OpenTelemetry's own classes read it."""
    pytest.importorskip("opentelemetry.proto", reason="pip install opentelemetry-exporter-otlp-proto-http")
    from google.protobuf import json_format
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    return json_format.Parse(line, ExportMetricsServiceRequest())


def reference(data: MetricsData) -> Any:
    """What OpenTelemetry's own encoder makes of it."""
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.metrics_encoder")
    return encoder.encode_metrics(data)


# ---- the bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thorough", [False, True])
def test_a_line_is_the_request_that_opentelemetrys_own_encoder_makes(thorough: bool) -> None:
    data = sample("0123456789ab", 1_764_000_000.5, thorough=thorough).data
    line = one_line(data)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert flat(official(line)) == flat(reference(data))
    assert len(official(line).resource_metrics[0].scope_metrics[0].metrics) == (11 if thorough else 6), (
        "parents are shared"
    )


values = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
plain = st.one_of(st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False))
attributes = st.dictionaries(st.text(max_size=4), st.one_of(plain, st.lists(plain, max_size=3)), max_size=3)
numbers = st.lists(
    st.builds(NumberDataPoint, attributes, st.integers(0, 9), st.integers(0, 2**63), values), min_size=1, max_size=3
)
histograms = st.lists(
    st.builds(
        HistogramDataPoint, attributes, st.just(1), st.just(2), st.integers(1, 9), st.floats(allow_nan=False),
        st.lists(st.integers(0, 9), max_size=3), st.lists(st.floats(allow_nan=False), max_size=3), st.just(0.5), st.just(1.5),
    ),
    min_size=1, max_size=2,
)  # fmt: skip
temporality = st.sampled_from([AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
metrics = st.lists(
    st.builds(
        Metric, st.text(max_size=4), st.text(max_size=4), st.text(max_size=4),
        st.one_of(
            st.builds(Gauge, numbers),
            st.builds(Sum, numbers, temporality, st.booleans()),
            st.builds(Histogram, histograms, temporality),
        ),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
scopes = st.builds(
    ScopeMetrics,
    st.builds(
        InstrumentationScope, st.sampled_from(["a", "b"]), st.sampled_from(["", "1"]), st.none(), st.just({"k": "v"})
    ),
    metrics,
    st.just(""),
)


resources = st.builds(
    ResourceMetrics,
    st.builds(Resource, st.just({"r": "1"})),
    # The reference loses all but the last of equal scopes, so they differ here.
    st.lists(scopes, min_size=1, max_size=2, unique_by=lambda scope: (scope.scope.name, scope.scope.version)),
    st.just(""),  # the reference writes the resource's own schema only
)


@given(st.lists(resources, min_size=1, max_size=1))
def test_any_collection_is_read_by_the_official_classes_as_their_own_encoder_writes_it(
    resource_metrics: list[ResourceMetrics],
) -> None:
    data = MetricsData(resource_metrics)
    line = one_line(data)
    assert flat(official(line)) == flat(reference(data))


def flat(request: Any) -> list[tuple[str, ...]]:
    """Points with all that encloses them: equal parents may stand once or twice. OpenTelemetry's encoder drops gauges' start times."""
    for metric in (metric for a in request.resource_metrics for b in a.scope_metrics for metric in b.metrics):
        for point in metric.gauge.data_points:
            point.start_time_unix_nano = 0
    return [
        (
            str(resource_metrics.resource), resource_metrics.schema_url, str(scope_metrics.scope), scope_metrics.schema_url,
            metric.name, metric.unit, metric.description, metric.WhichOneof("data"), str(point),
        )
        for resource_metrics in request.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]  # fmt: skip


def collection(*points: Any) -> MetricsData:
    metric = Metric("m", "", "", Gauge(list(points)))
    return MetricsData([ResourceMetrics(RESOURCE, [ScopeMetrics(SCOPE, [metric], "")], "")])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 1e300, 2**53 + 1, -(2**63)])
def test_every_number_survives(value: float) -> None:
    [point] = (
        official(one_line(collection(NumberDataPoint({}, 0, 1, value))))
        .resource_metrics[0]
        .scope_metrics[0]
        .metrics[0]
        .gauge.data_points
    )
    seen = point.as_int if isinstance(value, int) else point.as_double
    assert repr(seen) == repr(value)


def test_an_exemplar_and_its_trace_are_written() -> None:
    exemplar = Exemplar({"k": "v"}, 1.5, 7, 0xABC, 0xDEF)
    request = json.loads(one_line(collection(NumberDataPoint({}, 0, 1, 2.0, [exemplar]))))
    [point] = request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"]
    assert point["exemplars"] == [
        {
            "filteredAttributes": [{"key": "k", "value": {"stringValue": "v"}}],
            "timeUnixNano": "7",
            "asDouble": 1.5,
            "spanId": "0000000000000abc",  # OTLP's JSON has ids in hex, unlike protobuf's
            "traceId": "00000000000000000000000000000def",
        }
    ]


def test_awkward_text_makes_no_second_line_and_is_read_back() -> None:
    awkward = {
        "a\nb": "c\x00d\r\n",
        "quote": '"\\',
        "half": "x\ud800",
        "bytes": b"\xff",
        "none": None,
        "map": {"k": [1, "z"]},
    }
    line = one_line(collection(NumberDataPoint(awkward, 0, 1, 1)))
    assert line.count(b"\n") == 1
    assert b"\x00" not in line
    official(line)


def test_schema_urls_are_written_where_they_belong() -> None:
    metric = Metric("m", "", "", Gauge([NumberDataPoint({}, 0, 1, 1)]))
    data = MetricsData([ResourceMetrics(RESOURCE, [ScopeMetrics(SCOPE, [metric], "http://scope")], "http://resource")])
    request = official(one_line(data))
    assert request.resource_metrics[0].schema_url == "http://resource"
    assert request.resource_metrics[0].scope_metrics[0].schema_url == "http://scope"


def test_an_integer_beyond_64_bits_is_withheld() -> None:
    exporter = FileExporter(FileSettings(path=os.devnull))
    receipt = exporter.deliver(collection(NumberDataPoint({}, 0, 1, 2**63), NumberDataPoint({}, 0, 1, 1)))
    assert (receipt.withheld, receipt.delivered, receipt.reasons[0].code) == (1, 1, "otlp.number")
    exporter.shutdown(0)


def test_the_lines_have_the_form_of_the_collectors_examples() -> None:
    if not EXAMPLES.exists():
        pytest.skip(f"the Collector's examples are not here: {EXAMPLES}")
    for example in EXAMPLES.read_bytes().splitlines(keepends=True):
        request = official(example)
        points = [
            NumberDataPoint(
                {"label-1": "label-value-1"}, point.start_time_unix_nano, point.time_unix_nano, point.as_int
            )
            for point in request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[:1]
        ]
        metric = Metric("counter-int", "", "1", Sum(points, AggregationTemporality.CUMULATIVE, True))
        resource = Resource({"resource-attr": "resource-attr-val-1"})
        scope = InstrumentationScope("")
        ours = json.loads(one_line(MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, [metric], "")], "")])))
        theirs = json.loads(example)
        for holder in theirs["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
            holder["sum"]["dataPoints"] = holder["sum"]["dataPoints"][:1]
        del theirs["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][1:]
        assert ours == theirs


# ---- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thorough", [False, True])
def test_the_sample_is_written_read_back_and_equal_without_any_loss(tmp_path: Path, thorough: bool) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("somebody else's line\n")
    sent = result(path, thorough=thorough)
    assert (sent.outcome, sent.receipt.withheld) == ("verified", 0)
    assert sent.verification.found == (17 if thorough else 12)
    assert sent.verification.differences == ()
    first, *ours = path.read_bytes().splitlines()
    assert first == b"somebody else's line"
    assert len(ours) == 1


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"asDouble":21.5', '"asDouble":21.500000000000004', "value"),
        ('"bucketCounts":["4","5"', '"bucketCounts":["5","4"', "bucket_counts"),
        ('"asInt":"3"', '"asDouble":3.0', "value"),
        ('"unit":"Cel"', '"unit":"K"', "unit"),
        ('{"intValue":"1"}', '{"stringValue":"1"}', "attributes.shard"),
        ('"scale":1,', '"scale":2,', "scale"),
        ('"aggregationTemporality":2', '"aggregationTemporality":1', "temporality"),
    ],
)
def test_a_line_that_was_changed_is_altered(tmp_path: Path, old: str, new: str, field: str) -> None:
    path = tmp_path / "m.jsonl"

    class Reading(FileReadBack):
        def seen(self, query: Any) -> Any:
            text = path.read_text()
            assert old in text or new in text  # a send looks twice before it calls a point altered
            path.write_text(text.replace(old, new))
            return super().seen(query)

    class Changed(FileExporter):
        ReadBack = Reading

    job = Job("f", "file", lambda: Changed(FileSettings(path=str(path))))
    *_, last = send([job], SendOptions(within=0.1))
    assert isinstance(last, SendFinished)
    assert last.results[0].outcome == "altered"
    verification = last.results[0].verification
    assert verification is not None
    assert {difference.field for difference in verification.differences} == {field}


def test_a_dry_run_shows_the_line_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    [planned] = dry_run(job(path), sample("0123456789ab", 1_764_000_000.0)).requests
    assert json.loads(planned.body)["resourceMetrics"]
    assert not path.exists()


def test_lines_are_never_deleted(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    result(path, run_id="feedc0ffee00")
    cleaned = clean(job(path), "feedc0ffee00", say=lambda *_: None)
    assert cleaned.trouble is not None
    assert cleaned.trouble.code == "verify.no-clean"
    assert path.read_bytes()


@pytest.mark.parametrize(
    ("name", "code", "rung"),
    [
        ("missing/m.jsonl", "file.no-directory", Rung.WRITE),
        ("plain/m.jsonl", "file.no-directory", Rung.WRITE),
        ("folder", "file.is-directory", Rung.WRITE),
    ],
)
def test_a_file_that_cannot_be_written_is_one_clear_verdict(tmp_path: Path, name: str, code: str, rung: Rung) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("")
    sent = result(tmp_path / name)
    assert (sent.outcome, sent.code, sent.receipt.dropped) == ("undelivered", code, 12)
    exporter, _ = job(tmp_path / name).config()
    assert exporter is not None
    finding = exporter.steps(1.0)[rung]()
    assert (finding.outcome, finding.code) == (Status.FAIL, code)
    assert finding.remedy
    exporter.shutdown(0)


def test_a_file_without_the_right_to_write_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("")
    path.chmod(0o400)
    program = """
        import os, sys
        from pathlib import Path
        from magictel.errors import WireError
        from magictel.transports.file import append, writable
        if os.geteuid() == 0:
            os.chmod(Path(sys.argv[1]).parent, 0o777)
            os.seteuid(65534)  # root may write everywhere
        for ask in (lambda path: append(path, b"x\\n"), writable):
            try:
                ask(Path(sys.argv[1]))
            except WireError as failure:
                print(failure.code)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), path.name],
        capture_output=True, text=True, check=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.split() == ["file.permission", "file.permission"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_clear_verdict() -> None:
    sent = result(Path("/dev/full"))
    assert (sent.outcome, sent.code, sent.receipt.dropped) == ("undelivered", "file.full", 12)


def test_a_line_that_does_not_fit_leaves_no_part_of_itself_behind(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    program = """
        import resource, sys
        from pathlib import Path
        from magictel.errors import WireError
        from magictel.transports.file import append
        path = Path(sys.argv[1])
        append(path, b"x" * 999 + b"\\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            append(path, b"y" * 9999 + b"\\n")
        except WireError as failure:
            print(failure.code)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.split() == ["file.full"]
    assert path.read_bytes() == b"x" * 999 + b"\n"


def test_a_line_that_the_disk_does_not_confirm_is_taken_back_and_written_once_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"x\n")

    def broken(number: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(WireError) as failed:
        append(path, b"y\n", sync=True)
    assert failed.value.code == "file.failed"
    assert path.read_bytes() == b"x\n"
    monkeypatch.undo()
    append(path, b"y\n", sync=True)
    assert path.read_bytes() == b"x\ny\n"


def test_a_line_somebody_died_in_is_ended_before_ours(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"resourceMetrics":[{"reso')
    sent = result(path)
    assert sent.outcome == "verified"
    broken, ours = path.read_bytes().splitlines()
    assert broken == b'{"resourceMetrics":[{"reso'
    assert json.loads(ours)


def test_two_that_append_at_once_keep_their_lines_apart(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    program = """
        import sys
        from pathlib import Path
        from magictel.transports.file import append
        for n in range(100):
            append(Path(sys.argv[1]), sys.argv[2].encode() * 5000 + b"\\n")
    """
    writers = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(path), letter]) for letter in "ab"]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0]
    lines = path.read_bytes().splitlines()
    assert sorted(set(lines)) == [b"a" * 5000, b"b" * 5000]
    assert len(lines) == 200


def test_an_error_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WireError) as failed:
        append(tmp_path / "no" / "m.jsonl", b"x\n")
    assert failed.value.code == "file.no-directory"
    assert failed.value.remedy == f"mkdir -p {tmp_path / 'no'}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_that_nobody_reads_takes_nothing_and_one_that_is_read_takes_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    alone = result(path)
    assert (alone.outcome, alone.code, alone.receipt.dropped) == ("undelivered", "file.failed", 12)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # fsync of a pipe is an error: what was written by then must not count as undelivered.
        exporter = FileExporter(FileSettings(path=str(path), sync=True))
        receipt = exporter.deliver(sample("0123456789ab", 1_764_000_000.0).data)
        exporter.shutdown(0)
        assert (receipt.delivered, receipt.reasons) == (12, ())
        assert json.loads(os.read(reader, 100_000))["resourceMetrics"]
    finally:
        os.close(reader)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_whose_reader_sleeps_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(WireError) as failed:
            append(path, b"x\n" * 100_000, seconds=0.05)
    finally:
        os.close(reader)
    assert (failed.value.code, failed.value.message) == ("file.failed", f"no process reads {path}")


def test_a_folder_that_may_not_be_looked_into_is_no_bug_of_ours(tmp_path: Path) -> None:
    sent = result(tmp_path / ("x" * 300))  # as root, the one way to make a look at the path fail
    assert (sent.outcome, sent.code, sent.receipt.dropped) == ("undelivered", "file.failed", 12)


def test_what_stood_at_the_path_when_it_could_not_be_written_hides_no_line_later(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.mkdir()
    exporter = FileExporter(FileSettings(path=str(path)))
    data = sample("0123456789ab", 1_764_000_000.0).data
    assert exporter.deliver(data).dropped == 12
    path.rmdir()
    again = FileExporter(FileSettings(path=str(path)))
    assert again.deliver(data).delivered == 12
    series, point = next((Series(g.stream, p.attributes or {}), p) for g in groups(data) for p in g.points)
    wanted = exporter.readback.identify(series, point)
    assert wanted is not None
    points = exporter.readback.find([wanted])
    assert [point.key for point in points] == [wanted.key]  # type: ignore[union-attr]
    for writer in (exporter, again):
        writer.shutdown(0)
