"""The steps of an HTTP exporter: its probes and the network's rungs, over every node."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

import pytest

from magictel.clock import SystemClock
from magictel.encoding.payload import Payload, Route
from magictel.http.classify import judge_status
from magictel.http.wire import Reply, Wire
from magictel.ladder.climb import climb
from magictel.ladder.http import answered
from magictel.ladder.probe import probe, probes_of
from magictel.ladder.steps import http_steps
from magictel.model.finding import Finding, Rung, SideEffect, Status
from magictel.model.outcome import Outcome
from magictel.net.address import parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.net.tls import TlsOptions
from magictel.transports.http import HttpTransport
from tests.transports.servers import OK, answers, free_port, serving


class Exporter:
    """As much of an exporter as the ladder asks for."""

    name = target = "acme"
    climb_until: float | None = None
    products = ("Acme",)

    def __init__(self, *urls: str, allowed: Sequence[SideEffect] = (), proxy: str | None = "") -> None:
        self.settings: Any = types.SimpleNamespace(proxy=proxy, trust_env=False)
        self.clock = SystemClock()
        self.allowed = frozenset(allowed)
        self.transport = HttpTransport(environment={})
        self._urls = urls

    def endpoints(self) -> Sequence[Endpoint]:
        return [parse_endpoint(url).endpoint for url in self._urls]

    def tls_options(self) -> TlsOptions:
        return TlsOptions()

    def wire(self, endpoint: Endpoint | None = None, timeout: float | None = None) -> Wire:
        return Wire(self.transport, endpoint or self.endpoints()[0], timeout=timeout or 120)

    def window(self) -> tuple[float, float]:
        return float("inf"), 600.0

    def route(self) -> Route:
        return Route("/write", 100, 1_000_000)

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        return judge_status(reply, self.clock.now())

    @probe(Rung.HTTP, "it is a backend")
    def product(self, wire: Wire) -> Finding:
        reply = answered(wire)
        return reply if isinstance(reply, Finding) else Finding.passed(Rung.HTTP, "a backend")

    @probe(Rung.HEALTH, "it is healthy")
    def health(self, wire: Wire) -> Finding:
        return Finding.passed(Rung.HEALTH, f"node {wire.endpoint.port} is healthy")

    @probe(Rung.WRITE, "it takes an empty write", SideEffect.EMPTY_WRITE)
    def empty_write(self, wire: Wire) -> Finding:
        wire.post("/_bulk")
        return Finding.passed(Rung.WRITE, "it takes an empty write")


class Wrong(Exporter):
    def health(self, wire: Wire) -> Finding:
        raise ZeroDivisionError


def climbed(exporter: Exporter, timeout: float = 120.0) -> dict[Rung, Finding]:
    try:
        return {finding.rung: finding for finding in climb(http_steps(exporter, timeout))}
    finally:
        exporter.transport.close()


def test_probes_stand_in_the_ladders_order_and_are_inherited() -> None:
    probes = probes_of(Wrong)
    assert [probe.rung for probe in probes] == [Rung.HTTP, Rung.HEALTH, Rung.WRITE]
    assert probes[2].side_effect is SideEffect.EMPTY_WRITE
    assert probes[1].sentence == "it is healthy"


def test_a_healthy_backend_passes_from_dns_to_health() -> None:
    with serving(answers(OK)) as server:
        findings = climbed(Exporter(server.http))
    outcomes = {rung: findings[rung].outcome for rung in (Rung.DNS, Rung.TCP, Rung.TLS, Rung.HTTP, Rung.HEALTH)}
    assert outcomes == {
        Rung.DNS: Status.PASS,
        Rung.TCP: Status.PASS,
        Rung.TLS: Status.SKIPPED,
        Rung.HTTP: Status.PASS,
        Rung.HEALTH: Status.PASS,
    }
    assert (findings[Rung.CLOCK].outcome, findings[Rung.CLOCK].code) == (Status.WARN, "clock.unreadable")


def test_a_probe_with_a_side_effect_is_not_asked_unless_allowed() -> None:
    with serving(answers(OK)) as server:
        finding = climbed(Exporter(server.http))[Rung.WRITE]
        assert (finding.outcome, "--allow empty-write" in finding.message) == (Status.SKIPPED, True)
        allowed = climbed(Exporter(server.http, allowed=[SideEffect.EMPTY_WRITE]))[Rung.WRITE]
        assert allowed.outcome is Status.PASS


def test_a_node_that_is_down_warns_and_is_not_asked_again() -> None:
    down = free_port()
    with serving(answers(OK)) as server:
        findings = climbed(Exporter(f"http://127.0.0.1:{down}", server.http))
    assert (findings[Rung.TCP].outcome, findings[Rung.TCP].code) == (Status.WARN, "net.tcp.refused")
    assert findings[Rung.HTTP].outcome is Status.PASS
    rows = findings[Rung.HTTP].evidence["endpoints"]
    assert [(row["endpoint"], row["outcome"]) for row in rows] == [
        (server.http, "pass"),
        (f"http://127.0.0.1:{down}", "blocked"),
    ]


def test_all_nodes_down_fails_and_blocks() -> None:
    findings = climbed(Exporter(f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"))
    assert (findings[Rung.TCP].outcome, findings[Rung.TCP].code) == (Status.FAIL, "net.tcp.refused")
    assert (findings[Rung.WRITE].outcome, findings[Rung.WRITE].blocked_by) == (Status.BLOCKED, Rung.TCP)


def test_a_node_that_hangs_leaves_time_for_the_others() -> None:
    def hangs(sock: Any) -> None:
        while sock.recv(1000):
            pass

    with serving(hangs) as silent, serving(answers(OK)) as server:
        findings = climbed(Exporter(silent.http, server.http), timeout=4.0)
    assert (findings[Rung.HTTP].outcome, findings[Rung.HTTP].code) == (Status.WARN, "net.http.read-timeout")


def test_a_probes_bug_does_not_hide_the_other_rungs() -> None:
    with serving(answers(OK)) as server:
        findings = climbed(Wrong(server.http))
    assert findings[Rung.HEALTH].code == "internal.probe"
    assert findings[Rung.WRITE].outcome is Status.SKIPPED


@pytest.mark.parametrize("path", ["", "/es"])
def test_a_proxy_that_is_down_shows_on_tcp(path: str) -> None:
    with serving(answers(OK)) as server:
        findings = climbed(Exporter(server.http + path, proxy=f"http://127.0.0.1:{free_port()}"))
    assert (findings[Rung.TCP].outcome, findings[Rung.TCP].code) == (Status.FAIL, "http.proxy.down")
