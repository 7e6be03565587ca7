"""The ladder of an HTTP exporter, from dns to write, over every endpoint: general network rungs, then the exporter's probes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from magictel.clock import Clock
from magictel.encoding.payload import Payload, Route
from magictel.errors import WireError
from magictel.http.wire import Reply, Wire
from magictel.ladder.climb import write_decides
from magictel.ladder.clock import clock, time_of
from magictel.ladder.credentials import REFUSED, SentCredentials, refused
from magictel.ladder.dns import dns
from magictel.ladder.endpoints import merge
from magictel.ladder.http import explain_wire_error, unavailable
from magictel.ladder.probe import ProbeInfo, probes_of
from magictel.ladder.tcp import tcp
from magictel.ladder.tls import tls
from magictel.ladder.write_path import unproven, write_path
from magictel.model.finding import Finding, Rung, SideEffect, Status
from magictel.model.outcome import Outcome
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, proxy_for
from magictel.net.tls import TlsOptions

_ASKED = (Rung.HTTP, Rung.AUTH, Rung.CLOCK, Rung.HEALTH, Rung.WRITE)


class HttpLadder(Protocol):
    """The part of an exporter that the ladder needs (implemented by `magictel.plugin.http_exporter.HttpExporter`)."""

    name: ClassVar[str]
    products: ClassVar[tuple[str, ...]]
    target: str
    settings: Any
    clock: Clock
    allowed: frozenset[SideEffect]
    climb_until: float | None

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the addresses to check."""
        ...

    def tls_options(self) -> TlsOptions:
        """Return the TLS options."""
        ...

    def wire(self, endpoint: Endpoint | None = None, timeout: float | None = None) -> Wire:
        """Return a wire to one of them."""
        ...

    def route(self) -> Route:
        """Return the route of payloads."""
        ...

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Return the outcome of a reply to a write."""
        ...

    def sent_credentials(self) -> SentCredentials:
        """Return the credentials that are sent, with the remedy for a 401."""
        ...

    def window(self) -> tuple[float, float]:
        """Return the seconds of past and future for which the backend accepts points."""
        ...


class Networked(Protocol):
    """The part of an exporter that the network rungs need, whatever it speaks there."""

    settings: Any
    clock: Clock
    climb_until: float | None

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the addresses to check."""
        ...

    def tls_options(self) -> TlsOptions:
        """Return the TLS options."""
        ...


def network_steps(
    exporter: Networked, timeout: float, rungs: Sequence[Rung] = (Rung.DNS, Rung.TCP, Rung.TLS)
) -> Mapping[Rung, Callable[[], Finding]]:
    """Return the steps below a protocol of one's own; one of datagrams climbs `(Rung.DNS,)` only."""
    climb = _NetworkClimb(exporter, timeout)
    checks = {Rung.DNS: climb.dns, Rung.TCP: climb.tcp, Rung.TLS: climb.tls}
    return {rung: lambda rung=rung: climb.each(rung, checks[rung]) for rung in rungs}  # type: ignore[misc] # its own default


