"""The rows of the fault catalogue that concern these exporters, and how each is met on the three roads; empty cells say why."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magictel.sandbox.datadog import API_KEY
from magictel.sandbox.newrelic import LICENSE_KEY

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
BACKENDS = {
    "any": "elasticsearch",
    "elasticsearch": "elasticsearch",
    "opensearch": "opensearch",
    "prometheus-remote-write": "prometheus-remote-write",
    "mimir": "prometheus-remote-write",
    "victoriametrics": "prometheus-remote-write",
    "otlp-http": "otlp",
    "prometheus-otlp": "otlp",
    "otlp-grpc": "otlp",
    "datadog": "datadog",
    "newrelic": "newrelic",
    "statsd": "statsd",
}
_CODE_ONLY = re.compile(r"\b([2-5]\d\d)\b")


@dataclass(frozen=True)
class Row:
    """One row: what is seen, the code and the class it must get, and the exporter that meets it."""

    name: str
    code: str
    retry: str
    exporter: str
    phase: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    text: str = ""
    transport: str = ""
    """The words of the transport catalogue, where the row is one of it."""
    grpc: str = ""
    """The status of a call, where the row is about OTLP over gRPC."""

    def without(self, reasons: Mapping[str, str]) -> str | None:
        """Why the row is not met on a road, by its name or its code."""
        return reasons.get(self.name) or reasons.get(self.code)

    @property
    def config(self) -> bool:
        return self.code in SETTINGS or self.code.startswith("config.")

    @property
    def options(self) -> Mapping[str, str]:
        return {"protocol": "grpc"} if self.grpc else {}


def rows() -> list[Row]:
    """Every row, in the order of the files; none where the catalogue is not here."""
    if not REFERENCE.exists():
        return []
    answers = json.loads((REFERENCE / "fault_responses.json").read_text())["rows"]
    transport = json.loads((REFERENCE / "transport_faults.json").read_text())
    rows = [_answer(row) for row in answers if row["backend"] in BACKENDS]
    return rows + [_transport(row) for row in transport if row["id"]]


def _answer(row: Mapping[str, Any]) -> Row:
    seen, body, code = row["seen"], row["body"], row["id"]
    exporter = BACKENDS[row["backend"]]
    status = _CODE_ONLY.search(seen)
    decided = Row(f"{code} ({row['backend']})", code, row["retry"], exporter, row["phase"])
    if row["backend"] == "otlp-grpc":
        given: dict[str, Any] = {"text": f"{seen}: {body}" if body else seen, "body": body.encode(), "grpc": seen}
    elif code == "dd.site.custom-domain":
        given = {"status": 404, "headers": {"Content-Type": "text/html"}, "body": b"<html></html>"}
    elif row["phase"] in ("config", "dns", "tcp", "tls") or status is None or "httpx" in seen:
        given = {"text": f"{seen}: {body}" if body else seen}
        if code == "es.product.unknown":
            given = {"status": 200}
    else:
        given = {"status": 200 if '"items"' in body else int(status.group()), "body": body.encode()}
    if "text/html" in seen:
        given["headers"] = {"Content-Type": "text/html"}
    if code == "prom.rw.partial":
        given["headers"] = {"X-Prometheus-Remote-Write-Samples-Written": "3"}
    if code.startswith("vm."):
        given["headers"] = {"X-Server-Hostname": "vm-1"}
    return Row(**{**decided.__dict__, **given})


def _transport(row: Mapping[str, Any]) -> Row:
    given: dict[str, Any] = {"transport": row["fault"]}
    if row["id"].startswith("otlp."):
        text = f"{row['code']}: {row['details']}"
        given = {"text": text, "body": row["details"].encode(), "grpc": row["code"]}
    elif "exception" in row:
        given["text"] = " <- ".join(row["exception"])
    elif "details" in row:
        given["text"] = f"{row['code']}: {row['details']}"
    else:
        given |= {"status": row["status"], "headers": row.get("headers", {}), "body": row.get("body", "").encode()}
    exporter = "otlp" if "grpc" in given else "elasticsearch"
    return Row(row["fault"], row["id"], row["retry"], exporter, "transport", **given)


SETTINGS: Mapping[str, Mapping[str, str]] = {
    "config.url.bad-port": {"url": "http://localhost:abc"},
    "config.url.unexpanded-variable": {"url": "http://$ES_HOST:9200"},
    "config.url.no-scheme": {"url": "localhost:9200"},
    "config.url.bad-scheme": {"url": "grpc://localhost:9200"},
    "config.url.whitespace": {"url": "http://local host:9200"},
    "config.secret.non-ascii": {"api_key": "abc\u00a0defgh"},
    "config.secret.empty": {"api_key": " "},
    "config.secret.whitespace": {"api_key": "abc\ndefgh"},
    "dd.site.custom-domain": {"site": "app.datadoghq.com", "api_key": API_KEY},
    "nr.region": {"region": "us", "license_key": f"eu01xx{LICENSE_KEY[6:]}"},
}
"""The settings behind the rows that are met before any request."""

LOOK_ALIKES = {
    "config.url.unexpanded-variable",
    "config.url.bad-port",
    "config.url.whitespace",
    "config.secret.empty",
    "http.proxy.down",
    "http.tls-port",
    "http.not-http",
    "es.tls.http-on-https-port",
    "otlp.localhost-bind",
    "otlp.grpc.plain-to-tls",
    "dd.site.custom-domain",
    "dd.loss.timestamp",
    "dd.loss.name",
    "dd.loss.type",
    "nr.region",
    "nr.write.interval",
    "nr.write.time",
}
"""Rows whose very text is another row's too: the diagnosis may name them as alternatives, the ladder decides."""

