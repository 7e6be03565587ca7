"""A rung ends within its time, second probes included, whatever the peer holds back and in whatever phase."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from magictel.ladder import deferred, http, tls
from magictel.ladder.climb import climb
from magictel.ladder.deferred import SECOND_PROBE, Meanwhile, seconds_left
from magictel.model.finding import Finding, Rung, Status
from tests.diagnose.scripted import exporter_at
from tests.transports.servers import OK, Authority, Handler, Server, read_request, serving

TIME = 2.0
"""Seconds of a rung that runs out of them: more than a busy machine needs to get as far as the silence."""
LONGER = 8.0
"""Where the second question must be answered, on a machine that is busy."""
PRODUCT = json.dumps({"cluster_name": "c", "version": {"number": "8.15.0"}}).encode()


def reply(body: bytes, head: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return head + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def silent(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(65536):
            pass


def drip(data: bytes) -> Handler:
    """A byte now and a byte then: no single read waits for long."""

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        with contextlib.suppress(OSError):
            for number in range(len(data) * 100):
                sock.sendall(data[number % len(data) : number % len(data) + 1])
                time.sleep(0.1)

    return handle


def then_silent(first: bytes) -> Handler:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(first)
        silent(sock)

    return handle


def each_after(seconds: float, *replies: bytes) -> Handler:
    """Every question is answered, and each so slowly that all of them together last longer than the rung may."""

    def handle(sock: socket.socket) -> None:
        while read_request(sock):
            time.sleep(seconds)
            sock.sendall(replies[0])

    return handle


def refuses_late(sock: socket.socket) -> None:
    """A 400 at the last moment, then silence to whoever asks once more."""
    if b"HTTP/1" in sock.recv(65536):
        time.sleep(TIME * 0.8)
        with contextlib.suppress(OSError):
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
    silent(sock)


@dataclass(frozen=True)
class Held_back:  # noqa: N801
    name: str
    handler: Handler
    scheme: str
    code: str
    spoken: bool = False

    @property
    def seconds(self) -> float:
        """Of the rung: a handshake comes first where TLS is spoken."""
        return 2 * TIME if self.spoken else TIME


CASES = [
    Held_back("accepts and says nothing", silent, "http", "net.http.read-timeout"),
    Held_back("accepts and says nothing to a hello", silent, "https", "tls.handshake-timeout"),
    Held_back("shakes hands and says nothing", silent, "https", "net.http.read-timeout", spoken=True),
    Held_back("headers, and no body", then_silent(OK[:-2].replace(b": 2", b": 200")), "http", "net.http.read-timeout"),
    Held_back(
        "headers, and no body, over TLS",
        then_silent(OK[:-2].replace(b": 2", b": 200")),
        "https",
        "net.http.read-timeout",
        spoken=True,
    ),
    Held_back("half a status line", then_silent(b"HTTP/1.1 2"), "http", "net.http.read-timeout"),
    Held_back("drips a header", drip(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500), "http", "net.http.read-timeout"),
    Held_back(
        "drips a header over TLS",
        drip(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500),
        "https",
        "net.http.read-timeout",
        spoken=True,
    ),
    Held_back("drips a TLS record", drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 500), "https", "tls.handshake-timeout"),
    Held_back("refuses at the last moment", refuses_late, "http", ""),
]


@contextlib.contextmanager
def faced(case: Held_back, authority: Authority) -> Iterator[Server]:
    with serving(case.handler, authority.context() if case.spoken else None) as server:
        yield server


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that second probes were given."""
    seconds: list[float] = []

    def recorded_seconds(until: float) -> float:
        seconds.append(seconds_left(until))
        return seconds[-1]

    monkeypatch.setattr(deferred, "SECOND_PROBE", LONGER)  # no bound but what is left
    for module in (deferred, http, tls):
        monkeypatch.setattr(module, "seconds_left", recorded_seconds)
    return seconds


def climbed(name: str, url: str, authority: Authority, seconds: float) -> list[Finding]:
    exporter = exporter_at(name, url, **({"ca_file": str(authority.file)} if url.startswith("https") else {}))
    try:
        return list(climb(exporter.steps(seconds)))
    finally:
        exporter.shutdown(0)