def http_steps(exporter: HttpLadder, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
    """Return the steps from dns to write; `timeout` seconds per rung, shared by its endpoints. A failed node is not checked again."""
    climbing = _HttpClimb(exporter, timeout)
    steps: dict[Rung, Callable[[], Finding]] = {
        Rung.DNS: lambda: climbing.each(Rung.DNS, climbing.dns),
        Rung.TCP: lambda: climbing.each(Rung.TCP, climbing.tcp),
        Rung.TLS: lambda: climbing.each(Rung.TLS, climbing.tls),
    }
    for rung in _ASKED:
        own_probes = [probe for probe in probes_of(type(exporter)) if probe.rung is rung]
        if own_probes:
            steps[rung] = climbing.probed(rung, own_probes)
    steps.setdefault(Rung.HTTP, lambda: climbing.each(Rung.HTTP, climbing.http))
    steps.setdefault(Rung.AUTH, lambda: climbing.each(Rung.AUTH, climbing.auth))
    steps.setdefault(Rung.CLOCK, lambda: climbing.each(Rung.CLOCK, climbing.clock))
    return steps


class _NetworkClimb:
    """A climb of the network rungs, with the endpoints that have not failed."""

    def __init__(self, exporter: Networked, timeout: float) -> None:
        self._networked = exporter
        self._timeout = timeout
        self._standing = list(exporter.endpoints())
        self._gone: dict[Endpoint, Finding] = {}

    def each(self, rung: Rung, ask: Callable[[Endpoint, float], Finding]) -> Finding:
        """Check every endpoint that has not failed, each with its share of the remaining time."""
        until = time.monotonic() + self._timeout
        if self._networked.climb_until is not None:
            until = min(until, self._networked.climb_until)
        findings: dict[Endpoint, Finding] = {}
        for number, endpoint in enumerate(self._standing):
            share = max(0.1, until - time.monotonic()) / (len(self._standing) - number)
            findings[endpoint] = ask(endpoint, share)
        merged = merge(rung, findings, self._gone)
        failed = {endpoint: finding for endpoint, finding in findings.items() if finding.outcome is Status.FAIL}
        if len(failed) < len(
            findings
        ):  # otherwise the rung itself fails, or is to be skipped: then all are checked again above
            self._gone |= failed
            self._standing = [endpoint for endpoint in self._standing if endpoint not in failed]
        return merged

    def dns(self, endpoint: Endpoint, seconds: float) -> Finding:
        return dns(endpoint, proxy=self._proxy(endpoint), timeout=seconds)

    def tcp(self, endpoint: Endpoint, seconds: float) -> Finding:
        return tcp(endpoint, proxy=self._proxy(endpoint), timeout=seconds)

    def tls(self, endpoint: Endpoint, seconds: float) -> Finding:
        exporter = self._networked
        return tls(
            endpoint,
            exporter.tls_options(),
            now=exporter.clock.now(),
            proxy=self._proxy(endpoint),
            timeout=seconds,
        )

    def _proxy(self, endpoint: Endpoint) -> Proxy | None:
        settings = self._networked.settings
        if not hasattr(settings, "proxy"):  # what speaks no HTTP goes through none
            return None
        return proxy_for(endpoint, settings.proxy, trust_env=settings.trust_env, environment=os.environ)  # noqa: TID251


class _HttpClimb(_NetworkClimb):
    """A climb that goes on with HTTP."""

    def __init__(self, exporter: HttpLadder, timeout: float) -> None:
        super().__init__(exporter, timeout)
        self._exporter = exporter
        self._wires: dict[Endpoint, list[Wire]] = {}
        """The exchanges of each endpoint for http and auth."""
        self._known: dict[Endpoint, dict[str, Reply]] = {}
        """Replies of each endpoint that a later rung need not ask for again."""
        self._writes_next = bool({SideEffect.EMPTY_WRITE, SideEffect.CANARY_WRITE} & exporter.allowed)

    def http(self, endpoint: Endpoint, seconds: float) -> Finding:
        """Check http without own probes: send a GET to the write path."""
        exporter = self._exporter
        wire = self._wire(endpoint, seconds, Rung.HTTP)
        reply = write_path(wire, exporter.route().path, exporter.name, exporter.products)
        if isinstance(reply, Finding):
            return self._decided(reply)
        if reply.status in REFUSED:
            return Finding.passed(Rung.HTTP, f"answers HTTP ({reply.status})", status=reply.status)
        remedy = f"magictel check {exporter.target} --round-trip"
        if reply.status in (500, 501):  # as many servers answer to an unexpected method or an empty body
            busy = None
        else:
            busy = unavailable(reply, wire, exporter.clock.now(), exporter.name)
        return busy or unproven(reply, wire, exporter.name, remedy, exporter.products)

    def auth(self, endpoint: Endpoint, seconds: float) -> Finding:
        """Check auth without own probes: is the GET on the write path rejected?"""
        failed = self._refused(self._wire(endpoint, seconds, Rung.AUTH))
        return failed or Finding.passed(Rung.AUTH, "the credentials are not rejected")

    def _refused_everywhere(self, endpoint: Endpoint, wire: Wire) -> Finding | None:
        """Return the finding if every request so far was answered with 401 or 403."""
        asked = {exchange.status for known in self._wires.get(endpoint, ()) for exchange in known.exchanges}
        return self._refused(wire) if asked and asked <= REFUSED else None

    def _refused(self, wire: Wire) -> Finding | None:
        reply = wire.get(self._exporter.route().path)
        if reply.status not in REFUSED:
            return None
        verdict = self._exporter.judge(Payload(b"", 1), reply)
        return self._decided(refused(reply, wire, verdict, authenticate=self._exporter.sent_credentials().remedy))

    def _decided(self, finding: Finding) -> Finding:
        return write_decides(finding) if self._writes_next else finding

    def clock(self, endpoint: Endpoint, seconds: float) -> Finding:
        try:
            reply = self._wire(endpoint, seconds).get("/")
        except WireError:
            return clock(None, self._exporter.clock.now(), self._exporter.window())
        # Assume that the Date is that of the middle of the exchange.
        now = self._exporter.clock.now() - reply.seconds / 2
        return clock(time_of(reply), now, self._exporter.window())

    def probed(self, rung: Rung, probes: Sequence[ProbeInfo]) -> Callable[[], Finding]:
        """Return a step that runs the exporter's own probes of a rung."""

        def ask(endpoint: Endpoint, seconds: float) -> Finding:
            wire = self._wire(endpoint, seconds, rung)
            findings = [self._decided(self._ask(probe, wire)) for probe in probes]
            order = (Status.FAIL, Status.WARN, Status.PASS, Status.SKIPPED, Status.BLOCKED)
            worst = min(findings, key=lambda finding: order.index(finding.outcome))
            if rung is not Rung.AUTH or worst.outcome is Status.FAIL:
                return worst
            return self._refused_everywhere(endpoint, wire) or worst

        return lambda: self.each(rung, ask)

    def _ask(self, probe: ProbeInfo, wire: Wire) -> Finding:
        if probe.side_effect is not SideEffect.READ_ONLY and probe.side_effect not in self._exporter.allowed:
            return Finding.skipped(probe.rung, f"skipped (add --allow {probe.side_effect})")
        try:
            return probe.climb(self._exporter, wire)
        except WireError as failure:
            return explain_wire_error(failure, wire, probe.rung)

    def _wire(self, endpoint: Endpoint, seconds: float, rung: Rung | None = None) -> Wire:
        """Return a wire whose requests together end within `seconds`."""
        wire = self._exporter.wire(endpoint, seconds)
        if rung in (Rung.HTTP, Rung.AUTH):
            self._wires.setdefault(endpoint, []).append(wire)
        wire.known = self._known.setdefault(endpoint, {})
        wire.until = time.monotonic() + seconds
        wire.proxied = self._proxy(endpoint) is not None
        return wire
