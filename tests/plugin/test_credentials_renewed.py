"""Credentials that are refused: points wait, files are read again, nothing has to be restarted, and one body serves all tries."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from magictel.errors import WireError
from magictel.exporters.elasticsearch import ElasticsearchExporter, ElasticsearchSettings
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.http.wire import Reply, Request
from magictel.model.outcome import Fate, Receipt
from magictel.secrets.secret import Secret
from magictel.settings.load import resolve_settings
from tests.delivery.points import collection
from tests.fake_clock import FakeClock
from tests.transports.servers import Authority, read_request, serving

URL = "http://metrics.example/api/v1/write"


class Backend:
    """Lets in whoever shows the key; answers by script before."""

    def __init__(self, key: str, *script: int | WireError) -> None:
        self.key = key
        self.script = list(script)
        self.seen: list[Request] = []

    def send(self, request: Request, timeout: float) -> Reply:
        self.seen.append(request)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, WireError):
            raise step
        if step is not None:
            return Reply(step)
        return Reply(204 if request.headers.get("Authorization") == f"Bearer {self.key}" else 401)

    def close(self) -> None: ...


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first-key\n")
    path.chmod(0o600)
    return path


def exporter_for(
    backend: Backend | None, file: Path, clock: FakeClock | None = None, **options: str
) -> PrometheusRemoteWriteExporter:
    environment = {
        "PROMETHEUS_REMOTE_WRITE_URL": URL,
        "PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN": f"file:{file}",
        **options,
    }
    name = PrometheusRemoteWriteExporter.name
    settings = resolve_settings(name, name, PrometheusRemoteWriteExporter.Settings, environment=environment).settings
    return PrometheusRemoteWriteExporter(settings, transport=backend, clock=clock or FakeClock())


def test_a_key_that_was_rotated_is_read_within_the_same_attempt(file: Path) -> None:
    backend = Backend("second-key")
    exporter = exporter_for(backend, file)
    file.write_text("second-key\n")
    receipt = exporter.deliver(collection(range(3)))
    assert (receipt.delivered, receipt.attempts) == (3, 1)
    assert [request.headers["Authorization"] for request in backend.seen] == ["Bearer first-key", "Bearer second-key"]
    assert "second-key" not in exporter.redact("the key is second-key")
    assert "first-key" not in exporter.redact("the key was first-key")


@pytest.mark.parametrize("status", [401, 403])
def test_points_wait_for_the_right_key_and_nothing_is_restarted(file: Path, status: int) -> None:
    clock = FakeClock()
    backend = Backend("second-key", status)
    exporter = exporter_for(backend, file, clock)
    exporter.export(collection(range(3)))
    ledger = exporter.ledger
    assert (ledger.kept, ledger.rejected, ledger.dropped) == (3, 0, 0)
    assert {reason.fate for reason in ledger.reasons} == {Fate.KEPT}
    assert len(backend.seen) == 1
    exporter.export(collection(range(3, 5)))
    assert len(backend.seen) == 1, "who was refused is left alone for a minute"
    file.write_text("second-key\n")
    clock.wait(61)
    exporter.export(collection(range(5, 6)))
    assert exporter.ledger.delivered == exporter.ledger.sent == 6
    assert backend.seen[1].headers["Authorization"] == "Bearer second-key", "it was read before it was sent again"


def test_a_delivery_with_a_wrong_key_ends_at_once_under_its_code(file: Path) -> None:
    clock = FakeClock()
    exporter = exporter_for(Backend("another-key"), file, clock)
    before = clock.monotonic()
    receipt = exporter.deliver(collection(range(3)), seconds=3600)
    assert clock.monotonic() == before
    assert (receipt.dropped, receipt.attempts) == (3, 1)
    assert [reason.code for reason in receipt.reasons] == ["http.unauthorized"]


@pytest.mark.parametrize("content", [None, "", "not\x00a secret"])
def test_a_file_that_is_being_replaced_leaves_the_key_as_it_was(file: Path, content: str | None) -> None:
    exporter = exporter_for(Backend("first-key", 401), file)
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert not exporter.renew()
    token = exporter.settings.bearer_token
    assert token is not None
    assert token.reveal() == "first-key"


def test_a_key_that_stands_in_no_file_stays() -> None:
    secret = Secret("abc")
    assert not secret.renew()
    assert Secret("abc", lambda: "abc").renew() is False


def test_a_certificate_whose_file_changes_is_used_after_it_was_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.write_text("one")
    transports: list[Backend] = []

    def transport(*_: object, **options: object) -> Backend:
        script = () if transports else (WireError("tls.expired", "the certificate has expired", phase="tls"),)
        transports.append(Backend("first-key", *script))
        return transports[-1]

    exporter = exporter_for(None, file, PROMETHEUS_REMOTE_WRITE_CA_FILE=str(certificate))
    monkeypatch.setattr("magictel.plugin.http_connection.HttpTransport", transport)
    certificate.write_text("another")
    assert exporter.deliver(collection(range(2))).delivered == 2
    assert [len(each.seen) for each in transports] == [1, 1], "connections and their TLS context are made anew"


def test_new_certificates_leave_a_request_of_another_thread_alone_and_no_connection_open(tmp_path: Path) -> None:
    began, renewed = threading.Event(), threading.Event()

    def handle(sock: socket.socket) -> None:
        while read_request(sock):
            began.set()
            renewed.wait(100)
            sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    authority = Authority(tmp_path)
    receipts: list[Receipt] = []
    with serving(handle) as server:
        settings = PrometheusRemoteWriteSettings(url=f"{server.http}/write", ca_file=authority.file, trust_env=False)
        exporter = PrometheusRemoteWriteExporter(settings)
        sending = threading.Thread(target=lambda: receipts.append(exporter.deliver(collection(range(2)))))
        sending.start()
        assert began.wait(100)
        authority.ca.cert_pem.write_to_path(authority.file, append=True)
        assert exporter.renew()
        renewed.set()
        sending.join(100)
        assert [(receipt.delivered, receipt.attempts) for receipt in receipts] == [(2, 1)]
        while not server.ended:  # the connection of the old certificates is closed when its request has ended
            time.sleep(0.001)
        assert exporter.deliver(collection(range(3))).delivered == 3
        assert server.accepted == 2
        exporter.shutdown(0)


def test_a_body_is_framed_and_compressed_once_whatever_the_number_of_endpoints_and_retries(file: Path) -> None:
    made_bodies: list[str] = []
    refused = WireError("net.tcp.refused", "nobody listens", phase="connect")
    backend = Backend("second-key", refused, 503, 429, 401)
    exporter = exporter_for(backend, file)
    frame, compress = exporter.encoder.frame, exporter.compress

    def framed(payload: Any) -> Any:
        made_bodies.append("framed")
        return frame(payload)

    def compressed(body: bytes) -> Any:
        made_bodies.append("compressed")
        return compress(body)

    exporter.encoder.frame, exporter.compress = framed, compressed  # type: ignore[method-assign]
    file.write_text("second-key")
    endpoint = exporter.endpoints()[0]
    exporter._endpoints = (endpoint, endpoint, endpoint)
    assert exporter.deliver(collection(range(3))).delivered == 3
    assert len(backend.seen) == 5
    assert made_bodies == ["framed", "compressed"]
    assert len({request.body for request in backend.seen}) == 1


def test_items_that_are_refused_for_want_of_a_right_wait_beside_those_that_are_stored() -> None:
    denied = {
        "type": "security_exception",
        "reason": "action [indices:data/write/bulk[s]] is unauthorized for user [ro]",
    }
    items: list[dict[str, Any]] = [{"create": {"status": 201, "result": "created", "_index": "metrics-a"}}] * 2
    items.append({"create": {"status": 403, "error": denied}})

    class Cluster(Backend):
        def send(self, request: Request, timeout: float) -> Reply:
            self.seen.append(request)
            if request.method == "GET":
                return Reply(404)
            body = {"errors": True, "items": items} if len(self.posts()) == 1 else {"errors": False, "items": items[:1]}
            return Reply(200, {"content-type": "application/json"}, json.dumps(body).encode())

        def posts(self) -> list[Request]:
            return [request for request in self.seen if request.method == "POST"]

    clock, backend = FakeClock(), Cluster("")
    settings = ElasticsearchSettings(url=["http://es.example:9200"], index="metrics-a", compression="none")
    exporter = ElasticsearchExporter(settings, transport=backend, clock=clock)
    exporter.export(collection(range(3)))
    ledger = exporter.ledger
    assert (ledger.delivered, ledger.kept, ledger.rejected) == (2, 1, 0)
    assert [reason.code for reason in ledger.reasons if reason.fate is Fate.KEPT] == ["es.authz.bulk"]
    clock.wait(61)
    assert exporter.force_flush()
    assert exporter.ledger.delivered == 3
    assert len(backend.posts()) == 2
