"""Backends that give one answer: the fault catalogue's rows as bytes on a real socket, and the exporters that meet them.

No time limit is short: waits are leapt over, and a request has as long as a busy machine needs. Where an answer never comes the
fault itself has the limit (`timeout`), and only that exchange ends by it.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import Any

from magictel.conformance.case import LeapingClock
from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.elasticsearch import ElasticsearchExporter, OpenSearchExporter
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.exporters.statsd import StatsdExporter
from magictel.ladder.climb import climb
from magictel.model.finding import Rung, SideEffect, Status
from magictel.operations.send_sample import SendOptions, round_trip
from magictel.plugin.exporter import Exporter
from magictel.sandbox import datadog, newrelic
from magictel.secrets.secret import Secret
from tests.delivery.points import collection
from tests.transports.servers import Handler, read_request, serving

EXPORTERS: Mapping[str, type[Exporter[Any]]] = {
    "elasticsearch": ElasticsearchExporter,
    "opensearch": OpenSearchExporter,
    "prometheus-remote-write": PrometheusRemoteWriteExporter,
    "otlp": OtlpExporter,
    "datadog": DatadogExporter,
    "newrelic": NewRelicExporter,
}
"""Those over HTTP."""
_PATHS = {"prometheus-remote-write": "/api/v1/write", "otlp": "/v1/metrics"}
PATIENT = 120.0
"""Seconds for whatever is answered."""
_PRODUCTS = {
    "elasticsearch": {"cluster_name": "c", "version": {"number": "8.19.0", "build_flavor": "default"}},
    "opensearch": {"cluster_name": "c", "version": {"number": "3.2.0", "distribution": "opensearch"}},
}


def exporter_at(name: str, url: str, **settings: Any) -> Exporter[Any]:
    """An exporter pointed at a server; no proxy of the environment stands between."""
    exporter = StatsdExporter if name == "statsd" else EXPORTERS[name]
    given: dict[str, Any] = {"timeout": PATIENT, "backoff_initial": 3600.0, "backoff_max": 3600.0}
    match name:
        case "datadog":
            given |= {"url": url, "api_key": Secret(datadog.API_KEY), "app_key": Secret(datadog.APP_KEY)}
        case "newrelic":
            given |= {"url": url, "query_url": url, "license_key": Secret(newrelic.LICENSE_KEY)}
            given |= {"user_key": Secret(newrelic.USER_KEY), "account_id": newrelic.ACCOUNT}
        case "prometheus-remote-write" | "otlp":
            given["url"] = url + _PATHS[name]
        case "elasticsearch" | "opensearch":
            given["url"] = (url,)
    if name != "statsd":
        given["trust_env"] = False
    model: Any = exporter.Settings
    return exporter(model(**{**given, **settings}), clock=LeapingClock())


def raw(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """A reply as bytes."""
    head = {"Content-Type": "application/json" if body[:1] in b"{[" and body else "text/plain", **headers}
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{key}: {value}" for key, value in head.items())]
    if status == 204:
        return "\r\n".join([*lines, "", ""]).encode()
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def backend(name: str, states: Mapping[str, bytes]) -> Handler:
    """Gives the answer whose key stands in the request line (the empty one in any); to all else a healthy backend's."""

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            line = request.split(b"\r\n", 1)[0].decode("latin-1")
            answer = next((state for key, state in states.items() if key in line), None)
            sock.sendall(_healthy(name, line) if answer is None else answer)

    return handle


def _healthy(name: str, line: str) -> bytes:
    dated = {"Date": formatdate(usegmt=True)}
    if name == "datadog":
        reading = line.startswith("GET")
        return raw(200, dated, b'{"valid": true, "series": []}') if reading else raw(202, dated, b'{"errors": []}')
    if name == "newrelic" and "/graphql" in line:
        return raw(200, dated, b'{"data": {"actor": {"account": {"nrql": {"results": []}}}}}')
    if name == "newrelic":
        return raw(405, dated, b"") if line.startswith("GET") else raw(202, dated, b'{"requestId": "x"}')
    if name == "otlp":  # the Collector's answer to a GET
        return raw(405, dated, b"405 method not allowed, supported: [POST]")
    if line.startswith("GET / "):
        return raw(200, {"X-Elastic-Product": "Elasticsearch"}, json.dumps(_PRODUCTS.get(name, {})).encode())
    body = {"username": "u"} if "_cluster/health" not in line else {"status": "green", "number_of_data_nodes": 1}
    return raw(200, {"X-Elastic-Product": "Elasticsearch"}, json.dumps(body).encode())


def refusing(name: str, answer: bytes) -> Handler:
    """Gives every document of a bulk request the verdict of the answer's first item; an answer without items as it is."""
    body = answer.partition(b"\r\n\r\n")[2]
    items = json.loads(body).get("items") if body[:1] == b"{" else None

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            line = request.split(b"\r\n", 1)[0].decode("latin-1")
            if "_bulk" not in line:
                sock.sendall(_healthy(name, line))
                continue
            sent = gzip.decompress(request.partition(b"\r\n\r\n")[2]).count(b"\n") // 2
            verdicts = json.dumps({"errors": True, "items": items * sent}).encode() if items else b""
            sock.sendall(raw(200, {}, verdicts) if items else answer)

    return handle


def round_tripped(exporter: Exporter[Any]) -> str | None:
    """The code of the ladder's last rung, which writes."""
    try:
        options = SendOptions(deadline=PATIENT, within=0.1, timeout=PATIENT)
        return round_trip(exporter, options, exporter.clock).code
    finally:
        exporter.shutdown(0)


@contextlib.contextmanager
def answering(name: str, states: Mapping[str, bytes]) -> Iterator[str]:
    """A server that behaves so; its address."""
    with serving(backend(name, states)) as server:
        yield server.http


@contextlib.contextmanager
def speaking(context: ssl.SSLContext) -> Iterator[str]:
    """An Elasticsearch that speaks TLS and closes plain requests without a word; its address as http://."""

    def handle(sock: socket.socket) -> None:
        if sock.recv(1, socket.MSG_PEEK) == b"\x16":
            with context.wrap_socket(sock, server_side=True) as secure:
                read_request(secure)
        else:
            read_request(sock)

    with serving(handle) as server:
        yield server.http


def climbed(exporter: Exporter[Any], *, seconds: float = PATIENT) -> tuple[str | None, list[str]]:
    """What the ladder finds: the code of the first rung that fails, else of the first that says anything; and all codes."""
    exporter.allowed = frozenset(SideEffect)
    try:
        findings = list(climb(exporter.steps(seconds), until=Rung.WRITE))
    finally:
        exporter.shutdown(0)
    failures = [finding for finding in findings if finding.code and finding.outcome is not Status.BLOCKED]
    first = next((finding for finding in failures if finding.outcome is Status.FAIL), failures[0] if failures else None)
    return (first.code if first else None), [str(finding.code) for finding in failures]


def at_the_edge(name: str, status: int, body: str) -> bool:
    """Whether it is a web page with 403 in front of Datadog's API: no key was checked, and it usually passes."""
    return name == "datadog" and status == 403 and body.lstrip().startswith("<") and "<Error>" not in body


def delivered(exporter: Exporter[Any], *, ahead: float = 0.0) -> list[str]:
    """The codes under which one point was settled, whose time is so many seconds ahead of now."""
    try:
        time = int((exporter.clock.now() + ahead) * 1e9)
        receipt = exporter.deliver(collection([0], time), seconds=PATIENT)
    finally:
        exporter.shutdown(0)
    assert receipt.balanced
    assert receipt.sent == 1
    return [reason.code for reason in receipt.reasons]
