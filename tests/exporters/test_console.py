"""The console exporter: one line per point for people, or OTLP JSON lines, through the same core as the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.exporters.console import ConsoleExporter, ConsoleSettings
from magictel.model.events import SendFinished
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.sources.sample import sample

RUN = sample("0123456789ab", 1_764_000_000.5)


def delivered(
    capsys: pytest.CaptureFixture[str], data: MetricsData = RUN.data, **settings: str
) -> tuple[list[str], list[str]]:
    exporter = ConsoleExporter(ConsoleSettings(**settings))  # type: ignore[arg-type]
    receipt = exporter.deliver(data)
    exporter.shutdown(0)
    assert receipt.delivered == receipt.sent
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


def test_every_point_is_a_line_for_people_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = delivered(capsys)
    assert out == []
    assert len(err) == 12
    assert err[0].startswith("2025-11-24T16:00:00.500Z magictel.sample.requests{magictel.run.id=0123456789ab,")
    assert err[0].endswith("} 3 {request}  sum cumulative monotonic")
    assert "zone=größe-ä-東京-α" in err[1]
    assert (
        "count=14 sum=18.75 min=0.125 max=6.5 [≤0.25:4 ≤0.5:5 ≤1:0 ≤2.5:3 ≤5:1 >:1] s  histogram cumulative" in err[8]
    )
    assert "scale=1 zero=2" in err[10]


def test_as_otlp_json_it_is_one_request_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = delivered(capsys, format="otlp-json", stream="stdout")
    assert err == []
    [request] = map(json.loads, out)
    metrics = request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    assert [metric["name"] for metric in metrics][:2] == ["magictel.sample.requests", "magictel.sample.cost"]


def test_text_that_would_break_the_line_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    point = NumberDataPoint({"a": "x\ny\x1b[31m", "half": "\ud800"}, 0, 1, 1)
    metric = Metric("m", "", "", Gauge([point]))
    scope = ScopeMetrics(InstrumentationScope("s"), [metric], "")
    _, err = delivered(capsys, MetricsData([ResourceMetrics(Resource({}), [scope], "")]))
    [shown] = err
    assert r"a=x\ny\x1b[31m, half=\ud800" in shown


def test_a_terminal_cannot_be_asked_so_the_sample_is_unverified() -> None:
    job = Job("c", "console", lambda: ConsoleExporter(ConsoleSettings()))
    *_, last = send([job], SendOptions())
    assert isinstance(last, SendFinished)
    assert (last.results[0].outcome, last.results[0].receipt.delivered) == ("unverified", 12)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_stream_is_one_clear_verdict_and_no_traceback(stream: str) -> None:
    program = f"""
        import sys
        from magictel.exporters.console import ConsoleExporter, ConsoleSettings
        from magictel.sources.sample import sample
        other = sys.stderr if {stream!r} == "stdout" else sys.stdout
        exporter = ConsoleExporter(ConsoleSettings(stream={stream!r}))
        getattr(sys, {stream!r}).close()
        receipt = exporter.deliver(sample("0123456789ab", 1.0).data)
        exporter.shutdown(0)
        print(receipt.dropped, receipt.reasons[0].code, file=other, flush=True)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ},
    )
    assert (done.stderr if stream == "stdout" else done.stdout).split() == ["12", "console.closed"]


def test_a_pipe_that_is_closed_is_one_clear_verdict() -> None:
    program = """
        import sys
        from magictel.exporters.console import ConsoleExporter, ConsoleSettings
        from magictel.sources.sample import sample
        sys.stdin.read()
        exporter = ConsoleExporter(ConsoleSettings(stream="stdout"))
        receipt = exporter.deliver(sample("0123456789ab", 1.0).data)
        print(receipt.dropped, receipt.reasons[0].code, file=sys.stderr, flush=True)
        import os
        os._exit(0)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdin
        assert running.stdout
        assert running.stderr
        running.stdout.close()
        running.stdin.close()
        assert running.stderr.read().split() == ["12", "console.closed"]
        running.wait(timeout=300)


def test_a_program_started_without_the_stream_is_told_that_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    exporter = ConsoleExporter(ConsoleSettings())
    receipt = exporter.deliver(RUN.data)
    exporter.shutdown(0)
    assert (receipt.dropped, receipt.reasons[0].code) == (12, "console.closed")


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_is_written_in_whole_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, written = os.pipe()
    with os.fdopen(written, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        exporter = ConsoleExporter(ConsoleSettings(outbox_points=10**6))
        for _ in range(60):  # a pipe holds 64 KiB
            receipt = exporter.deliver(RUN.data, seconds=0.3)
            if receipt.dropped:
                break
        exporter.shutdown(0)
        monkeypatch.undo()
        os.set_blocking(read, False)
        shown = os.read(read, 10**6)
        os.close(read)
    assert (receipt.dropped, receipt.reasons[0].code) == (12, "console.stuck")
    assert shown.endswith(b"\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_what_could_not_be_shown_does_not_come_out_later_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        exporter = ConsoleExporter(ConsoleSettings())
        receipt = exporter.deliver(RUN.data)
        exporter.shutdown(0)
        monkeypatch.undo()
        stream.flush()  # nothing is left in it
    assert (receipt.dropped, receipt.reasons[0].code) == (12, "console.closed")
