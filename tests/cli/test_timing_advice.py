"""`--timing`: what it advises is true. Servers whose script decides what dominates; the setting that is named is then given, and helps.

What helps is counted (requests, refusals), never timed. Time is virtual: only waits pass it, so that nothing but the script
decides what dominates, however busy the machine is.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from magictel import sandbox
from magictel.clock import SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.server import Server
from magictel.sandbox.table import make
from tests.cli.running import magictel
from tests.cli.test_replay import request


class VirtualTime:
    """What `SystemClock` shows instead: seconds that pass when somebody waits, at once, and for all."""

    def __init__(self) -> None:
        self._passed, self._lock = 0.0, threading.Lock()

    def monotonic(self) -> float:
        return self._passed

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        if stop is not None and stop.is_set():
            return True
        with self._lock:
            self._passed += max(0.0, seconds)
        time.sleep(0)
        return False


TIME = VirtualTime()


@pytest.fixture(autouse=True)
def _virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "monotonic", lambda self: TIME.monotonic())
    monkeypatch.setattr(SystemClock, "wait", lambda self, seconds, stop=None: TIME.wait(seconds, stop))


RW = "prometheus-remote-write"
ES = "elasticsearch"
NAMED = re.compile(r"--set (\w+)=([\d.]+)")


class Odd:
    """An emulator before which something stands."""

    def __init__(self) -> None:
        self._behind = make(RW, SystemClock())
        self.name = self._behind.name
        self.refused = 0

    def handle(self, request: Request) -> Reply:
        return self._behind.handle(request)

    def is_write(self, request: Request) -> bool:
        return self._behind.is_write(request)

    def environment(self, origin: str) -> dict[str, str]:
        return self._behind.environment(origin)


class Limited(Odd):
    """Takes five requests a second and a burst of as many, as gateways do with a bucket of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._tokens, self._seen, self._lock = 5.0, TIME.monotonic(), threading.Lock()

    def handle(self, request: Request) -> Reply:
        if not self.is_write(request):
            return super().handle(request)
        with self._lock:
            now = TIME.monotonic()
            self._tokens = min(5.0, self._tokens + 5.0 * (now - self._seen))
            self._seen = now
            if self._tokens < 0.999:  # virtual time is exact, its sums are not
                self.refused += 1
                return Reply(429, {"retry-after": "1", "content-type": "text/plain"}, b"slow down")
            self._tokens -= 1
        return super().handle(request)


class Closing(Odd):
    """Closes each connection after its answer, as a proxy without keep-alive, and takes its time to make the next."""

    def handle(self, request: Request) -> Reply:
        reply = super().handle(request)
        return Reply(reply.status, {**reply.headers, "connection": "close"}, reply.body)


class SlowHandshake:
    """Makes TLS, after a while."""

    def __init__(self, authority: trustme.CA, seconds: float) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._seconds = seconds

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        TIME.wait(self._seconds)
        return self._context.wrap_socket(*given, **named)


def recording(folder: Path, points: int) -> Path:
    """Many points: a line for each, so that there are several slices."""
    path = folder / f"{points}.jsonl"
    lines = [request(*map(float, range(points)))]
    if points > 4000:
        lines = [request(float(number), at=1_700_000_000_000_000_000 + number * 10**9) for number in range(points)]
    path.write_text("\n".join(lines) + "\n")
    return path


def replayed(
    folder: Path, environment: Mapping[str, str], points: int, *arguments: str, to: str = RW
) -> dict[str, Any]:
    ran = magictel(
        *("replay", str(recording(folder, points)), "--to", to, "--timing", "--format", "json", *arguments),
        folder=folder,
        environment=environment,
    )
    assert ran.code == 0, ran
    (target,) = ran.document["targets"]
    assert target["receipt"]["delivered"] == points
    return dict(target["timing"])


def scripted(folder: Path, fault: str, points: int, *arguments: str, to: str = RW) -> dict[str, Any]:
    with sandbox.start([to], faults=[f"{to}: {fault}"]) as room:
        return replayed(folder, room.environment(), points, *arguments, to=to)


