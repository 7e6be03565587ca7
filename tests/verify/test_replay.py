"""`replay --verify` against backends that keep what they took, and against such as lose, alter or double it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from magictel import sandbox
from magictel.clock import Clock, SystemClock
from magictel.encoding.payload import Payload
from magictel.errors import UsageError
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.exporters.file import FileExporter, FileReadBack
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.model.events import ReplayFinished, SendOutcome, SendResult, Waited
from magictel.model.outcome import Delivered
from magictel.model.verification import Expected
from magictel.operations.prepare import prepare
from magictel.operations.replay import replay
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.target_run import Job
from magictel.plugin.exporter import Exporter
from magictel.reporters.json import replay_document
from magictel.sandbox.server import Server
from magictel.settings.load import resolve_settings
from magictel.sources.recording import Recordings
from magictel.transports.file import append
from tests.emulators.elasticsearch import SearchEmulator
from tests.fake_clock import FakeClock

Change = Callable[[Payload], bytes]
RECORDED = 10_000
"""Points of the recording: three slices."""
PATIENT = "300"
"""Seconds for one request, which a busy machine may need: nothing here is about time limits."""


def recording(folder: Path, points: int = RECORDED) -> str:
    """Gauges in lines of a hundred."""
    lines = []
    for start in range(0, points, 100):
        given = [
            {
                "attributes": [{"key": "n", "value": {"intValue": str(number)}}],
                "timeUnixNano": str(1_700_000_000_000_000_000 + start * 1_000_000),
                "asDouble": number + 0.1,
            }
            for number in range(start, start + 100)
        ]
        metric = {"name": "proof", "gauge": {"dataPoints": given}}
        lines.append(json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}))
    path = folder / "recording.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


class Once:
    """Says yes to the first who asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        return self._lock.acquire(blocking=False)


def search(change: Change | None, environment: dict[str, str], folder: Path) -> Exporter[Any]:
    class Tampered(ElasticsearchExporter):
        """Takes all, and stores what `change` makes of it."""

        def attempt(self, payload: Payload, timeout: float) -> Any:
            if change is None:
                return super().attempt(payload, timeout)
            items = self.encoder.split(change(payload))
            changed = replace(payload, body=b"".join(items), points=len(items), sizes=None)
            attempted = super().attempt(changed, timeout)
            return msgspec.structs.replace(attempted, outcome=Delivered())

    environment = {**environment, "ELASTICSEARCH_TIMEOUT": PATIENT}
    return Tampered(
        resolve_settings("t", "elasticsearch", ElasticsearchExporter.Settings, environment=environment).settings
    )


def to_file(change: Change | None, environment: dict[str, str], folder: Path) -> Exporter[Any]:
    class Tampered(FileExporter):
        """Writes what `change` makes of it."""

        def attempt(self, payload: Payload, timeout: float) -> Any:
            attempted = super().attempt(payload, timeout)
            if change is not None:
                text = self.path.read_bytes()
                self.path.write_bytes(text[: len(text) - attempted.bytes])
                append(self.path, change(replace(payload, body=text[len(text) - attempted.bytes :])))
            return attempted

    environment = {"MAGICTEL_FILE_PATH": str(folder / "out.jsonl")}
    return Tampered(resolve_settings("t", "file", FileExporter.Settings, environment=environment).settings)


def remote_write(change: Change | None, environment: dict[str, str], folder: Path) -> Exporter[Any]:
    class Tampered(PrometheusRemoteWriteExporter):
        """Takes all, and stores what `change` makes of it."""

        def compress(self, body: bytes) -> Any:
            return super().compress(body if change is None else change(Payload(body, 1)))

    kind = PrometheusRemoteWriteExporter
    environment = {**environment, "PROMETHEUS_REMOTE_WRITE_TIMEOUT": PATIENT}
    return Tampered(resolve_settings("t", kind.name, kind.Settings, environment=environment).settings)