@pytest.mark.parametrize("name", ["elasticsearch", "prometheus-remote-write"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rung_ends_within_its_time(case: Held_back, name: str, authority: Authority, given: list[float]) -> None:
    with faced(case, authority) as server:  # it holds back for ever: a rung that has no end has no verdict either
        findings = climbed(name, server.https if case.scheme == "https" else server.http, authority, case.seconds)
    assert max(given, default=0.0) <= case.seconds, "a second probe is given what the rung has left"
    failed = next(finding for finding in findings if finding.outcome is Status.FAIL)
    assert failed.remedy
    if case.code:
        assert failed.code == case.code, failed
        assert "duplicate" not in failed.remedy
        assert "carried out" not in failed.message


def test_many_questions_of_one_rung_share_its_time(authority: Authority) -> None:
    with serving(each_after(3.0, reply(PRODUCT))) as server:
        findings = {finding.rung: finding for finding in climbed("elasticsearch", server.http, authority, 5.5)}
    assert findings[Rung.HTTP].outcome is Status.PASS
    assert findings[Rung.CLOCK].code == "net.http.read-timeout"


def test_a_plain_question_to_a_silent_tls_port_is_understood_within_the_time(
    authority: Authority, given: list[float]
) -> None:
    """It waits for the rest of a record: the second question is asked before the first has given up."""
    context = authority.context()

    def tls_or_silence(sock: socket.socket) -> None:
        if sock.recv(1, socket.MSG_PEEK) == b"\x16":
            context.wrap_socket(sock, server_side=True).close()
        else:
            silent(sock)

    with serving(tls_or_silence) as server:
        findings = {finding.rung: finding for finding in climbed("elasticsearch", server.http, authority, LONGER)}
    assert findings[Rung.HTTP].code == "http.tls-port"
    assert 0.0 < max(given) <= LONGER


def test_a_tls_question_to_a_plain_server_is_understood_within_the_time(
    authority: Authority, given: list[float]
) -> None:
    def plain_or_silence(sock: socket.socket) -> None:
        if sock.recv(1, socket.MSG_PEEK) == b"\x16":
            silent(sock)
        else:
            read_request(sock)
            sock.sendall(OK)

    with serving(plain_or_silence) as server:
        findings = {finding.rung: finding for finding in climbed("elasticsearch", server.https, authority, LONGER)}
    assert findings[Rung.TLS].code == "tls.plaintext-server"
    assert 0.0 < max(given) <= LONGER


def test_what_was_not_tried_for_want_of_time_is_said(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "LEAST", 100.0)  # whatever is left is too little
    with serving(lambda sock: sock.recv(65536)) as server:
        findings = {finding.rung: finding for finding in climbed("elasticsearch", server.http, authority, 60.0)}
    assert "whether the port speaks TLS" in str(findings[Rung.HTTP].evidence["not_tried"])


@pytest.mark.parametrize("seconds", [4.0, 1.0])
def test_the_second_question_waits_until_only_its_own_time_is_left(seconds: float) -> None:
    asked: list[float] = []
    was_asked = threading.Event()

    def ask(left: float) -> bool:
        asked.append(left)
        was_asked.set()
        return True

    with Meanwhile(ask, time.monotonic() + seconds) as second:
        assert not asked
    assert second.answer() is None  # the first question ended before
    assert not asked
    with Meanwhile(ask, time.monotonic() + 3.0) as second:
        assert was_asked.wait(100)
    assert second.answer() is True
    assert 0.0 < asked[0] <= 1.5


def test_a_second_probe_gets_what_is_left_and_not_more_than_its_share() -> None:
    assert seconds_left(time.monotonic() + 60) == SECOND_PROBE
    assert 0.0 < seconds_left(time.monotonic() + 1.0) <= 1.0
    assert seconds_left(time.monotonic() + 0.05) == 0.0
    assert seconds_left(time.monotonic() - 5) == 0.0
