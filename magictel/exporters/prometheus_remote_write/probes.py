"""Probes of remote write: path, credentials, readiness, receiver. Only the probe of an empty write, which must be allowed, writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from magictel.encoding.payload import Payload
from magictel.exporters.prometheus_remote_write.readback import query_wire
from magictel.exporters.prometheus_remote_write.response import refusal
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.exporters.prometheus_remote_write.written import NOT_VERSION_2
from magictel.http.wire import Reply, Wire
from magictel.ladder.credentials import REFUSED, accepted, empty_write, named_by_others, refused, unauthorized
from magictel.ladder.http import unavailable
from magictel.ladder.probe import probe
from magictel.ladder.write_path import unproven, write_path
from magictel.model.finding import UNPROVEN, Finding, Rung, SideEffect
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter
from magictel.promql.victoriametrics import is_victoriametrics

_EXPECTED = "a remote-write receiver"
_READS_BODIES = frozenset({"prom.rw.snappy", "prom.rw.protobuf"})
"""Codes of receivers that treat a GET as a write without a body."""
_WRITE_PATHS = ("/api/v1/write", "/api/v1/push", "/prometheus")
"""Of VictoriaMetrics; the last one in its cluster and in vmagent."""
_OTHER_FORMAT = re.compile(
    r"/(?:write|api/v1/import(?:/[a-z/]+)?|opentelemetry(?:/.*)?|datadog(?:/.*)?|newrelic(?:/.*)?)/?$"
)
_NOTHING = Payload(b"", 0)
_QUERY = "/api/v1/query"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_REFUSES_POST = frozenset({*REFUSED, 404, 405, 501})


class RemoteWriteProbes(HttpExporter[PrometheusRemoteWriteSettings]):
    """The probes; `PrometheusRemoteWriteExporter` adds the rest."""

    products = ("VictoriaMetrics",)

    @probe(Rung.HTTP, "this address accepts remote write")
    def remote_write_path(self, wire: Wire) -> Finding:
        """Send a GET, which writes nothing: Prometheus and Mimir answer 405, VictoriaMetrics treats it as an empty write."""
        reply = write_path(wire, "", _EXPECTED, self.products)
        if isinstance(reply, Finding):
            return reply
        product = self._product(wire, reply)
        seen = {"status": reply.status, "product": product}
        named = product or "the backend"
        if (reply.status == 404 and product) or "unsupported path requested" in reply.text[:2_000]:
            return Finding.failed(
                Rung.HTTP,
                "prom.rw.path",
                f"{wire.endpoint} is not a remote-write path: {named} answers {reply.status}",
                "Prometheus accepts remote write at /api/v1/write, Mimir at /api/v1/push, VictoriaMetrics at /api/v1/write",
                **seen,
            )
        if reply.status in REFUSED:
            return Finding.passed(
                Rung.HTTP, f"{named} answers {reply.status}: it asks for credentials or rights", **seen
            )
        if reply.ok and is_victoriametrics(reply) and not wire.endpoint.path.rstrip("/").endswith(_WRITE_PATHS):
            return self._other_path(wire, seen)  # it answers a GET on every path alike
        if product and (reply.ok or reply.status == 405):
            return Finding.passed(Rung.HTTP, f"{named}, and the write path exists", **seen)
        row = refusal(reply)
        if row is not None and row.code in _READS_BODIES:
            return Finding.passed(Rung.HTTP, f"{named} reads remote-write bodies at this path", **seen)
        if reply.ok and reply.body.strip():
            return Finding.failed(
                Rung.HTTP,
                "http.not-a-backend",
                f"{reply.status} to a GET on the write path with a body, which is not how {_EXPECTED} answers",
                "check host, port and path: another service listens there",
                first_bytes=wire.first_bytes(reply),
                **seen,
            )
        busy = None if row is not None or reply.status == 501 else unavailable(reply, wire, self.clock.now(), _EXPECTED)
        remedy = f"magictel check {self.target} --allow empty-write"
        return busy or unproven(reply, wire, _EXPECTED, remedy, self.products)

    @probe(Rung.AUTH, "the credentials are accepted")
    def credentials(self, wire: Wire) -> Finding:
        """Check the write path and the query API; a refusal by the query API is a warning only, because exporting does not need it."""
        reply = wire.get("")
        if reply.status in REFUSED:
            return self._refused(wire, reply)
        reading = query_wire(self.settings, wire)
        if reading is None:
            return Finding.passed(
                Rung.AUTH, "the write path does not refuse the credentials; no query API is known for a further check"
            )
        reply = reading.get(f"{_QUERY}?query=vector(1)")
        row = refusal(reply)
        if row is not None and row.code.startswith("mimir."):
            return self._refused(reading, reply)
        if reply.status in REFUSED:
            return Finding.warned(
                Rung.AUTH,
                "prom.read.forbidden",
                f"the query API refuses these credentials ({reply.status}): what is sent cannot be read back",
                "use credentials that may read as well, or query_url",
                status=reply.status,
            )
        refuses = self._refuses_posts(wire, reading) if reply.ok else None
        return refuses or accepted(wire, "", bool(self.sent_credentials().option))

    @probe(Rung.HEALTH, "the backend reports that it is ready")
    def ready(self, wire: Wire) -> Finding:
        """Prometheus' and VictoriaMetrics' /-/ready, else /health."""
        reading = query_wire(self.settings, wire)
        for path in ("/-/ready", "/health") if reading is not None else ():
            assert reading is not None
            reply = reading.get(path)
            response = reading.first_bytes(reply)
            if reply.ok and not reply.body.lstrip().startswith(b"<"):  # VictoriaMetrics calls its sentence text/html
                return Finding.passed(Rung.HEALTH, response or "ready", path=path)
            if reply.status in REFUSED:
                return Finding.warned(
                    Rung.HEALTH, "prom.health.forbidden", f"{path} may not be read ({reply.status})", None
                )
            if reply.status >= 500 and reply.status != 501:  # 501: it takes no GET at all
                return Finding.failed(
                    Rung.HEALTH,
                    "prom.health.not-ready",
                    f"not ready ({reply.status}): {response}",
                    "magictel check --wait 60s (a Prometheus that starts replays its log first)",
                    path=path,
                )
        return Finding.skipped(Rung.HEALTH, "this backend has no known readiness endpoint")

    @probe(Rung.WRITE, "the remote-write receiver is switched on")
    def receiver(self, wire: Wire) -> Finding:
        """Read Prometheus' flags; of other receivers only a write shows whether they accept it."""
        ask = "only an empty write shows whether writing is allowed: add --allow empty-write"
        reading = query_wire(self.settings, wire)
        flags = reading.get("/api/v1/status/flags").json() if reading is not None else None
        values = flags.get("data") if isinstance(flags, dict) else None
        if not isinstance(values, dict) or "web.enable-remote-write-receiver" not in values:
            return Finding.skipped(Rung.WRITE, ask)
        on = values["web.enable-remote-write-receiver"] == "true"
        if not on and "remote-write-receiver" not in str(values.get("enable-feature", "")):
            return Finding.failed(
                Rung.WRITE,
                "prom.rw.disabled",
                "this Prometheus' remote-write receiver is switched off",
                "start it with --web.enable-remote-write-receiver",
            )
        assert reading is not None
        if self._refuses_posts(wire, reading) is not None:
            return Finding.skipped(Rung.WRITE, ask)
        return Finding.passed(Rung.WRITE, "the remote-write receiver is enabled; Prometheus checks no permissions")

    @probe(Rung.WRITE, "an empty write is accepted", SideEffect.EMPTY_WRITE)
    def empty_write(self, wire: Wire) -> Finding:
        """Send a request without series, which stores nothing (Prometheus 2 and 3, VictoriaMetrics: 2xx)."""
        finding = self._empty_write(wire, self.form())
        if finding.code == NOT_VERSION_2 and self.settings.protocol == "auto":
            return self._empty_write(wire, "1.0")
        return finding

    def _empty_write(self, wire: Wire, form: str) -> Finding:
        nothing = Payload(b"", 0, form=form)
        body, headers = self.compress(self.encoder.frame(nothing))
        return empty_write(
            wire,
            "",
            body,
            {**headers, **self.form_headers(form)},
            lambda reply: self._refused(wire, reply),
            lambda reply: self.judge(nothing, reply),
        )

    def _refuses_posts(self, wire: Wire, reading: Wire) -> Finding | None:
        """Return the warning where the address, which answers a query by GET, refuses it by POST: a write is a POST as well.

        Prometheus' query API takes both alike, and neither changes anything, so the one that refuses is a proxy.
        """
        if wire.endpoint.origin != reading.endpoint.origin:
            return None
        reply = reading.request("POST", _QUERY, body=b"query=vector(1)", headers=_FORM)
        if reply.status not in _REFUSES_POST:
            return None
        return Finding.warned(
            Rung.AUTH,
            UNPROVEN,
            f"a query is answered by GET and refused by POST ({reply.status}): this does not show whether a write is accepted",
            f"magictel check {self.target} --allow empty-write",
            status=reply.status,
            first_bytes=wire.first_bytes(reply),
        )

    def _refused(self, wire: Wire, reply: Reply) -> Finding:
        known = refusal(reply)
        if known is not None:
            return known.finding(Rung.AUTH, status=reply.status, body=wire.first_bytes(reply))
        if named_by_others(reply):
            return refused(reply, wire, self.judge(_NOTHING, reply), authenticate=self.sent_credentials().remedy)
        return unauthorized(reply, wire, self.sent_credentials())

    def _other_path(self, wire: Wire, seen: Mapping[str, Any]) -> Finding:
        """The finding for a path of VictoriaMetrics that is not known to take remote write."""
        path = wire.endpoint.path
        remedy = f"write {wire.endpoint.origin}/api/v1/write"
        if _OTHER_FORMAT.search(path):
            message = f"{path} is a path of VictoriaMetrics for another format: it drops remote write without an error"
            return Finding.failed(Rung.HTTP, "prom.rw.path", message, remedy, **seen)
        message = f"VictoriaMetrics does not accept remote write at {path}, unless a proxy changes the path"
        return Finding.warned(Rung.HTTP, UNPROVEN, message, remedy, **seen)

    def _product(self, wire: Wire, reply: Reply) -> str:
        """Return the product that a reply names, or an empty string."""
        if is_victoriametrics(reply):
            return "VictoriaMetrics"
        here = wire.endpoint
        origin = wire.at(Endpoint(here.scheme, here.host, here.port, ""))
        for asked in filter(None, (query_wire(self.settings, wire), origin if reply.status == 404 else None)):
            build = asked.get("/api/v1/status/buildinfo").json()
            info = build.get("data") if isinstance(build, dict) else None
            if isinstance(info, dict) and "version" in info:
                return f"{info.get('application') or 'Prometheus'} {info['version']}".strip()
        return ""