def proved(
    exporter: Exporter[Any], recordings: Sequence[str], clock: Clock | None = None, **options: Any
) -> SendResult:
    job = Job("t", exporter.name, lambda: exporter)
    given = ReplayOptions(verify=True, **{"deadline": float(PATIENT), "timeout": 100.0, **options})
    with Recordings(recordings, False, 0, True) as opened:
        last = list(replay([job], opened, given, clock or SystemClock()))[-1]
    assert isinstance(last, ReplayFinished)
    return last.results[0]


def first_of(change: Callable[[bytes], bytes]) -> Change:
    """Changes the first payload only."""
    once = Once()
    return lambda payload: change(payload.body) if once() else payload.body


def without_first_pair(body: bytes) -> bytes:
    return body.split(b"\n", 2)[2]


def first_pair_twice(body: bytes) -> bytes:
    action, document, _ = body.split(b"\n", 2)
    other = action.replace(b'"_id":"', b'"_id":"x')
    return b"\n".join((other, document, body))


SEARCH = {
    "nothing": (None, SendOutcome.VERIFIED, (0, 0, 0)),
    "lost": (first_of(without_first_pair), SendOutcome.LOST, (1, 0, 0)),
    "altered": (first_of(lambda body: body.replace(b":7.1,", b":7.2,", 1)), SendOutcome.ALTERED, (0, 1, 0)),
    "doubled": (first_of(first_pair_twice), SendOutcome.DUPLICATED, (0, 0, 1)),
}


@pytest.mark.parametrize("what", SEARCH)
def test_what_an_index_makes_of_the_points_is_seen(tmp_path: Path, what: str) -> None:
    change, outcome, counts = SEARCH[what]
    with sandbox.start(["elasticsearch"]) as room:
        environment = room.environment()
        plain = search(None, environment, tmp_path)
        assert prepare(Job("t", "elasticsearch", lambda: plain), apply=True).trouble is None
        result = proved(search(change, environment, tmp_path), [recording(tmp_path)], within=3.0)
    seen = result.verification
    assert seen is not None
    assert (result.outcome, (seen.missing, seen.altered, seen.duplicated)) == (outcome, counts), result
    assert (seen.expected, seen.identity) == (RECORDED, "point")
    assert result.receipt.delivered == RECORDED


FILE = {
    "nothing": (None, SendOutcome.VERIFIED),
    "lost": (first_of(lambda _: b""), SendOutcome.LOST),
    "altered": (
        first_of(lambda line: line.replace(b":7.1,", b":7.2,", 1).replace(b":7.1}", b":7.2}", 1)),
        SendOutcome.ALTERED,
    ),
    "doubled": (first_of(lambda line: line + line), SendOutcome.DUPLICATED),
}


@pytest.mark.parametrize("what", FILE)
def test_what_becomes_of_lines_in_a_file_is_seen(tmp_path: Path, what: str) -> None:
    change, outcome = FILE[what]
    before = proved(to_file(None, {}, tmp_path), [recording(tmp_path, 500)])
    assert before.outcome is SendOutcome.VERIFIED
    result = proved(to_file(change, {}, tmp_path), [recording(tmp_path)], within=0.5)
    assert result.outcome is outcome, result


REMOTE_WRITE = {
    "nothing": (None, SendOutcome.VERIFIED),
    "lost": (first_of(lambda _: b""), SendOutcome.LOST),
    "altered": (
        first_of(lambda body: body.replace(b"\x66\x66\x66\x66\x66\x66\x1c\x40", b"\0" * 8, 1)),
        SendOutcome.ALTERED,
    ),
}


@pytest.mark.parametrize("what", REMOTE_WRITE)
def test_what_becomes_of_samples_is_seen(tmp_path: Path, what: str) -> None:
    change, outcome = REMOTE_WRITE[what]
    with sandbox.start(["prometheus-remote-write"]) as room:
        exporter = remote_write(change, room.environment(), tmp_path)
        result = proved(exporter, [recording(tmp_path)], within=0.5)
    seen = result.verification
    assert seen is not None
    assert result.outcome is outcome, result
    assert seen.expected == RECORDED


