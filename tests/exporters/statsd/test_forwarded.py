"""`verify_with` of StatsD: what a daemon forwards to another target decides, in what StatsD carries."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from magictel.clock import SystemClock
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.exporters.statsd import StatsdExporter, readback
from magictel.exporters.statsd.settings import StatsdSettings
from magictel.formats.prometheus.names import label_name
from magictel.model.verification import SampleQuery, Unreadable, verify
from magictel.registry import entry_points
from magictel.sandbox.datagrams import DatagramServer
from magictel.sandbox.statsd import Line, StatsdEmulator
from magictel.secrets.secret import Secret
from magictel.sources.sample import sample
from magictel.verify.sample import expected_points
from tests.cli.running import magictel
from tests.fake_clock import FakeClock


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the daemon flush at once, as the ones here do."""
    monkeypatch.setattr(readback, "_FLUSH", 0.1)


class Collector(StatsdEmulator):
    """Writes each line to a file as the Collector's receiver and file exporter do. `whole`: it cuts counts to whole numbers."""

    def __init__(self, path: Path, *, whole: bool, drops: str = "nothing") -> None:
        super().__init__(clock=SystemClock())
        self._path, self._whole, self._drops = path, whole, drops

    def receive(self, datagram: bytes) -> None:
        known = len(self.lines)
        super().receive(datagram)
        with self._path.open("a") as file:
            for line in self.lines[known:]:
                if line.name.endswith(self._drops):
                    continue
                parts = 2 if line.kind == "c" and not self._whole else 1  # in two flushes
                assert isinstance(line.value, float)
                request = json.dumps(self._request(line._replace(value=line.value / parts)))
                file.write(f"{request}\n" * parts)

    def _request(self, line: Line) -> dict[str, Any]:
        pairs = [tag.partition(":") for tag in line.tags]
        now = time.time_ns()
        point: dict[str, Any] = {
            "attributes": [{"key": key, "value": {"stringValue": text}} for key, _, text in pairs],
            "timeUnixNano": str(now),
        }
        if line.kind == "c":
            point |= {"startTimeUnixNano": str(now - 10**9)}
            point |= {"asInt": str(int(float(line.value)))} if self._whole else {"asDouble": line.value}
            metric: dict[str, Any] = {"sum": {"aggregationTemporality": 1, "dataPoints": [point]}}
        else:
            metric = {"gauge": {"dataPoints": [point | {"asDouble": line.value}]}}
        scope = {"scope": {"name": "statsdreceiver"}, "metrics": [{"name": line.name, **metric}]}
        return {"resourceMetrics": [{"resource": {}, "scopeMetrics": [scope]}]}


@contextmanager
def daemon(folder: Path, *, whole: bool = False, drops: str = "nothing") -> Iterator[str]:
    """Start a daemon, and write a file with a target for it that is verified with the file of what it forwards."""
    written = folder / "received.jsonl"
    written.touch()
    server = DatagramServer(Collector(written, whole=whole, drops=drops)).start()
    (folder / "magictel.toml").write_text(
        f'[targets.agent]\nexporter = "statsd"\nport = {server.port}\nverify = {{ target = "collector-file" }}\n'
        f'[targets.collector-file]\nexporter = "file"\npath = "{written}"\n'
    )
    try:
        yield "agent"
    finally:
        server.stop()


def sent(folder: Path, *options: str) -> Any:
    ran = magictel(*("send-sample", "agent", "--config", "magictel.toml", *options, "--format", "json"), folder=folder)
    return ran.code, ran.document["targets"][0]


@pytest.mark.parametrize("thorough", [False, True])
def test_a_daemon_that_forwards_everything_is_verified(thorough: bool, tmp_path: Path) -> None:
    with daemon(tmp_path):
        code, target = sent(tmp_path, *(["--thorough"] if thorough else []))
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 17 if thorough else 12), target
    forms = {difference["declared"] for difference in target["verification"]["differences"]}
    assert "StatsD sends no times, units and descriptions" in forms
    assert target["read_from"]["target"] == "collector-file"


def test_counts_that_are_cut_to_whole_numbers_are_altered(tmp_path: Path) -> None:
    with daemon(tmp_path, whole=True):
        code, target = sent(tmp_path)
    altered = [difference for difference in target["verification"]["differences"] if difference["declared"] is None]
    assert (code, target["outcome"]) == (1, "altered"), target
    assert {(difference["field"], difference["sent"], difference["seen"]) for difference in altered} == {
        ("value", 0.5, 0),
        ("value", 1234.25, 1234),
        ("sum", 18.75, 18),
        ("sum", 1.5, 1),
        ("sum", 96.5, 96),
    }


