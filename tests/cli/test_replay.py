"""`magictel replay` from the command line: every format into the sandbox, and every way in which a recording can be bad."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard

from magictel import sandbox
from magictel.cli.exit_codes import Exit
from magictel.clock import SystemClock
from magictel.model.outcome import Receipt
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.replay_worker import Lane
from magictel.operations.target_run import Job
from magictel.sandbox.prometheus_remote_write import PrometheusRemoteWriteEmulator
from magictel.sources.batching import Slice
from magictel.sources.sample import new_run_id, sample
from tests.cli.running import Ran, magictel, refused, started
from tests.operations.memory import Backend, MemoryExporter

RW = "prometheus-remote-write"


def request(*values: float, name: str = "m", at: int = 1_700_000_000_000_000_000, **attributes: str) -> str:
    """One line: a gauge with a point for each value, a second apart."""
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    points = [
        {
            "attributes": [*pairs, {"key": "n", "value": {"intValue": str(number)}}],
            "timeUnixNano": str(at),
            "asDouble": value,
        }
        for number, value in enumerate(values)
    ]
    metric = {"name": name, "gauge": {"dataPoints": points}}
    return json.dumps({"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"scope": {}, "metrics": [metric]}]}]})


def replayed(folder: Path, *arguments: str, to: str = RW) -> Ran:
    return magictel("replay", *arguments, "--sandbox", "--to", to, "--format", "json", folder=folder)


def to_file(folder: Path, *arguments: str, out: str = "out.jsonl") -> tuple[Ran, list[dict[str, Any]]]:
    """Replay into a file; the points that stand in it, with their metric's name."""
    ran = magictel("replay", *arguments, "--to", "file", "--set", f"path={out}", "--format", "json", folder=folder)
    path = folder / out
    lines = path.read_text().splitlines() if path.exists() else []
    return ran, [
        {"name": metric["name"], **point}
        for line in lines
        for resource in json.loads(line)["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        for kind in ("gauge", "sum", "histogram", "exponentialHistogram")
        for point in metric.get(kind, {}).get("dataPoints", ())
    ]


@pytest.mark.parametrize("shipped", ["@node", "@gateway"])
def test_what_comes_with_the_package_is_replayed_at_once(tmp_path: Path, shipped: str) -> None:
    ran = magictel("replay", shipped, "--sandbox", folder=tmp_path)
    assert ran.code == 0, ran
    assert "all 6 targets accepted" in ran.last
    assert ran.err.startswith("prometheus is left out: it is scraped, so nothing can be sent to it\nshift ")
    assert "points/s" not in ran.err + ran.out


def test_the_document_has_the_ledger_and_the_source(tmp_path: Path) -> None:
    later = request(3, 4, at=1_700_000_000_001_000_000)
    (tmp_path / "r.jsonl").write_text(request(1, 2) + "\n" + later + "\n")
    ran = replayed(tmp_path, "r.jsonl", "--no-verify")
    document = ran.document
    assert (ran.code, document["schema"], document["outcome"]) == (0, "magictel.replay/1", "accepted")
    source = document["source"]
    assert (source["files"], source["points"], source["series"], source["skipped"]) == (["r.jsonl"], 4, 2, 0)
    assert time.time() - source["shift"] == pytest.approx(1_700_000_000, abs=30)
    receipt = document["targets"][0]["receipt"]
    assert receipt["sent"] == receipt["delivered"] == 4


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_packing_is_seen_in_the_content_not_in_the_name(tmp_path: Path, pack: Any) -> None:
    (tmp_path / "r").write_bytes(pack((request(1, 2) + "\n").encode()) * 2)
    ran, points = to_file(tmp_path, "r", "--shift", "keep")
    assert ran.code == 0, ran
    assert [(point["name"], point["asDouble"], point["timeUnixNano"]) for point in points] == [
        ("m", value, "1700000000000000000") for value in (1.0, 2.0, 1.0, 2.0)
    ]


def test_now_puts_the_newest_point_at_the_moment_of_sending_and_never_later(tmp_path: Path) -> None:
    old = 1_600_000_000_000_000_000
    (tmp_path / "r").write_text(request(1, at=old) + "\n" + request(2, at=old + 5_000_000_000) + "\n")
    before = time.time_ns()
    _, points = to_file(tmp_path, "r")
    first, last = (int(point["timeUnixNano"]) for point in points)
    assert before - 1_000_000_000 <= last <= time.time_ns()
    assert last - first == 5_000_000_000


def test_rounds_follow_each_other_and_the_last_one_lands_now(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(request(1) + "\n" + request(2, at=1_700_000_002_000_000_000) + "\n")
    ran, points = to_file(tmp_path, "r", "--loop", "3")
    times = [int(point["timeUnixNano"]) for point in points]
    assert ran.document["source"]["points"] == 6
    assert times == sorted(times)
    assert len(set(times)) == 6
    assert times[-1] <= time.time_ns()


def test_a_filter_on_names_and_attributes_leaves_the_rest_out(tmp_path: Path) -> None:
    lines = [
        request(1, name="http_a", zone="eu"),
        request(2, name="http_b", zone="us"),
        request(3, name="cpu", zone="eu"),
    ]
    (tmp_path / "r").write_text("\n".join(lines))
    ran, points = to_file(tmp_path, "r", "--filter", "name=http_*", "--filter", "zone=e?")
    assert [point["name"] for point in points] == ["http_a"]
    assert ran.document["source"]["points"] == 1


def test_from_point_goes_on_where_it_was_left(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(request(1, 2) + "\n" + request(3, 4) + "\n")
    _, points = to_file(tmp_path, "r", "--from-point", "3")
    assert [point["asDouble"] for point in points] == [4.0]


def test_a_speed_keeps_the_pace(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(request(1) + "\n" + request(2, at=1_700_000_002_000_000_000) + "\n")
    began = time.monotonic()
    ran, points = to_file(tmp_path, "r", "--speed", "10")
    assert time.monotonic() - began >= 0.2
    assert ran.code == 0
    assert [point["asDouble"] for point in points] == [1.0, 2.0]
    assert int(points[-1]["timeUnixNano"]) <= time.time_ns()


def test_standard_input_is_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shift in ("now", "keep"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(request(1, 2).encode())))
        ran, _ = to_file(tmp_path, "-", "--shift", shift)
        assert ran.code == 0, ran
        assert ran.document["targets"][0]["receipt"]["delivered"] == 2


BAD = {
    "empty": (b"", "is empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "is in none of the supported formats: OTLP JSON lines"),
    "prose": (b"hello world\n", "line 1, column 7: expected a number"),
    "a list of numbers": (b"[1, 2, 3]\n", "is in none of the supported formats"),
    "JSON that breaks off": (request(1).encode()[:-9], "line 1, column"),
    "a wrong type": (request(1).replace('"asDouble": 1', '"asDouble": "one"').encode(), "expected float"),
    "deep JSON": (b'{"resourceMetrics":[],"x":' + b"[" * 200_000, "nested too deep"),
    "no points": (b'{"resourceMetrics":[]}\n', "contains no point"),
    "a truncated gzip": (
        gzip.compress((request(*range(500)) + "\n").encode())[:-20],
        "is truncated: its gzip data",
    ),
    "a damaged gzip": (gzip.compress(request(1).encode())[:12] + b"x" * 40, "gzip data is corrupt"),
    "a truncated zstd": (
        zstandard.compress(request(*range(500)).encode())[:-20],
        "is truncated: its zstd data",
    ),
    "a damaged zstd": (zstandard.compress(request(1).encode())[:9] + b"\xff" * 40, "zstd data"),
    "a zip bomb": (gzip.compress(b"\0" * 80_000_000), "is in none of the supported formats"),
    "a zip bomb of one line": (gzip.compress(b'{"resourceMetrics":' + b" " * 80_000_000), "more than 1000 times"),
    "a zip bomb of lines": (gzip.compress(b'{"resourceMetrics":[]}\n' + b"\n" * 60_000_000), "more than 1000 times"),
    "a line without end": (b'{"resourceMetrics":' + b" " * 17_000_000, "expected the line's end within 16 MiB"),
    "half a protobuf": (b"\0\0\1\0\x0a\x05abc", "expected the rest of it"),
    "protobuf of something else": (b"\x0a\x03abc\x10\x01", "OTLP metrics request in protobuf"),
    "a bucket that shrinks": (
        b'# TYPE h histogram\nh_bucket{le="1"} 5\nh_bucket{le="+Inf"} 3\n',
        'line 3, column 21: h_bucket{le="+Inf"} is 3, less than the bucket below it',
    ),
    "labels that do not end": (b'a{b="c" 1\n', "line 1, column 10: expected } after the labels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_1_and_nothing_is_sent(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    (tmp_path / "r").write_bytes(content)
    ran = magictel("replay", "r", "--to", "file", "--set", "path=out", folder=tmp_path)
    assert ran.code == 1, ran
    assert message in ran.err.splitlines()[0]
    assert ran.err.startswith("r")
    assert ran.out == ""
    assert not (tmp_path / "out").exists()
    run = magictel("replay", "r", "--to", "file", "--format", "json", folder=tmp_path)
    assert (run.code, run.document["schema"]) == (1, "magictel.error/1")
    assert run.document["code"].startswith("source.")


def test_a_broken_line_after_a_slice_stops_with_the_ledger_so_far(tmp_path: Path) -> None:
    good = request(*range(4_500))
    (tmp_path / "r").write_text(f"{good}\n{{broken\n{good}\n")
    ran, points = to_file(tmp_path, "r")
    assert ran.code == 1
    document = ran.document
    assert document["outcome"] == "undelivered"
    assert document["targets"][0]["receipt"]["delivered"] == len(points) == 4_500
    assert document["source"]["error"]["message"].startswith("r, line 2, column 2: expected")
    assert document["from_point"] == 4_500


def test_skipped_lines_are_counted(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(f"{request(1)}\n{{broken\n{request(2)}\n[]\n")
    ran, points = to_file(tmp_path, "r", "--on-error", "skip")
    assert ran.code == 0, ran
    assert len(points) == 2
    assert ran.document["source"]["skipped"] == 2
    assert "line 2, column 2" in ran.document["source"]["examples"][0]


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 3)])
def test_skipped_lines_are_said_on_the_page_and_count_under_strict(
    tmp_path: Path, strict: tuple[str, ...], code: int
) -> None:
    (tmp_path / "r").write_text(f"{request(1)}\n{{broken\n{request(2)}\n")
    arguments = ("r", "--to", "file", "--set", "path=out", "--on-error", "skip", *strict)
    ran = magictel("replay", *arguments, folder=tmp_path)
    assert ran.code == code, ran
    assert "skipped 1     source.broken-line" in ran.out
    assert "r, line 2, column 2" in ran.out


@pytest.mark.parametrize("bad", ['"slow"', "true", "[1]"])
def test_a_gateway_record_with_a_field_of_another_kind_is_a_broken_line(tmp_path: Path, bad: str) -> None:
    text = '{"timestamp":"2025-03-05T16:03:20Z","attributes":{"metadata":{"latency":%s,"cost":0.5}}}'
    (tmp_path / "r").write_text("\n".join([text.replace("%s", number) for number in ("1", bad, "null")]) + "\n")
    ran = replayed(tmp_path, "r")
    assert (ran.code, ran.document["code"]) == (1, "source.broken-line"), ran
    assert "r, line 2, column 73: expected a number for latency" in ran.document["message"]
    again = replayed(tmp_path, "r", "--on-error", "skip")
    assert (again.code, again.document["source"]["points"], again.document["source"]["skipped"]) == (0, 3, 1)


RECORD = '{"timestamp":"2025-03-05T16:03:20Z","attributes":{"metadata":{"latency":1,"units":7}}}\n'


def test_custom_metrics_of_the_file_are_sent_and_recorded(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(RECORD)
    (tmp_path / "magictel.toml").write_text('[metrics.mine]\nkind = "counter"\nfrom = "units"\n')
    (tmp_path / "other.toml").write_text('[metrics.other]\nkind = "gauge"\nfrom = "units"\n')
    for config, name in (((), "mine"), (("--config", "other.toml"), "other")):
        ran, points = to_file(tmp_path, "r", *config, out=name)
        assert ran.code == 0, ran
        assert [point["asInt"] for point in points if point["name"] == name] == ["7"]
    assert magictel("record", "--from", "r", "--out", "recorded.jsonl", folder=tmp_path).code == 0
    assert '"name":"mine"' in (tmp_path / "recorded.jsonl").read_text()


def test_an_invalid_custom_metric_concerns_only_request_logs(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text('[metrics.mine]\nkind = "meter"\n')
    (tmp_path / "r").write_text(RECORD)
    (tmp_path / "m").write_text(request(1.0) + "\n")
    ran, _ = to_file(tmp_path, "m", out="m.out")
    assert ran.code == 0, ran
    ran, points = to_file(tmp_path, "r", out="r.out")
    assert (ran.code, ran.document["code"], points) == (Exit.UNUSABLE, "config.metric", []), ran
    (tmp_path / "m").write_text(request(*range(4_500)) + "\n")
    ran, points = to_file(tmp_path, "m", "r", "--shift", "keep", out="both.out")
    assert (ran.code, len(points), ran.document["from_point"]) == (Exit.FAILED, 4_500, 4_500), ran
    assert "metrics.mine: kind is missing or unknown" in ran.out


def test_a_gateway_record_whose_tokens_are_no_object_is_a_broken_line(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(
        '{"timestamp":"2025-03-05T16:03:20Z","attributes":{"metadata":{"cost":1,"tokens":5}}}\n'
    )
    ran = replayed(tmp_path, "r")
    assert (ran.code, ran.document["code"]) == (1, "source.broken-line"), ran
    assert "r, line 1: expected a number for tokens.input" in ran.document["message"]


def test_a_dry_run_has_no_report_and_leaves_those_there_are_alone(tmp_path: Path) -> None:
    (tmp_path / "old.xml").write_text("keep")
    ran = magictel("replay", "@node", "--to", "file", "--dry-run", "--report", "junit=old.xml", folder=tmp_path)
    assert (ran.code, (tmp_path / "old.xml").read_text()) == (2, "keep")
    assert "--dry-run has no result to report" in ran.err


def test_two_reports_do_not_share_a_file(tmp_path: Path) -> None:
    reports = ["--report", "json=a", "--report", "junit=./a"]
    ran = magictel("replay", "@node", "--to", "file", "--set", "path=out", *reports, folder=tmp_path)
    assert (ran.code, (tmp_path / "a").exists(), (tmp_path / "out").exists()) == (2, False, False)
    assert "the json report goes to the same file" in ran.err


def test_several_targets_have_a_ledger_each_and_one_that_is_down_costs_the_others_nothing(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(request(1, 2, 3) + "\n")
    dead = {"ELASTICSEARCH_URL": f"http://127.0.0.1:{refused()}"}
    ran = magictel(
        "replay", "r", "--to", "elasticsearch", "--to", "file", "--format", "json", folder=tmp_path, environment=dead
    )
    first, second = ran.document["targets"]
    assert ran.code == 1
    assert (first["code"], first["receipt"]["sent"], first["receipt"]["dropped"]) == ("net.tcp.refused", 3, 3)
    assert (second["outcome"], second["receipt"]["delivered"]) == ("accepted", 3)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("missing.jsonl",), "usage.recording"),
        (("@none",), "usage.recording"),
        (("@node", "--filter", "name"), "usage.filter"),
        (("@node", "--shift", "soon"), "usage.shift"),
        (("@node", "--shift", "-99999999999s"), "usage.shift"),
        (("@node", "--speed", "fast"), "usage.speed"),
        (("@node", "--speed", "0"), "usage.speed"),
        (("@node", "--on-error", "ignore"), "usage.on-error"),
        (("@node", "--verify", "--no-verify"), "usage.run"),
        (("@node", "--within", "9s"), "usage.run"),
        (("@node", "--dry-run", "--verify"), "usage.run"),
    ],
)
def test_wrong_usage_is_exit_2(tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
    ran = replayed(tmp_path, *arguments)
    assert (ran.code, ran.document["code"]) == (2, code)


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(request(1, 2, 3) + "\n")
    ran = magictel("replay", "r", "--to", "file", "--set", "path=out", "--dry-run", "--format", "json", folder=tmp_path)
    (target,) = ran.document["targets"]
    assert (ran.code, ran.document["schema"]) == (0, "magictel.dry-replay/1")
    assert (target["points"], target["payloads"]) == (3, 1)
    assert target["bytes"] > 100
    assert not (tmp_path / "out").exists()
    assert "3 points in 1 payload" in magictel("replay", "r", "--to", "file", "--dry-run", folder=tmp_path).out


def test_of_points_that_are_one_sample_to_prometheus_one_is_sent_and_the_others_fail_the_run(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(request(1, 2, name="disk.read") + "\n" + request(3, name="disk_read") + "\n")
    ran = replayed(tmp_path, "r", "--verify")
    (target,) = ran.document["targets"]
    assert (ran.code, ran.document["outcome"], target["code"]) == (1, "rejected", "prom.rw.collision")
    assert (target["receipt"]["delivered"], target["receipt"]["rejected"]) == (2, 1)
    assert (target["verification"]["expected"], target["verification"]["found"]) == (2, 2)
    example = target["receipt"]["reasons"][0]["example"]
    assert example.startswith("disk.read and disk_read are both disk_read: ")
    dry = replayed(tmp_path, "r", "--dry-run")
    (target,) = dry.document["targets"]
    assert (dry.code, target["points"], target["withheld"]) == (0, 2, [])
    assert [(why["code"], why["count"]) for why in target["rejected"]] == [("prom.rw.collision", 1)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_with_the_ledger_and_the_command_that_goes_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    start = 1_700_000_000_000_000_000
    lines = [request(step, at=start + step * 1_000_000_000) for step in range(200)]
    (tmp_path / "r").write_text("\n".join(lines) + "\n")
    arguments = ["replay", "r", "--to", "file", "--set", "path=out", "--speed", "10"]
    with started(*arguments, "--format", "json", folder=tmp_path) as running:
        out = tmp_path / "out"
        while not out.exists() or out.read_bytes().count(b"\n") < 3:
            time.sleep(0.05)
        running.send_signal(number)
        stdout, stderr = running.communicate(timeout=300)
    document = json.loads(stdout)
    sent = document["targets"][0]["receipt"]["sent"]
    assert running.returncode == code
    assert document["interrupted"] is True
    assert 3 <= sent == document["from_point"] < 200
    go_on = next(line for line in stderr.splitlines() if line.startswith("continue:"))
    again = shlex.split(go_on.removeprefix("continue:  magictel "))
    assert f"--from-point={sent}" in again
    assert f"--shift={document['source']['shift']:.3f}s" in again
    again[again.index("--speed") + 1] = "max"
    assert magictel(*again, folder=tmp_path).code == 0
    values = [point["asDouble"] for point in _points(out)]
    assert values == list(range(200))
    times = [int(point["timeUnixNano"]) for point in _points(out)]
    assert {after - before for before, after in itertools.pairwise(times)} == {1_000_000_000}


PATIENT = "import magictel.operations.replay as r; r._PATIENCE = 300.0; from magictel.cli.main import main; main()"
"""The command on a machine where an answer that comes soon may take minutes."""


@pytest.mark.parametrize("arrives", [True, False], ids=["the answer comes", "it does not"])
def test_an_interrupt_lets_what_is_on_the_wire_end_and_names_itself_where_it_cannot(
    tmp_path: Path, arrives: bool
) -> None:
    (tmp_path / "r").write_text("\n".join(request(*range(2_000)) for _ in range(20)) + "\n")
    seconds = 1 if arrives else 600
    with sandbox.start([RW], faults=[f"{RW}: ok, then slow {seconds} forever"]) as room:
        arguments = ["replay", "r", "--to", RW, "--format", "json", "--set", "max_batch_points=2000"]
        program = ("-c", PATIENT) if arrives else ("-m", "magictel")
        with started(
            *arguments,
            "--set",
            "timeout=300",
            "--set",
            "shutdown_timeout=300",
            folder=tmp_path,
            program=program,
            **room.environment(),
        ) as running:
            backend = room.servers[RW].emulator
            assert isinstance(backend, PrometheusRemoteWriteEmulator)
            while not backend.stored and running.poll() is None:  # then the next request is the slow one
                time.sleep(0.02)
            running.send_signal(signal.SIGINT)
            stdout, stderr = running.communicate(timeout=300)
    document = json.loads(stdout)
    receipt = document["targets"][0]["receipt"]
    assert running.returncode == 130, stderr + stdout
    assert receipt["sent"] < 40_000
    if arrives:
        assert receipt["delivered"] == receipt["sent"] == document["from_point"] > 0
        assert receipt["reasons"] == []
    else:
        (reason,) = receipt["reasons"]
        assert (reason["code"], reason["unknown"]) == ("delivery.shutdown", True)
        assert document["from_point"] < receipt["sent"]
    assert f"--from-point={document['from_point']}" in stderr


def test_a_slice_of_which_nothing_was_sent_before_an_interrupt_is_not_counted(tmp_path: Path) -> None:
    """Between the look for an interrupt and the delivery: the exporter takes nothing any more, and nothing was lost."""
    exporter = MemoryExporter(Backend())
    worker = Lane(Job("m", "memory", lambda: exporter), ReplayOptions(), SystemClock())
    deliver = worker._delivered

    def interrupted(piece: Slice) -> Receipt:
        worker._halted.set()
        exporter.shutdown(0)
        return deliver(piece)

    worker._delivered = interrupted  # type: ignore[method-assign]
    run = sample(new_run_id(), 1_795_000_000.0)
    worker.queue.put(Slice(run.data, 12, 12, 0))
    worker._work()
    assert (worker.receipt.sent, worker.settled, worker.open, worker.failure) == (0, 0, None, None)


def test_a_backend_that_goes_away_stops_its_target_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("\n".join(request(*range(4_000)) for _ in range(3)) + "\n")
    with sandbox.start([RW], faults=[f"{RW}: ok x2, then 503 forever"]) as room:
        ran = magictel(
            "replay",
            "r",
            "--to",
            RW,
            "--deadline",
            "1s",
            "--shift",
            "keep",
            "--format",
            "json",
            folder=tmp_path,
            environment=room.environment(),
        )
    (target,) = ran.document["targets"]
    receipt = target["receipt"]
    assert (ran.code, target["outcome"]) == (1, "undelivered")
    assert receipt["sent"] == receipt["delivered"] + receipt["dropped"]
    assert receipt["dropped"] > 0
    assert ran.document["from_point"] == receipt["sent"] - 4_000
    assert f"--from-point={ran.document['from_point']}" in ran.err


def _points(path: Path) -> list[dict[str, Any]]:
    return [
        point
        for line in path.read_text().splitlines()
        for resource in json.loads(line)["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        for point in metric["gauge"]["dataPoints"]
    ]