ONCE = "delivery asks no second time: the ladder's second probe tells this from a reset or a close"
READ = (
    "what one read-back shows, or a 2xx that proves nothing: the round-trip rung waits and asks again, and says verify.lost or "
    "verify.delay-beyond-within, whose pages lead to it; delivery reads nothing back"
)
ROUND_TRIP = frozenset(
    {
        "es.write.queue-full",
        "es.write.field-limit",
        "es.write.dynamic-template",
        "es.write.tsdb-window",
        "es.write.shard-unavailable",
        "es.write.too-large",
        "dd.write.too-large-text",
        "dd.write.bad-payload",
        "dd.write.timeout",
        "dd.write.rate",
        "nr.auth.invalid",
        "nr.write.too-large",
        "nr.write.header-missing",
        "nr.write.rate",
        "statsd.mtu",
    }
)
"""What only a write meets: on the ladder, its last rung (`check --round-trip`)."""
QUERIES = frozenset({"dd.auth.app-key", "nr.read.graphql-error"})
"""What a query meets: the ladder's probe, and the read-back of its last rung."""
TIMES = frozenset({"dd.loss.timestamp", "nr.write.time"})
"""What is withheld before it is sent, since the backend would drop it in silence."""
NO_DIAGNOSIS: Mapping[str, str] = {"statsd.silent": "nothing is seen, so nothing can be pasted"}
NOW = "the ladder's sample has the time of now"
NO_LADDER: Mapping[str, str] = {
    "es.write.duplicate": "the point is there: counted as delivered, so the round-trip rung goes on to read it back",
    "es.read.not-yet-visible": READ,
    "prom.rw.loss-labels": READ,
    "vm.loss.labels": READ,
    "vm.read.latency": READ,
    "dd.auth.fake-202": READ,
    "dd.loss.timestamp": NOW,
    "dd.loss.name": READ,
    "dd.loss.type": READ,
    "nr.write.interval": READ,
    "nr.write.time": NOW,
    "statsd.silent": "the round-trip rung says verify.unsupported: StatsD cannot be read back",
}
NO_DELIVERY: Mapping[str, str] = {
    "https URL, server speaks plain http": "a handshake that times out: delivery does not ask in plain http, the ladder does",
    "http.tls-port": ONCE,
    "es.tls.http-on-https-port": ONCE,
    "otlp.localhost-bind": ONCE,
    "otlp.grpc.plain-to-tls": ONCE,
    "es.product.unknown": "delivery asks for verdicts and gets none: es.write.no-verdict, sent again",
    "es.read.not-yet-visible": READ,
    "prom.rw.loss-labels": READ,
    "vm.loss.labels": READ,
    "vm.read.latency": READ,
    "dd.auth.app-key": READ,
    "dd.auth.fake-202": READ,
    "dd.loss.name": READ,
    "dd.loss.type": READ,
    "nr.write.interval": READ,
    "nr.read.graphql-error": READ,
}