@pytest.mark.parametrize(
    ("drops", "outcome"), [("temperature", "lost"), (".sum", "altered"), (".max", "altered"), ("", "lost")]
)
def test_what_the_daemon_drops_is_lost_or_altered(drops: str, outcome: str, tmp_path: Path) -> None:
    with daemon(tmp_path, drops=drops):
        code, target = sent(tmp_path, "--within", "0.5s")
    assert (code, target["outcome"]) == (1, outcome), target


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("tags=joined", "without tags, no point of the sample can be found again"),
        ("tags=dropped", "without tags, no point of the sample can be found again"),
        ("histograms=distributions", "file cannot query 4 of the accepted points"),
    ],
)
def test_what_cannot_be_found_again_is_unverified(setting: str, says: str, tmp_path: Path) -> None:
    with daemon(tmp_path):
        code, target = sent(tmp_path, "--set", f"agent.{setting}")
    assert (code, target["outcome"], says in target["message"]) == (3, "unverified", True), target


OTHERS = {
    "elasticsearch": {},
    "datadog": {"api_key": "0" * 32, "app_key": "0" * 40},
    "newrelic": {"license_key": "0" * 36 + "NRAL", "user_key": "NRAK-" + "A" * 27, "account_id": 1},
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_backend_whose_form_depends_on_the_daemon_leaves_the_sample_unverified(name: str) -> None:
    behind = entry_points.load(name)
    reader = behind(behind.Settings(**{key: as_secret(key, value) for key, value in OTHERS[name].items()}))
    sender = StatsdExporter(StatsdSettings(), clock=FakeClock())
    delay = sender.read_through(reader.readback).visible_delay()
    sender.shutdown(0)
    reader.shutdown(0)
    assert isinstance(delay, Unreadable)
    assert delay.message.startswith(f"how {name} shows what a daemon forwards depends on the daemon")


def as_secret(key: str, value: Any) -> Any:
    return Secret(value) if key.endswith("_key") else value


def test_points_of_a_recording_are_unverified(tmp_path: Path) -> None:
    point = {"timeUnixNano": str(time.time_ns()), "asDouble": 1.5, "attributes": []}
    request = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a", "gauge": {"dataPoints": [point]}}]}]}]}
    (tmp_path / "r.jsonl").write_text(json.dumps(request) + "\n")
    with daemon(tmp_path):
        ran = magictel(
            *("replay", "r.jsonl", "--to", "agent", "--verify", "--config", "magictel.toml", "--format", "json"),
            folder=tmp_path,
        )
    (target,) = ran.document["targets"]
    assert (ran.code, target["outcome"]) == (3, "unverified"), target
    assert "StatsD sends none" in target["message"]


class Rows:
    """A query API that shows a gateway's series, scraped twice: a count has grown, and gauges have the same value again."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = {(line.name, line.tags): line for line in lines}.values()

    def of_run(self, *_: object) -> list[dict[str, Any]]:
        rows = []
        for line in self._lines:
            labels = {label_name(tag.partition(":")[0]): tag.partition(":")[2] for tag in line.tags}
            name = line.name.replace(".", "_")
            before = 0.0 if line.kind == "c" else line.value
            rows.append({"metric": {"__name__": name, **labels}, "values": [[1, str(before)], [2, str(line.value)]]})
        return rows

    def infos(self, *_: object) -> list[Any]:
        return []


@pytest.mark.parametrize("loses", ["nothing", "count", "max", "min"])
def test_a_prometheus_behind_the_daemon_is_read_with_its_names(loses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = PrometheusRemoteWriteSettings(url="http://127.0.0.1:9/api/v1/write")
    sender, reader = StatsdExporter(StatsdSettings(), clock=FakeClock()), PrometheusRemoteWriteExporter(settings)
    emulator = StatsdEmulator(clock=FakeClock())
    run = sample("abcdef", 1_764_000_000.0).preferred(delta=True)
    prepared = sender.prepare(run.data)
    for series, point in prepared.points():
        emulator.receive(sender.encoder.encode(series, point))  # type: ignore[arg-type] # none is left out
    sender.readback = sender.read_through(reader.readback)
    expected, _ = expected_points(sender, prepared)
    rows = Rows([line for line in emulator.lines if not line.name.endswith(loses)])
    monkeypatch.setattr(reader.readback, "api", lambda: rows)
    query = SampleQuery("abcdef", run.since, run.until, tuple(expected))
    shown = verify(expected, sender.readback.seen(query), sender.readback.declared)  # type: ignore[arg-type] # readable
    sender.shutdown(0)
    reader.shutdown(0)
    assert (shown.expected, shown.found, shown.missing) == (12, 12, 0)
    assert shown.altered == (0 if loses == "nothing" else 4), shown.differences
