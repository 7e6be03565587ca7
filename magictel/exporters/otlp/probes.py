"""Probes of OTLP receivers: path, credentials, receiver. Only the probe of an empty export, which must be allowed, writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from magictel.exporters.otlp import grpc_probes
from magictel.exporters.otlp.readback import query_wire
from magictel.exporters.otlp.response import judge, refusal
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.http.wire import Reply, Wire
from magictel.ladder.credentials import REFUSED, accepted, empty_write, named_by_others, refused, unauthorized
from magictel.ladder.http import unavailable
from magictel.ladder.probe import probe
from magictel.ladder.sniff import listens_on_localhost_only
from magictel.ladder.write_path import unproven, write_path
from magictel.model.finding import Finding, Rung, SideEffect
from magictel.model.outcome import Outcome
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter

_EXPECTED = "an OTLP receiver"
_SIGNAL = "/v1/metrics"
_KNOWN = ("/v1/metrics", "/api/v1/otlp/v1/metrics", "/opentelemetry/v1/metrics")
_PATHS = (
    "the Collector's is /v1/metrics, Prometheus' /api/v1/otlp/v1/metrics, VictoriaMetrics' /opentelemetry/v1/metrics"
)
_COLLECTOR = "405 method not allowed, supported: [POST]"


class OtlpProbes(HttpExporter[OtlpSettings]):
    """The probes; `OtlpExporter` adds the rest."""

    products = ("VictoriaMetrics", "Prometheus")

    @probe(Rung.HTTP, "this address accepts OTLP over HTTP")
    def receiver_path(self, wire: Wire) -> Finding:
        """Send a GET, which writes nothing: OTLP receivers answer 405. Over gRPC, call the health service."""
        if self._grpc:
            return grpc_probes.speaks_grpc(wire, self._judge)
        reply = write_path(wire, "", _EXPECTED, self.products)
        if isinstance(reply, Finding):
            return reply
        seen = {"status": reply.status}
        known = refusal(reply)
        if known is not None and known.code == "prom.otlp.disabled":
            return known.finding(Rung.HTTP, **seen)
        by_method = _by_method(wire, reply)
        elsewhere = another_path(wire, reply) if reply.status == 404 else None
        if elsewhere is not None and (elsewhere.code != "otlp.path" or not by_method):
            return elsewhere
        if reply.status == 404 and not by_method:
            message = f"{wire.endpoint} is not the path of {_EXPECTED}: it answers 404"
            return Finding.failed(Rung.HTTP, "otlp.path", message, _PATHS, first_bytes=wire.first_bytes(reply), **seen)
        if reply.status in REFUSED:
            return Finding.passed(Rung.HTTP, f"it answers {reply.status}: it asks for credentials or rights", **seen)
        if reply.status == 405:
            named = "the Collector's OTLP receiver" if _COLLECTOR in reply.text[:200] else "the path"
            return Finding.passed(Rung.HTTP, f"{named} answers, and accepts POST only", **seen)
        if reply.ok and reply.body.strip():
            return Finding.failed(
                Rung.HTTP,
                "http.not-a-backend",
                f"{reply.status} to a GET with a body, which is not how {_EXPECTED} answers",
                "check host, port and path: another service listens there",
                first_bytes=wire.first_bytes(reply),
                **seen,
            )
        busy = None if reply.status == 501 else unavailable(reply, wire, self.clock.now(), _EXPECTED)
        remedy = f"magictel check {self.target} --allow empty-write"
        return busy or unproven(reply, wire, _EXPECTED, remedy, self.products)

    @probe(Rung.AUTH, "the credentials are accepted")
    def credentials(self, wire: Wire) -> Finding:
        """Check the write path; receivers that authenticate do so before they look at the method."""
        if self._grpc:
            return grpc_probes.credentials(wire, self._judge)
        reply = wire.get("")
        if reply.status in REFUSED:
            return self._refused(wire, reply)
        return accepted(wire, "", bool(self.sent_credentials().option))

    @probe(Rung.WRITE, "the OTLP receiver is switched on")
    def receiver(self, wire: Wire) -> Finding:
        """Read Prometheus' flags; of other receivers only a write shows whether they accept it."""
        ask = "only an empty export shows whether writing is allowed: add --allow empty-write"
        reading = query_wire(self.settings, wire)
        flags = reading.get("/api/v1/status/flags").json() if reading is not None else None
        values = flags.get("data") if isinstance(flags, dict) else None
        if not isinstance(values, dict) or "web.enable-otlp-receiver" not in values:
            return Finding.skipped(Rung.WRITE, ask)
        if values["web.enable-otlp-receiver"] != "true":
            return Finding.failed(
                Rung.WRITE,
                "prom.otlp.disabled",
                "this Prometheus' OTLP receiver is switched off",
                "start it with --web.enable-otlp-receiver",
            )
        return Finding.passed(Rung.WRITE, "the OTLP receiver is enabled; Prometheus checks no permissions")

    @probe(Rung.WRITE, "an empty export is accepted", SideEffect.EMPTY_WRITE)
    def empty_export(self, wire: Wire) -> Finding:
        """Send a request without points, which stores nothing: receivers should answer 200 (OTLP's specification)."""
        if self._grpc:
            return grpc_probes.empty_export(wire, self._judge)
        body, headers = self.compress(b"{}" if self.settings.protocol == "http/json" else b"")
        content_type = self.route().content_type or self.content_type
        given = {"Content-Type": content_type, **headers}
        return empty_write(wire, "", body, given, lambda reply: self._refused(wire, reply), self._judge)

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """Add: a refused connection may come from a receiver that listens on localhost only, as the Collector does by default."""
        steps = dict(super().steps(timeout))
        tcp, tls = steps[Rung.TCP], steps[Rung.TLS]
        steps[Rung.TCP] = lambda: _localhost_only(tcp(), self.endpoints()[0], timeout)
        if self._grpc:
            steps[Rung.TLS] = lambda: grpc_probes.in_grpc_terms(tls())
            del steps[Rung.CLOCK]  # no answer in gRPC has a Date
        return steps

    @property
    def _grpc(self) -> bool:
        return self.settings.protocol == "grpc"

    def _judge(self, reply: Reply) -> Outcome:
        """Return the outcome of a reply to an empty export."""
        return judge(0, reply, self.clock.now(), self.products)

    def _refused(self, wire: Wire, reply: Reply) -> Finding:
        known = refusal(reply)
        if known is not None:
            return known.finding(Rung.AUTH, status=reply.status, first_bytes=wire.first_bytes(reply))
        if named_by_others(reply):
            return refused(reply, wire, self._judge(reply), authenticate=self.sent_credentials().remedy)
        return unauthorized(reply, wire, self.sent_credentials())


