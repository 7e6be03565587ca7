"""Probes of OTLP receivers: path, credentials, receiver. Only the probe of an empty export, which must be allowed, writes."""

from __future__ import annotations

from magictel.exporters.otlp.readback import query_wire
from magictel.exporters.otlp.response import judge, refusal
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.http.wire import Reply, Wire
from magictel.ladder.credentials import REFUSED, accepted, empty_write, named_by_others, refused, unauthorized
from magictel.ladder.http import unavailable
from magictel.ladder.probe import probe
from magictel.ladder.write_path import unproven, write_path
from magictel.model.finding import Finding, Rung, SideEffect
from magictel.plugin.http_exporter import HttpExporter

_EXPECTED = "an OTLP receiver"
_PATHS = (
    "the Collector's is /v1/metrics, Prometheus' /api/v1/otlp/v1/metrics, VictoriaMetrics' /opentelemetry/v1/metrics"
)
_COLLECTOR = "405 method not allowed, supported: [POST]"


class OtlpProbes(HttpExporter[OtlpSettings]):
    """The probes; `OtlpExporter` adds the rest."""

    products = ("VictoriaMetrics", "Prometheus")

    @probe(Rung.HTTP, "this address accepts OTLP over HTTP")
    def receiver_path(self, wire: Wire) -> Finding:
        """Send a GET, which writes nothing: OTLP receivers answer 405."""
        reply = write_path(wire, "", _EXPECTED, self.products)
        if isinstance(reply, Finding):
            return reply
        seen = {"status": reply.status}
        known = refusal(reply)
        if known is not None and known.code == "prom.otlp.disabled":
            return known.finding(Rung.HTTP, **seen)
        if reply.status == 404 and not _by_method(wire, reply):
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
        body, headers = self.compress(b"")
        return empty_write(
            wire,
            "",
            body,
            {"Content-Type": self.content_type, **headers},
            lambda reply: self._refused(wire, reply),
            lambda reply: judge(0, reply, self.clock.now(), self.products),
        )

    def _refused(self, wire: Wire, reply: Reply) -> Finding:
        if named_by_others(reply):
            outcome = judge(0, reply, self.clock.now(), self.products)
            return refused(reply, wire, outcome, authenticate=self.sent_credentials().remedy)
        return unauthorized(reply, wire, self.sent_credentials())


def _by_method(wire: Wire, reply: Reply) -> bool:
    """Return whether a 404 may concern the method only: rotel answers an empty one to every GET, also on the path of its receiver."""
    return not reply.body and wire.endpoint.path.endswith("/v1/metrics")
