"""Deltas on the ways of an exporter that takes only these: what its encoder leaves out, stored payloads, forks, recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictel.encoding.withheld import Withheld
from magictel.exporters.file import FileExporter, FileSettings
from magictel.http.wire import Reply
from magictel.model.events import ReplayFinished, SendFinished, SendOutcome
from magictel.model.metrics import Kind, Point, Series
from magictel.operations.dry_run import dry_replay, dry_run
from magictel.operations.replay import replay
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.sources.recording import Recordings
from magictel.sources.sample import sample
from tests.encoding.cumulative import Source
from tests.fake_clock import FakeClock
from tests.fake_transport import FakeTransport
from tests.interface.test_deltas import Adder, AdderEncoder, AdderSettings, collected
from tests.operations.memory import Backend, MemoryExporter

NOW = 1_800_000_000
SECOND = 10**9


class ChoosyEncoder(AdderEncoder):
    """Leaves out points before a time, and has a bug at another."""

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        if point.time_unix_nano < (NOW + 20) * SECOND:
            return Withheld("adder.early", "too early", series.stream.name)
        if point.time_unix_nano == (NOW + 30) * SECOND:
            raise ValueError("a bug")
        return super().encode(series, point)


class Choosy(Adder):
    Encoder = ChoosyEncoder


def adder(kind: type[Adder] = Adder) -> Adder:
    settings = AdderSettings(compression="none")
    return kind(settings, transport=FakeTransport(lambda _: Reply(204)), clock=FakeClock(NOW))


def sent(exporter: Adder) -> list[tuple[int, int]]:
    """Return time and value of the points that were sent since the last call."""
    transport = exporter.transport
    assert isinstance(transport, FakeTransport)
    lines = [json.loads(line) for request in transport.requests for line in request.body.splitlines()]
    transport.requests.clear()
    return [(time // SECOND - NOW, dict(cells).get("value", 0)) for _, time, cells in lines]


def source(*events: int) -> Source:
    return Source({"n": 0}, Kind.SUM, (NOW + 1) * SECOND, list(events))


def test_what_the_encoder_leaves_out_or_has_a_bug_with_is_in_the_next_interval() -> None:
    exporter, counter = adder(Choosy), source()
    for seconds in (10, 20, 30, 40):
        counter.events += [1] * seconds
        exporter.deliver(collected([counter], (NOW + seconds) * SECOND))
    assert sent(exporter) == [(20, 30), (40, 70)]


def test_what_an_exporter_that_is_shut_down_drops_is_not_converted() -> None:
    exporter, counter = adder(), source(1, 2)
    prepared = exporter.prepare(collected([counter], (NOW + 10) * SECOND))
    exporter.shutdown(0)
    assert exporter.deliver(prepared).dropped == 1
    assert exporter.deliver(collected([counter], (NOW + 20) * SECOND)).dropped == 1
    assert [delta.value for _, delta in exporter.prepare(collected([counter], (NOW + 30) * SECOND)).points()] == [2]


def test_stored_payloads_of_another_exporter_give_nothing_back() -> None:
    def away(_: Any) -> Reply:
        return Reply(503)

    earlier = Adder(AdderSettings(retry_budget=0.0), transport=FakeTransport(away), clock=FakeClock(NOW))
    earlier.export(collected([source(1, 2, 3)], (NOW + 10) * SECOND))
    stored = earlier.waiting
    assert [payload.payload.batch for payload in stored] == [1]
    later = Adder(
        AdderSettings(compression="none", breaker_failures=99),
        transport=FakeTransport(lambda request: Reply(503) if b"18000000100" in request.body else Reply(204)),
        clock=FakeClock(NOW),
    )
    counter = source(1)
    later.deliver(collected([counter], (NOW + 20) * SECOND))
    sent(later)
    assert later.send_stored(stored, seconds=1).dropped == 1
    sent(later)
    later.deliver(collected([counter], (NOW + 200) * SECOND))
    assert sent(later) == [(200, 0)]


def test_a_forked_child_leaves_its_parent_what_was_counted_before() -> None:
    exporter, counter = adder(), source(1, 2)
    exporter.deliver(collected([counter], (NOW + 10) * SECOND))
    exporter.clock.wait(15)
    exporter._after_fork()
    counter.events += [3]
    receipt = exporter.deliver(collected([counter], (NOW + 20) * SECOND))
    assert [reason.code for reason in receipt.reasons] == ["delivery.first-value"]
    sent(exporter)
    counter.events += [4, 5]
    exporter.deliver(collected([counter], (NOW + 30) * SECOND))
    assert sent(exporter) == [(30, 2)]


class DeltaMemory(MemoryExporter):
    temporalities = ("delta",)


class DeltaFile(FileExporter):
    temporalities = ("delta",)


def test_the_sample_comes_as_deltas_and_every_point_is_verified() -> None:
    clock, backend = FakeClock(), Backend()
    job = Job("mem", "memory", lambda: DeltaMemory(backend, clock=clock))
    finished = list(send([job], SendOptions(), clock))[-1]
    assert isinstance(finished, SendFinished)
    (result,) = finished.results
    assert (result.outcome, result.receipt.delivered, result.receipt.withheld) == (SendOutcome.VERIFIED, 12, 0)
    assert not dry_run(job, sample("run", clock.now())).withheld


def recording(folder: Path) -> str:
    """Write a counter that restarts, and one that starts later, in slices of a line."""
    series = {"early": (1, [(10, 5), (20, 7), (30, 12), (35, 2)]), "late": (15, [(20, 100), (30, 101)])}
    lines = []
    for name, (start, values) in series.items():
        for time, value in values:
            begin = 31 if (name, time) == ("early", 35) else start
            point = {
                "attributes": [{"key": "n", "value": {"stringValue": name}}],
                "startTimeUnixNano": str((NOW + begin) * SECOND),
                "timeUnixNano": str((NOW + time) * SECOND),
                "asInt": str(value),
            }
            total = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}
            metric = {"name": "served", "sum": total}
            lines.append((time, json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})))
    path = folder / "recording.jsonl"
    path.write_text("".join(f"{line}\n" for _, line in sorted(lines)))
    return str(path)


@pytest.mark.parametrize("speed", [None, 1e9])
def test_a_recording_is_replayed_as_deltas_and_verified(tmp_path: Path, speed: float | None) -> None:
    out = tmp_path / "out.jsonl"
    clock = FakeClock(NOW)
    job = Job("t", "file", lambda: DeltaFile(FileSettings(path=str(out)), clock=clock))
    with Recordings([recording(tmp_path)], False, 0, True) as opened:
        last = list(replay([job], opened, ReplayOptions(verify=True, shift="keep", speed=speed), clock))[-1]
        _, (dry,) = dry_replay([job], opened, ReplayOptions(shift="keep"), clock)
    assert isinstance(last, ReplayFinished)
    (result,) = last.results
    assert (result.receipt.delivered, result.receipt.withheld) == (5, 1)
    assert (result.outcome, result.verification and result.verification.found) == (SendOutcome.VERIFIED, 5), result
    assert [(reason.code, reason.count) for reason in dry.withheld] == [("delivery.first-value", 1)]
    deltas: dict[str, list[int]] = {}
    for line in out.read_text().splitlines():
        for metric in json.loads(line)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
            assert metric["sum"]["aggregationTemporality"] == 1
            for point in metric["sum"]["dataPoints"]:
                deltas.setdefault(point["attributes"][0]["value"]["stringValue"], []).append(int(point["asInt"]))
    assert deltas == {"early": [2, 5, 2], "late": [100, 1]}


def test_a_replay_reads_back_what_it_sent_after_its_encoder_left_out_a_point(tmp_path: Path) -> None:
    class Choosy(DeltaFile):
        class Encoder(FileExporter.Encoder):  # type: ignore[name-defined,misc]
            def columns(self, stream: Any, points: Any) -> Any:
                return None

            def encode(self, series: Series, point: Point) -> bytes | Withheld:
                early = point.time_unix_nano == (NOW + 20) * SECOND
                return Withheld("x.early", "early", "served") if early else super().encode(series, point)

    clock = FakeClock(NOW)
    settings = FileSettings(path=str(tmp_path / "out.jsonl"))
    job = Job("t", "file", lambda: Choosy(settings, clock=clock))
    with Recordings([recording(tmp_path)], False, 0, True) as opened:
        last = list(replay([job], opened, ReplayOptions(verify=True, shift="keep", speed=1e9), clock))[-1]
    assert isinstance(last, ReplayFinished)
    (result,) = last.results
    assert (result.outcome, result.receipt.withheld, result.receipt.delivered) == (SendOutcome.VERIFIED, 3, 3), result