def _by_method(wire: Wire, reply: Reply) -> bool:
    """Return whether a 404 may concern the method only: rotel answers an empty one to every GET, also on the path of its receiver."""
    return not reply.body and wire.endpoint.path.endswith("/v1/metrics")


def another_path(wire: Wire, reply: Reply) -> Finding | None:
    """Return the finding for a 404 where a GET to another path of this server shows a receiver, or None."""
    here = wire.endpoint
    for code, path in _other_paths(here.path):
        there = wire.at(Endpoint(here.scheme, here.host, here.port, path))
        status = there.get("").status
        if status == 405 or status in REFUSED:
            message = f"{here} answers 404; an OTLP receiver answers at {there.endpoint}"
            remedy = f"set url to {there.endpoint}{_HINTS.get(code, '')}"
            return Finding.failed(Rung.HTTP, code, message, remedy, status=404, first_bytes=wire.first_bytes(reply))
    return None


_HINTS = {
    "otlp.path.doubled": f"; OTEL_EXPORTER_OTLP_ENDPOINT is written without {_SIGNAL}, which is appended",
    "otlp.path.signal": f"; OTEL_EXPORTER_OTLP_METRICS_ENDPOINT and url are used as they are, with {_SIGNAL}",
}


def _other_paths(path: str) -> Iterator[tuple[str, str]]:
    """Yield the paths that may be meant, each with the code of the mistake."""
    if path.endswith(_SIGNAL * 2):
        yield "otlp.path.doubled", path.removesuffix(_SIGNAL)
    elif not path.endswith(_SIGNAL):
        yield "otlp.path.signal", path + _SIGNAL
    yield from (("otlp.path", known) for known in _KNOWN if known != path)


def _localhost_only(finding: Finding, endpoint: Endpoint, timeout: float) -> Finding:
    if finding.code != "net.tcp.refused" or not listens_on_localhost_only(endpoint, timeout):
        return finding
    return Finding.failed(
        Rung.TCP,
        "otlp.localhost-bind",
        f"{endpoint.host} refuses the connection, but port {endpoint.port} of this machine is open on 127.0.0.1",
        f"let the receiver listen on this address as well: endpoint: 0.0.0.0:{endpoint.port} in the Collector's otlp receiver",
        **finding.evidence,
    )