class SlowReadBack(FileReadBack):
    """Takes a minute for each look, and sees nothing in the first."""

    looks = 0

    def find(self, expected: Sequence[Expected]) -> Any:
        self.exporter.clock.wait(60.0)
        self.looks += 1
        return super().find(expected) if self.looks > 1 else []


class Slow(FileExporter):
    ReadBack = SlowReadBack


def test_a_look_that_began_before_the_time_was_over_is_not_the_last(tmp_path: Path) -> None:
    clock = FakeClock()
    exporter = Slow(FileExporter.Settings(path=str(tmp_path / "out.jsonl")), clock=clock)
    result = proved(exporter, [recording(tmp_path, 100)], clock, within=5.0)
    assert (result.outcome, exporter.readback.looks) == (SendOutcome.VERIFIED, 2), result


def test_a_replay_of_what_is_there_already_is_verified(tmp_path: Path) -> None:
    with sandbox.start(["prometheus-remote-write"]) as room:
        for _ in range(2):
            exporter = remote_write(None, room.environment(), tmp_path)
            result = proved(exporter, [recording(tmp_path, 300)], shift="keep")
            assert result.outcome is SendOutcome.VERIFIED, result


def test_what_was_refused_is_not_expected(tmp_path: Path) -> None:
    with sandbox.start(["elasticsearch"], faults=["elasticsearch: partial 10% document_parsing_exception"]) as room:
        environment = room.environment()
        plain = search(None, environment, tmp_path)
        assert prepare(Job("t", "elasticsearch", lambda: plain), apply=True).trouble is None
        result = proved(search(None, environment, tmp_path), [recording(tmp_path)], within=3.0)
    seen = result.verification
    assert seen is not None
    assert result.outcome is SendOutcome.REJECTED
    assert result.receipt.rejected > 0
    assert (seen.expected, seen.missing) == (result.receipt.delivered, 0)


TIME_SERIES = {
    "settings": {"index.mode": "time_series", "index.routing_path": ["name"]},
    "mappings": {
        "properties": {
            "@timestamp": {"type": "date"},
            "name": {"type": "keyword", "time_series_dimension": True},
            "attributes": {"properties": {"n": {"type": "long", "time_series_dimension": True}}},
        }
    },
}


@contextmanager
def time_series() -> Iterator[dict[str, str]]:
    """A data stream whose index makes the ids: what points an exporter at it."""
    template = {"index_patterns": ["series"], "priority": 400, "data_stream": {}, "template": TIME_SERIES}
    with Server(SearchEmulator()) as server, httpx.Client(base_url=server.origin, trust_env=False) as http:
        assert http.put("/_index_template/series", json=template).status_code == 200
        assert http.put("/_data_stream/series").status_code == 200
        yield {"ELASTICSEARCH_URL": server.origin, "ELASTICSEARCH_INDEX": "series"}


def twice(body: bytes) -> bytes:
    return body + body.replace(b'"n":', b'"n":9')


COUNTED = {
    "nothing": (None, SendOutcome.VERIFIED, None, (0, 0)),
    "lost": (first_of(lambda body: body.split(b"\n", 2)[2]), SendOutcome.LOST, "verify.lost", (1, 0)),
    "more than were sent": (first_of(twice), SendOutcome.UNVERIFIED, "verify.count", (0, 2490)),
}


@pytest.mark.parametrize("what", COUNTED)
def test_where_the_index_makes_the_ids_points_are_counted_by_metric(tmp_path: Path, what: str) -> None:
    change, outcome, code, counts = COUNTED[what]
    with time_series() as environment:
        result = proved(search(change, environment, tmp_path), [recording(tmp_path)], within=3.0)
    seen = result.verification
    assert seen is not None
    assert (result.outcome, result.code, (seen.missing, seen.unverified)) == (outcome, code, counts), result
    assert (seen.expected, seen.identity) == (RECORDED, "metric")
    assert [(count.metric, count.expected) for count in seen.counted] == [("proof", RECORDED)]
    assert result.receipt.delivered == RECORDED


