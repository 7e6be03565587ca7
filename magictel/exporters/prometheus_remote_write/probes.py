"""The ladder's upper half for remote write: door, credentials, readiness, receiver. None of it writes unless told to."""

from __future__ import annotations

from abc import abstractmethod

from magictel.exporters.prometheus_remote_write.refusals import refusal
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.finding import Finding, Rung, SideEffect
from magictel.http_exporter import HttpExporter
from magictel.ladder.http import answered, unavailable
from magictel.ladder.probe import probe
from magictel.payload import Payload
from magictel.wire import Reply, Wire


class RemoteWriteProbes(HttpExporter[PrometheusRemoteWriteSettings]):
    """The probes; `PrometheusRemoteWriteExporter` is all the rest."""

    @abstractmethod
    def reading(self, wire: Wire) -> Wire | None:
        """A wire to the query API, or None where nobody knows where it is."""

    @probe(Rung.HTTP, "remote write is spoken at this address")
    def door(self, wire: Wire) -> Finding:
        """GET on the write path writes nothing: 405 says that it is there (Prometheus, Mimir)."""
        reply = answered(wire, "")
        if isinstance(reply, Finding):
            return reply
        product = self._product(wire, reply)
        seen = {"status": reply.status, "product": product}
        if reply.status == 404:
            return Finding.failed(
                Rung.HTTP,
                "prom.rw.path",
                f"{wire.endpoint} is no remote-write path: {product} answers 404",
                "Prometheus' is /api/v1/write, Mimir's /api/v1/push, VictoriaMetrics' /api/v1/write",
                **seen,
            )
        if reply.status in (401, 403):
            return Finding.passed(Rung.HTTP, f"{product} answers, and asks who we are ({reply.status})", **seen)
        if reply.status == 405:
            return Finding.passed(Rung.HTTP, f"{product}, and the write path is there", **seen)
        busy = unavailable(reply, wire, self.clock.now(), "Prometheus") if refusal(reply) is None else None
        return busy or Finding.passed(Rung.HTTP, f"{product} answers; its answer proves no write path", **seen)

    @probe(Rung.AUTH, "the credentials are taken")
    def credentials(self, wire: Wire) -> Finding:
        """Asks the write path and the query API; only the query API refusing is a warning: exporting does not need it."""
        given = "Authorization" in self._all_headers()
        reply = wire.get("")
        if reply.status in (401, 403):
            return self._refused(Rung.AUTH, wire, reply, given)
        reading = self.reading(wire)
        if reading is None:
            return Finding.passed(Rung.AUTH, "the write path does not refuse us; no query API is known to ask further")
        reply = reading.get("/api/v1/query?query=vector(1)")
        row = refusal(reply)
        if row is not None and row.code.startswith("mimir."):
            return self._refused(Rung.AUTH, reading, reply, given)
        if reply.status in (401, 403):
            return Finding.warned(
                Rung.AUTH,
                "prom.read.forbidden",
                f"the query API refuses these credentials ({reply.status}): what is sent cannot be read back",
                "use credentials that may read as well, or query_url",
                status=reply.status,
            )
        if not given:
            return Finding.passed(Rung.AUTH, "no credentials are set, and none are asked for", status=reply.status)
        anonymous = wire.request("GET", "", credentials=False)
        if anonymous.status in (401, 403):
            return Finding.passed(Rung.AUTH, "the credentials are taken, and asked for", without=anonymous.status)
        return Finding.passed(
            Rung.AUTH, "the credentials are not refused; without them we are not either", status=reply.status
        )

    @probe(Rung.HEALTH, "the backend says that it is ready")
    def ready(self, wire: Wire) -> Finding:
        """Prometheus' and VictoriaMetrics' /-/ready, else /health."""
        reading = self.reading(wire)
        for path in ("/-/ready", "/health") if reading is not None else ():
            assert reading is not None
            reply = reading.get(path)
            said = reading.first_bytes(reply)
            if reply.ok and not reply.body.lstrip().startswith(b"<"):  # VictoriaMetrics calls its sentence text/html
                return Finding.passed(Rung.HEALTH, said or "ready", path=path)
            if reply.status in (401, 403):
                return Finding.warned(
                    Rung.HEALTH, "prom.health.forbidden", f"{path} may not be read ({reply.status})", None
                )
            if reply.status >= 500:
                return Finding.failed(
                    Rung.HEALTH,
                    "prom.health.not-ready",
                    f"not ready ({reply.status}): {said}",
                    "magictel check --wait 60s (a Prometheus that starts replays its log first)",
                    path=path,
                )
        return Finding.skipped(Rung.HEALTH, "this backend has no /-/ready that we know of")

    @probe(Rung.WRITE, "the remote-write receiver is switched on")
    def receiver(self, wire: Wire) -> Finding:
        """Prometheus tells its flags; who else writes may only be seen by writing."""
        ask = "whether we may write shows only an empty write: add --allow empty-write"
        reading = self.reading(wire)
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
        return Finding.passed(
            Rung.WRITE, "the remote-write receiver is switched on; Prometheus has no rights of its own"
        )

    @probe(Rung.WRITE, "an empty write is taken", SideEffect.EMPTY_WRITE)
    def empty_write(self, wire: Wire) -> Finding:
        """A request without series: it goes the whole way and stores nothing (Prometheus 2 and 3, VictoriaMetrics: 2xx)."""
        body, headers = self.compress(b"")
        reply = wire.request("POST", "", body=body, headers={"Content-Type": self.content_type, **headers})
        if reply.ok and not reply.looks_like_html:
            return Finding.passed(Rung.WRITE, f"an empty write is taken ({reply.status})", status=reply.status)
        if reply.status in (401, 403):
            return self._refused(Rung.WRITE, wire, reply, "Authorization" in self._all_headers())
        verdict = self.judge(Payload(b"", 0, lambda _: []), reply)
        return Finding.failed(
            Rung.WRITE,
            getattr(verdict, "code", "http.not-a-backend"),
            getattr(verdict, "message", f"{reply.status}"),
            getattr(verdict, "remedy", None),
            status=reply.status,
            body=wire.first_bytes(reply),
        )

    def _refused(self, rung: Rung, wire: Wire, reply: Reply, given: bool) -> Finding:
        row = refusal(reply)
        seen = {"status": reply.status, "body": wire.first_bytes(reply)}
        if row is not None:
            return Finding.failed(rung, row.code, row.message, row.remedy, **seen)
        if reply.status == 403:
            return Finding.failed(rung, "http.forbidden", "these credentials may not do this (403)", None, **seen)
        if given:
            remedy = "check username and password, or bearer_token"
            return Finding.failed(rung, "http.unauthorized", "the credentials are refused (401)", remedy, **seen)
        return Finding.failed(
            rung,
            "http.unauthorized",
            "credentials are asked for (401)",
            "set username and password, or bearer_token",
            **seen,
        )

    def _product(self, wire: Wire, reply: Reply) -> str:
        """Which product answers, by its own words; "the backend" where it says none."""
        if is_victoriametrics(reply):
            return "VictoriaMetrics"
        reading = self.reading(wire)
        told = reading.get("/api/v1/status/buildinfo").json() if reading is not None else None
        info = told.get("data") if isinstance(told, dict) else None
        if not isinstance(info, dict) or "version" not in info:
            return "the backend"
        return f"{info.get('application') or 'Prometheus'} {info['version']}"


def is_victoriametrics(reply: Reply) -> bool:
    """True for a reply that VictoriaMetrics gave: every one of its replies names its host."""
    return "x-server-hostname" in reply.headers
