"""StatsD by datagrams: no daemon replies, so that a point is sent and never confirmed."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.exporters.statsd.encoding import StatsdEncoder
from magictel.exporters.statsd.settings import StatsdSettings
from magictel.files import expanded
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Outcome, TooLarge, Unavailable, Unconfirmed
from magictel.net.dns import resolve
from magictel.net.listeners import listener
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import ReadBack

_REFUSAL = 0.05
"""Seconds in which this machine or its network says that nothing listens."""


class StatsdExporter(Exporter[StatsdSettings]):
    """Sends metrics to a StatsD daemon or Datadog's agent."""

    name = "statsd"
    summary = "StatsD daemons and Datadog's agent, by UDP or a Unix socket"
    Settings = StatsdSettings
    Encoder = StatsdEncoder
    confirms = False
    in_time_order = True
    """The daemon keeps the gauge that arrives last."""
    temporalities = ("delta",)
    log_words = ("statsd", ":8125", "dsd.socket", "message too long", "emsgsize")
    code_families = ("statsd",)
    limits = (
        "No daemon replies: points are sent and not confirmed. verify_with names a target that shows whether they arrived.",
        "Times are not sent: the daemon counts a point when it arrives.",
        "The Collector's statsd receiver cuts each count to a whole number, unless its counter_type is float.",
        "Of gauges that the daemon cannot tell apart, the first is sent. The others are rejected, or withheld with tags = dropped.",
        "Attributes with an empty value are not sent.",
        "Histograms become aggregates, or distributions with the middle of each bucket as its values.",
        "NaN and infinity are withheld. Exemplars, descriptions and units are not sent.",
    )
    cost = "A line of about 60 bytes for each number."

    def __init__(self, settings: StatsdSettings | None = None, **options: Any) -> None:
        self._sockets: dict[str, socket.socket] = {}
        super().__init__(settings, **options)

    def endpoint(self) -> str:
        """Return where datagrams go."""
        settings = self.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        return settings.socket or f"udp://{host}:{settings.port}"

    def route(self) -> Route:
        """A payload is a datagram."""
        return Route("", self.settings.max_batch_points, self.settings.max_datagram_bytes)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send one datagram. It is unconfirmed at best."""
        datagrams = list(_datagrams(payload.body, self.settings.max_datagram_bytes))
        most = max(map(len, datagrams))
        if most > self.settings.max_datagram_bytes:
            limit = f"a line has {most} bytes, over max_datagram_bytes = {self.settings.max_datagram_bytes}"
            return Attempted(TooLarge("statsd.too-large", limit))
        try:
            for datagram in datagrams:
                self._connected(timeout).send(datagram)
        except OSError as failure:
            self.close()
            return Attempted(self.refused_by_system(failure))
        return Attempted(Unconfirmed("statsd.silent", "StatsD has no replies"), len(payload.body))

    def refused_by_system(self, failure: OSError) -> Outcome:
        """Return the outcome of an error of the operating system: the datagram did not leave, or nothing listens."""
        code, message = self._explained(failure)
        return TooLarge(code, message) if failure.errno == errno.EMSGSIZE else Unavailable(code, message)

    def read_through(self, behind: ReadBack[Any]) -> ReadBack[Any]:
        """What a daemon forwards: names, values and tags only."""
        from magictel.exporters.statsd.readback import ForwardedReadBack  # with the query API, which no sender needs

        assert isinstance(self.encoder, StatsdEncoder)
        return ForwardedReadBack(self.encoder, behind)

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """Return the steps: the name, and whether an empty datagram leaves and is not refused."""
        resolve = {} if self.settings.socket else {Rung.DNS: lambda: self._resolves(timeout)}
        return {**resolve, Rung.WRITE: lambda: self._sends(timeout)}

    def close(self) -> None:
        """Close the socket; the next datagram opens one."""
        known = self._sockets.pop("", None)
        if known is not None:
            known.close()

    def _connected(self, timeout: float) -> socket.socket:
        known = self._sockets.get("")
        if known is None:
            opened = self._opened(timeout)
            known = self._sockets.setdefault("", opened)  # atomic: threads that come together get the same one
            if known is not opened:
                opened.close()
        known.settimeout(max(0.001, timeout))
        return known

    def _opened(self, timeout: float) -> socket.socket:
        """Return a connected socket: the system then reports a port at which nothing listens, with a later datagram."""
        if self.settings.socket:
            family, address = socket.AF_UNIX, str(expanded(self.settings.socket))
        else:
            family, _, _, _, address = self._addresses(timeout)[0]
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.settimeout(max(0.001, timeout))
            opened.connect(address)
        except BaseException:
            opened.close()
            raise
        return opened

    def _addresses(self, timeout: float) -> list[Any]:
        """Return the host's addresses, IPv4 first: of localhost's two, most daemons listen at this one only."""
        rows = resolve(self.settings.host, self.settings.port, timeout)
        return sorted(rows, key=lambda row: row[0] != socket.AF_INET)

    def _resolves(self, timeout: float) -> Finding:
        try:
            addresses = {str(row[4][0]) for row in self._addresses(timeout)}
        except OSError as failure:
            reason = failure.strerror or str(failure)
            remedy = "correct host, or this machine's DNS"
            return Finding.failed(Rung.DNS, "net.dns.not-found", f"{self.settings.host}: {reason}", remedy)
        return Finding.passed(Rung.DNS, f"{self.settings.host} is {', '.join(sorted(addresses))}")

    def _sends(self, timeout: float) -> Finding:
        try:
            with contextlib.closing(self._opened(timeout)) as probe:
                for _ in range(2):  # a refusal of the first comes with the second
                    probe.send(b"")
                    self.clock.wait(_REFUSAL, Event())
                proven = self._proven(probe)
        except OSError as failure:
            code, message = self._explained(failure)
            where = "socket" if self.settings.socket else "host and port"
            remedy = f"start the daemon or the agent, or correct {where}"
            return Finding.failed(Rung.WRITE, code, message, remedy)
        return Finding.passed(Rung.WRITE, proven)

    def _proven(self, probe: socket.socket) -> str:
        """Return what is known after a datagram that nothing refused."""
        if self.settings.socket:
            return "a process listens at this socket, and took an empty datagram; whether it reads StatsD is not known"
        here = probe.getsockname()[0] == probe.getpeername()[0]
        process = listener(self.settings.port, "udp") if here else ""
        if process:
            return f"{process} listens at this port, and took an empty datagram; whether it reads StatsD is not known"
        return "an empty datagram left this machine and nothing refused it; whether a daemon reads it is not known"

    def _explained(self, failure: OSError) -> tuple[str, str]:
        """Return code and message of a failure."""
        reason = failure.strerror or str(failure)
        if failure.errno == errno.EMSGSIZE:
            return "statsd.mtu", f"{self.endpoint()}: {reason.lower()}"
        if failure.errno in (errno.ECONNREFUSED, errno.ENOENT):
            unix = self.settings.socket or failure.errno == errno.ENOENT
            code = "statsd.uds" if unix else "statsd.refused"
            return code, f"{self.endpoint()}: nothing is listening ({reason.lower()})"
        return "statsd.unreachable", f"{self.endpoint()}: {reason.lower()}"


def _datagrams(body: bytes, most: int) -> Iterator[bytes]:
    """Yield lines, as many as fit into a datagram: a histogram may have more."""
    datagram = b""
    for line in body.splitlines(keepends=True) if len(body) > most else (body,):
        if datagram and len(datagram) + len(line) > most:
            yield datagram
            datagram = b""
        datagram += line
    yield datagram