def test_what_was_sent_before_is_counted_once(tmp_path: Path) -> None:
    with time_series() as environment:
        path = recording(tmp_path, 300)
        shift = time.time() - 1_700_000_000 - 60
        for _ in range(2):
            result = proved(search(None, environment, tmp_path), [path], shift=shift)
            assert result.outcome is SendOutcome.VERIFIED, result
        again = proved(search(None, environment, tmp_path), [path, path], shift=shift)
        exporter = search(None, environment, tmp_path)
        exporter.encoder.deduplicate = lambda groups: groups  # type: ignore[method-assign] # as where the dimensions may not be read
        unread = proved(exporter, [path, path], shift=shift)
    seen, counted = again.verification, unread.verification
    assert seen is not None
    assert counted is not None
    assert (again.outcome, again.receipt.withheld, seen.expected, seen.found) == (SendOutcome.VERIFIED, 300, 300, 300)
    # 300 are there: the other 300 are the same points once more, or were lost
    assert (unread.outcome, unread.code, counted.missing, counted.unverified) == (
        SendOutcome.UNVERIFIED, "verify.count", 0, 300,
    )  # fmt: skip


def test_points_that_a_time_series_index_takes_for_one_are_refused_beforehand_and_not_expected(tmp_path: Path) -> None:
    with time_series() as environment:
        path = recording(tmp_path, 300)
        text = Path(path).read_text().replace('"key": "n"', '"key": "host"')
        (tmp_path / "clash").write_text(text)
        result = proved(search(None, environment, tmp_path), [str(tmp_path / "clash")], within=3.0)
    receipt, seen = result.receipt, result.verification
    assert seen is not None
    assert (result.outcome, result.code) == (SendOutcome.REJECTED, "es.write.tsdb-collision"), result
    assert (receipt.sent, receipt.unconfirmed, seen.missing) == (300, 0, 0)
    assert receipt.rejected == 300 - receipt.delivered == 300 - seen.found
    assert "differ only in attributes.host, which is not a dimension" in (receipt.reasons[0].example or "")


def test_a_backend_that_cannot_be_asked_leaves_the_replay_unverified(tmp_path: Path) -> None:
    from magictel.exporters.console import ConsoleExporter

    exporter = ConsoleExporter(resolve_settings("t", "console", ConsoleExporter.Settings, environment={}).settings)
    result = proved(exporter, [recording(tmp_path, 100)])
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "verify.unsupported")


def contradictory(folder: Path) -> str:
    """Three values of one series at one time, the first of them twice; and a point of another time."""
    points = [{"timeUnixNano": str(1_700_000_000_000_000_000 + at), "asInt": n} for n, at in CONTRADICTORY]
    metric = {"name": "contradictory", "gauge": {"dataPoints": points}}
    (folder / "r").write_text(json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}))
    return str(folder / "r")


CONTRADICTORY = [("1", 0), ("2", 0), ("1", 0), ("3", 0), ("4", 1_000_000_000)]


def test_further_values_of_one_series_and_time_are_refused_beforehand_and_a_repeat_is_counted_as_one(
    tmp_path: Path,
) -> None:
    with sandbox.start(["prometheus-remote-write"]) as room:
        result = proved(remote_write(None, room.environment(), tmp_path), [contradictory(tmp_path)], within=0.5)
    receipt, seen = result.receipt, result.verification
    assert seen is not None
    assert (result.outcome, result.code) == (SendOutcome.REJECTED, "prom.rw.collision"), result
    assert (receipt.delivered, receipt.rejected) == (3, 2)
    assert (seen.expected, seen.found, seen.missing, seen.repeats) == (2, 2, 0, 1)
    assert receipt.reasons[0].example == "the same point has another value: contradictory{}"