@contextmanager
def served(emulator: Odd, **how: Any) -> Iterator[dict[str, str]]:
    with Server(emulator, **how) as server:  # type: ignore[arg-type]
        yield emulator.environment(server.origin)


def named(advice: str) -> dict[str, str]:
    return dict(NAMED.findall(advice))


@pytest.mark.parametrize(
    ("to", "points", "given", "requests", "after", "at_once"),
    [
        (RW, 35, ("--set", "max_batch_points=5"), 7, 1, False),  # its points must arrive in order
        (ES, 35, ("--set", "max_batch_points=5"), 7, 1, True),
        (ES, 9000, (), 5, 3, True),  # 2500 by default, and slices of 4000
    ],
    ids=["small batches, in order", "small batches", "the default of a large recording"],
)
def test_a_slow_backend_and_small_batches(
    to: str, points: int, given: tuple[str, ...], requests: int, after: int, at_once: bool, tmp_path: Path
) -> None:
    timing = scripted(tmp_path, "slow 0.2 forever", points, *given, to=to)
    advice = timing["advice"]
    assert timing["requests"] == requests
    assert advice.startswith("first byte is ")
    assert re.search(rf": {requests} round trips of 0\.\d s: --set max_batch_points=", advice)
    assert f"sends {after} request{'s' if after > 1 else ''} instead of {requests}" in advice
    assert ("in_flight" in named(advice)) is at_once
    again = scripted(
        tmp_path, "slow 0.2 forever", points, f"--set=max_batch_points={named(advice)['max_batch_points']}", to=to
    )
    assert again["requests"] == after


def test_a_slow_backend_and_batches_that_cannot_grow(tmp_path: Path) -> None:
    advice = scripted(tmp_path, "slow 0.2 forever", 9000)["advice"]
    assert not named(advice)
    assert re.search(
        r": 3 round trips of 0\.\d s, one after the other, because the backend needs points in order: ", advice
    )
    assert advice.endswith("this is the backend's own work on about 3000 points a request")


def test_a_slow_backend_and_one_request(tmp_path: Path) -> None:
    advice = scripted(tmp_path, "slow 0.2", 35)["advice"]
    assert not named(advice)
    assert "one round trip and the backend's own work; the batch size does not matter" in advice


def test_several_at_once_are_several_at_once(tmp_path: Path) -> None:
    slow = ("--set", "max_batch_points=5")
    advice = scripted(tmp_path, "slow 0.2 forever", 35, *slow, to=ES)["advice"]
    again = scripted(tmp_path, "slow 0.2 forever", 35, *slow, f"--set=in_flight={named(advice)['in_flight']}", to=ES)
    assert again["connections"] == 4
    assert "in_flight" not in again["advice"]


def test_a_body_limit_that_cuts_batches_is_named_instead_of_the_points(tmp_path: Path) -> None:
    small = ("--set", "max_batch_bytes=1024")
    first = scripted(tmp_path, "slow 0.1 forever", 35, *small, to=ES)
    assert named(first["advice"])["max_batch_bytes"] == "2048"
    assert "max_batch_points" not in first["advice"]
    again = scripted(tmp_path, "slow 0.1 forever", 35, "--set", "max_batch_bytes=2048", to=ES)
    assert again["requests"] < first["requests"]


def test_our_own_rate_limit(tmp_path: Path) -> None:
    advice = scripted(tmp_path, "ok", 35, "--set", "max_batch_points=5", "--set", "rate_limit=3")["advice"]
    assert advice.startswith("queue is ")
    assert "rate_limit = 3 made 7 requests wait" in advice
    assert named(advice) == {"max_batch_points": "35", "rate_limit": "6"}
    again = scripted(tmp_path, "ok", 35, "--set", "max_batch_points=35", "--set", "rate_limit=3")
    assert again["requests"] == 1
    assert "rate_limit" not in again["advice"]