@pytest.mark.parametrize("times", [2, 3])
def test_the_figures_of_a_verification_add_up_to_the_receipt(tmp_path: Path, times: int) -> None:
    recorded = recording(tmp_path, 100)
    with sandbox.start(["prometheus-remote-write"]) as room:
        result = proved(remote_write(None, room.environment(), tmp_path), [recorded] * times, within=0.5)
    seen = result.verification
    assert result.outcome is SendOutcome.VERIFIED, result
    assert seen is not None
    assert (seen.found, seen.repeats) == (100, 100 * (times - 1))
    assert seen.found + seen.missing + seen.repeats == result.receipt.delivered == 100 * times


def test_where_every_value_of_one_series_and_time_is_shown_none_is_lost(tmp_path: Path) -> None:
    path = contradictory(tmp_path)
    assert proved(to_file(None, {}, tmp_path), [path], within=0.5).outcome is SendOutcome.VERIFIED
    with sandbox.start(["elasticsearch"]) as room:  # its ids tell values apart
        exporter = search(None, room.environment(), tmp_path)
        assert prepare(Job("t", "elasticsearch", lambda: exporter), apply=True).trouble is None
        result = proved(search(None, room.environment(), tmp_path), [path], within=2.0)
    assert result.outcome is SendOutcome.VERIFIED, result


POINT = {"timeUnixNano": "1764000000000000000", "asInt": "3"}


def test_where_every_point_is_withheld_nothing_is_verified(tmp_path: Path) -> None:
    metric = {"name": "orders", "sum": {"aggregationTemporality": 0, "isMonotonic": True, "dataPoints": [POINT]}}
    (tmp_path / "r").write_text(json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}))
    with sandbox.start(["prometheus-remote-write"]) as room:
        result = proved(remote_write(None, room.environment(), tmp_path), [str(tmp_path / "r")])
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "verify.nothing-sent")
    assert (result.receipt.sent, result.receipt.withheld) == (1, 1)


def test_a_replay_from_the_end_has_nothing_left_and_from_beyond_it_is_refused(tmp_path: Path) -> None:
    recorded = [recording(tmp_path, 100)]
    result = proved(to_file(None, {}, tmp_path), recorded, from_point=100)
    assert (result.outcome, result.receipt.sent) == (SendOutcome.ACCEPTED, 0)
    with pytest.raises(UsageError, match="--from-point 101: there are 100 points"):
        proved(to_file(None, {}, tmp_path), recorded, from_point=101)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(None, 4000), (first_of(lambda _: b""), 0)],
    ids=["between two slices", "while it waits for a slice"],
)
def test_an_interrupt_while_it_reads_back_keeps_what_was_found_and_calls_nothing_lost(
    tmp_path: Path, change: Change | None, expected: int
) -> None:
    job = Job("t", "file", lambda: to_file(change, {}, tmp_path))
    with Recordings([recording(tmp_path)], False, 0, True) as opened:
        running = replay([job], opened, ReplayOptions(verify=True, within=30.0), SystemClock())
        assert isinstance(running, Generator)
        assert any(isinstance(event, Waited) for event in running)
        rest = [running.throw(KeyboardInterrupt), *running]
    finished = rest[-1]
    assert isinstance(finished, ReplayFinished)
    (result,) = finished.results
    seen = result.verification
    assert seen is not None
    assert (seen.expected, seen.found, seen.unverified, seen.missing) == (RECORDED, expected, RECORDED - expected, 0)
    assert (result.outcome, seen.code) == (SendOutcome.UNVERIFIED, "verify.unverified")
    assert result.receipt.delivered == RECORDED
    document = replay_document(finished)
    assert (document["outcome"], document["interrupted"], document["from_point"]) == ("unverified", True, None)