def test_a_backend_that_limits_requests(tmp_path: Path) -> None:
    single = ("--set", "max_batch_points=1")
    with served(emulator := Limited()) as environment:
        advice = replayed(tmp_path, environment, 15, *single)["advice"]
    assert emulator.refused >= 2
    assert advice.startswith("queue is ")
    assert f"throttled requests {emulator.refused} times (http.throttled), and the requested pauses took" in advice
    assert named(advice).keys() == {"max_batch_points", "rate_limit"}
    for setting, value in named(advice).items():
        given = (
            (f"--set={setting}={value}",) if setting == "max_batch_points" else (*single, f"--set={setting}={value}")
        )
        with served(emulator := Limited()) as environment:
            replayed(tmp_path, environment, 15, *given)
        assert emulator.refused == 0, (setting, value)


def test_one_request_that_is_refused_is_nothing_that_a_setting_here_changes(tmp_path: Path) -> None:
    advice = scripted(tmp_path, "429 x1 retry-after=1", 35)["advice"]
    assert "throttled requests 1 time (http.throttled)" in advice
    assert "raise the limit there, or send less often" in advice
    assert not named(advice)


def test_items_that_are_refused_again_and_again_are_no_reason_to_send_one_request_more_slowly(tmp_path: Path) -> None:
    advice = scripted(tmp_path, "partial 10% x3", 35, to=ES)["advice"]
    assert "rate_limit" not in advice


def test_a_backend_that_was_away_is_not_told_to_be_sent_to_more_slowly(tmp_path: Path) -> None:
    advice = scripted(tmp_path, "503 x1 retry-after=1", 35)["advice"]
    code = re.search(r"failed or was unreachable 1 time \(([\w.-]+)\)", advice)
    assert code
    assert advice.endswith(f"magictel explain {code[1]}")
    assert magictel("explain", code[1], folder=tmp_path).code == 0
    assert not named(advice)


def test_connections_that_are_closed_after_each_answer(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    given = (f"--set=ca_file={tmp_path / 'ca.pem'}", "--set=max_batch_points=12")
    with served(Closing(), ssl_context=SlowHandshake(authority, 0.15)) as environment:
        timing = replayed(tmp_path, environment, 36, *given)
    assert (timing["requests"], timing["connections"]) == (3, 3)
    assert timing["advice"].startswith("connect is ")
    assert (
        "3 connections for 3 requests: the backend, or a proxy in front of it, closes them after each response"
        in timing["advice"]
    )
    assert named(timing["advice"]) == {"max_batch_points": "36"}


def test_a_slow_connection_that_is_kept(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with served(Odd(), ssl_context=SlowHandshake(authority, 0.3)) as environment:
        timing = replayed(tmp_path, environment, 36, f"--set=ca_file={tmp_path / 'ca.pem'}")
    assert timing["advice"].startswith("connect is ")
    assert "1 connection for 1 request; a running application opens them once" in timing["advice"]


def test_a_recording_at_its_own_speed_is_sent_moment_by_moment(tmp_path: Path) -> None:
    lines = [request(float(number), at=1_700_000_000_000_000_000 + number * 10**8) for number in range(8)]
    (tmp_path / "r").write_text("\n".join(lines) + "\n")
    with sandbox.start([RW], faults=[f"{RW}: slow 0.1 forever"]) as room:
        ran = magictel(
            *("replay", "r", "--to", RW, "--timing", "--format", "json", "--speed", "10"),
            folder=tmp_path,
            environment=room.environment(),
        )
    assert "--speed max sends the points in larger batches" in ran.document["targets"][0]["timing"]["advice"]


def test_send_sample_gives_the_same_advice(tmp_path: Path) -> None:
    with sandbox.start([RW], faults=[f"{RW}: slow 0.2 forever"]) as room:
        ran = magictel(
            *("send-sample", RW, "--timing", "--no-verify", "--set", "max_batch_points=2", "--format", "json"),
            folder=tmp_path,
            environment=room.environment(),
        )
    advice = ran.document["targets"][0]["timing"]["advice"]
    assert re.search(r": 5 round trips of 0\.\d s: --set max_batch_points=", advice)
    assert "sends 1 request instead of 5" in advice
