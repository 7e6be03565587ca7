"""`protocol = "grpc"` against grpcio's own server: delivery, statuses, limits, TLS, and the ladder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from magictel.clock import SystemClock
from magictel.conformance.case import LeapingClock
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.otlp.grpc import GrpcTransport
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.model.outcome import Delivered, Receipt, Rejected, Throttled, TooLarge, Unavailable
from magictel.secrets.secret import Secret
from magictel.sources.sample import sample
from tests.cli.running import magictel
from tests.delivery.points import collection
from tests.emulators.otlp_grpc import GrpcStage, refusing_grpc, serving_grpc, silent_grpc
from tests.transports.servers import Authority, serving
from tests.transports.test_http import tunnels

CODES = grpc.StatusCode


def exporter_at(port: int, *, host: str = "http://127.0.0.1", clock: Any = None, **options: Any) -> OtlpExporter:
    given = {"trust_env": False, "timeout": 60.0, "backoff_initial": 0.01, **options}
    settings = OtlpSettings(url=f"{host}:{port}", protocol="grpc", **given)
    return OtlpExporter(settings, clock=clock or LeapingClock())


def delivered(port: int, points: int = 1, **options: Any) -> Receipt:
    exporter = exporter_at(port, **options)
    try:
        return exporter.deliver(collection(range(points)), seconds=120.0)
    finally:
        exporter.shutdown(0)


@pytest.fixture
def stage() -> Iterator[GrpcStage]:
    receiver = GrpcStage(SystemClock())
    yield receiver
    receiver.stop()


def test_a_sample_is_verified_and_the_ladder_passes(stage: GrpcStage, tmp_path: Path) -> None:
    environment = dict(stage.environment())
    sent = magictel(
        "send-sample", "otlp", "--set", "compression=gzip", "--format", "json", folder=tmp_path, environment=environment
    )
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12)
    ran = magictel("check", "otlp", "--allow", "empty-write", folder=tmp_path, environment=environment)
    assert ran.code == 0, ran.out


def test_headers_are_metadata_and_messages_are_compressed() -> None:
    seen: dict[str, Any] = {}

    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        seen.update(context.invocation_metadata())
        return b""

    with serving_grpc(export) as port:
        given = {"headers": {"X-Tenant": Secret("blue")}, "bearer_token": Secret("t0ken")}
        assert delivered(port, compression="gzip", **given).delivered == 1
    assert (seen["x-tenant"], seen["authorization"]) == ("blue", "Bearer t0ken")
    assert seen["user-agent"].startswith("magictel/")


@pytest.mark.parametrize(
    ("code", "message", "delay", "outcome", "name"),
    [
        (CODES.CANCELLED, "", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNKNOWN, "", None, Rejected, "otlp.grpc.rejected"),
        (CODES.INVALID_ARGUMENT, "bad", None, Rejected, "otlp.grpc.rejected"),
        (CODES.DEADLINE_EXCEEDED, "", None, Unavailable, "otlp.grpc.deadline"),
        (CODES.NOT_FOUND, "", None, Rejected, "otlp.grpc.rejected"),
        (CODES.ALREADY_EXISTS, "", None, Rejected, "otlp.grpc.rejected"),
        (CODES.PERMISSION_DENIED, "", None, Rejected, "otlp.grpc.denied"),
        (CODES.RESOURCE_EXHAUSTED, "quota", None, Rejected, "otlp.grpc.rejected"),
        (CODES.RESOURCE_EXHAUSTED, "quota", 2.5, Throttled, "otlp.grpc.throttled"),
        (CODES.RESOURCE_EXHAUSTED, "grpc: received message larger than max", None, TooLarge, "otlp.grpc.exhausted"),
        (CODES.FAILED_PRECONDITION, "", None, Rejected, "otlp.grpc.rejected"),
        (CODES.ABORTED, "", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.OUT_OF_RANGE, "", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNIMPLEMENTED, "Method not found!", None, Rejected, "otlp.grpc.no-service"),
        (CODES.INTERNAL, "", None, Rejected, "otlp.grpc.rejected"),
        (CODES.UNAVAILABLE, "", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNAVAILABLE, "overloaded", 1.0, Throttled, "otlp.grpc.throttled"),
        (CODES.UNAVAILABLE, "upstream request timeout", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNAVAILABLE, "delayed connect error: Connection refused", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNAVAILABLE, "tls: certificate has expired", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNAVAILABLE, "Received http2 header with status: 502", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNKNOWN, "Received http2 header with status: 413", None, TooLarge, "otlp.grpc.exhausted"),
        (CODES.UNIMPLEMENTED, "Received http2 header with status: 404", None, Rejected, "otlp.grpc.http-400"),
        (CODES.INVALID_ARGUMENT, "out of order sample", None, TooLarge, "prom.otlp.time"),
        (CODES.UNAVAILABLE, "data refused due to high memory usage", None, Throttled, "otlp.http.memory"),
        (CODES.DATA_LOSS, "", None, Unavailable, "otlp.grpc.unavailable"),
        (CODES.UNAUTHENTICATED, "no auth", None, Rejected, "otlp.grpc.unauthenticated"),
    ],
    ids=lambda value: value.name if isinstance(value, grpc.StatusCode) else None,
)
def test_each_status_has_the_outcome_of_the_specification(
    code: Any, message: str, delay: float | None, outcome: type, name: str
) -> None:
    outcomes: list[Any] = []
    with refusing_grpc(code, message, delay=delay) as port:
        exporter = exporter_at(port)
        judge = exporter.judge
        exporter.judge = lambda payload, reply: outcomes.append(judge(payload, reply)) or outcomes[-1]  # type: ignore[method-assign,func-returns-value]
        receipt = exporter.deliver(collection([0]), seconds=0.5)
        exporter.shutdown(0)
    assert isinstance(outcomes[0], outcome), outcomes[0]
    assert outcomes[0].code == name
    assert getattr(outcomes[0], "retry_after", delay) == delay
    assert receipt.balanced
    assert receipt.delivered == 0


def test_a_retryable_status_loses_nothing() -> None:
    with refusing_grpc(CODES.UNAVAILABLE, "restarting", first=2) as port:
        receipt = delivered(port, 3)
    assert (receipt.delivered, receipt.attempts) == (3, 3)


def test_a_partial_success_is_counted() -> None:
    reply = ExportMetricsServiceResponse()
    reply.partial_success.rejected_data_points = 2
    reply.partial_success.error_message = "metric x: unsupported type"
    with serving_grpc(lambda body, context: reply.SerializeToString()) as port:
        receipt = delivered(port, 5)
    assert (receipt.delivered, receipt.rejected, receipt.reasons[0].code) == (3, 2, "otlp.partial")


def test_a_message_that_is_no_otlp_response_is_not_delivered() -> None:
    with serving_grpc(lambda body, context: b"welcome") as port:
        receipt = delivered(port, 5)
    assert (receipt.delivered, receipt.unconfirmed, receipt.reasons[0].code) == (0, 5, "http.unconfirmed")
    assert receipt.reasons[0].message.startswith("OK, but the message is not an ExportMetricsServiceResponse")


def test_an_empty_export_with_such_an_answer_is_a_warning(tmp_path: Path) -> None:
    with serving_grpc(lambda body, context: b"welcome", only=None) as port:
        given = ("--set", "protocol=grpc", "--set", f"url=http://127.0.0.1:{port}", "--allow", "empty-write")
        ran = magictel("check", "otlp", *given, "--format", "json", folder=tmp_path)
    (target,) = ran.document["targets"]
    codes = {rung["rung"]: rung.get("code") for rung in target["rungs"]}
    assert codes["write"] == "http.unconfirmed", codes


FORKED = """
import os, sys
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.otlp.settings import OtlpSettings
from tests.delivery.points import collection

exporter = OtlpExporter(OtlpSettings(url=sys.argv[1], protocol="grpc", trust_env=False))
assert exporter.deliver(collection([0]), seconds=60).delivered == 1
child = os.fork()
delivered = exporter.deliver(collection([0]), seconds=60).delivered
exporter.shutdown(1000)
if not child:
    os._exit(delivered)
assert (delivered, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) == (1, 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_opens_its_own_channel() -> None:
    with serving_grpc(lambda body, context: b"") as port:
        subprocess.run([sys.executable, "-c", FORKED, f"http://127.0.0.1:{port}"], check=True, timeout=300)


def test_a_message_over_the_servers_limit_is_split() -> None:
    sizes: list[int] = []

    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        sizes.append(len(body))
        if len(body) > 20_000:
            context.abort(CODES.RESOURCE_EXHAUSTED, f"grpc: received message larger than max ({len(body)} vs. 20000)")
        return b""

    with serving_grpc(export) as port:
        receipt = delivered(port, 1000)
    assert receipt.delivered == 1000
    assert sizes[0] > 20_000 >= sizes[-1]


def test_an_attempt_ends_after_its_timeout_and_may_have_stored_the_points() -> None:
    with silent_grpc() as port:
        exporter = exporter_at(port, timeout=0.3)
        attempted = exporter.attempt(next(iter(exporter.payloads(collection([0])))), 0.3)
        exporter.shutdown(0)
    assert isinstance(attempted.outcome, Unavailable)
    assert (attempted.outcome.code, attempted.outcome.maybe_stored) == ("otlp.grpc.deadline", True)


def test_a_channel_that_another_thread_closes_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_grpc(lambda body, context: b"") as port:
        exporter = exporter_at(port)
        payload = next(iter(exporter.payloads(collection([0]))))
        open_channel = GrpcTransport._channel

        def closed(transport: GrpcTransport, *arguments: Any) -> Any:
            channel = open_channel(transport, *arguments)
            transport.close()
            return channel

        with monkeypatch.context() as patched:
            patched.setattr(GrpcTransport, "_channel", closed)
            outcome = exporter.attempt(payload, 30.0).outcome
        assert isinstance(outcome, Unavailable)
        assert (outcome.code, outcome.maybe_stored) == ("otlp.grpc.unavailable", False)
        assert exporter.attempt(payload, 30.0).outcome == Delivered()
        exporter.shutdown(0)


def test_a_receiver_that_comes_back_is_reached_at_once() -> None:
    with serving_grpc(lambda body, context: b"") as port:
        pass
    exporter = exporter_at(port)
    payload = next(iter(exporter.payloads(collection([0]))))
    away = exporter.attempt(payload, 30.0).outcome
    assert isinstance(away, Unavailable)
    assert (away.code, away.maybe_stored) == ("net.tcp.refused", False)
    with serving_grpc(lambda body, context: b"", port=port):
        assert exporter.attempt(payload, 30.0).outcome == Delivered()
    exporter.shutdown(0)


def test_tls_and_client_certificates(authority: Authority, tmp_path: Path) -> None:
    server = authority.ca.issue_cert("localhost")
    pair = (server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())
    roots = authority.ca.cert_pem.bytes()
    credentials = grpc.ssl_server_credentials([pair], roots, require_client_auth=True)
    cert, key = authority.client_files()
    with serving_grpc(lambda body, context: b"", credentials=credentials) as port:
        files = {"ca_file": authority.file, "client_cert_file": cert, "client_key_file": key}
        assert delivered(port, host="https://localhost", **files).delivered == 1
        untrusted = exporter_at(port, host="https://localhost", client_cert_file=cert, client_key_file=key)
        outcome = untrusted.attempt(next(iter(untrusted.payloads(collection([0])))), 30.0).outcome
        untrusted.shutdown(0)
        assert isinstance(outcome, Unavailable)
        assert outcome.code == "otlp.grpc.unknown-ca"


@pytest.mark.parametrize(
    ("package", "says"),
    [
        (None, ("which is not installed", "pip install 'magictel[grpc]'")),
        (
            "raise ImportError('libstdc++.so.6: no such file')",
            ("cannot be imported (libstdc++.so.6", "uninstall grpcio"),
        ),
    ],
)
def test_without_a_usable_grpcio_a_sentence_says_what_to_install(
    package: str | None, says: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if package is None:
        monkeypatch.setitem(sys.modules, "grpc", None)  # type: ignore[arg-type] # the import system's own way
    else:
        monkeypatch.delitem(sys.modules, "grpc")
        (tmp_path / "grpc.py").write_text(package)
        monkeypatch.syspath_prepend(tmp_path)
    ran = magictel("check", "otlp", "--set", "protocol=grpc", "--format", "json", folder=tmp_path)
    assert ran.code == 78
    assert "config.extra" in ran.out + ran.err
    assert all(words in ran.out + ran.err for words in says)


def test_a_call_goes_through_the_proxys_tunnel_with_its_credentials() -> None:
    heads: list[bytes] = []
    with serving_grpc(lambda body, context: b"") as port, serving(tunnels(heads)) as proxy:
        assert delivered(port, proxy=f"http://me:s3cr3t-value@127.0.0.1:{proxy.port}").delivered == 1
    assert b"Proxy-Authorization: Basic bWU6czNjcjN0LXZhbHVl\r\n" in heads[0]


def test_a_header_that_cannot_be_sent_is_named() -> None:
    exporter = exporter_at(1, headers={"x-tenant": Secret("bl\u00e4u")})
    outcome = exporter.attempt(next(iter(exporter.payloads(collection([0])))), 30.0).outcome
    exporter.shutdown(0)
    assert isinstance(outcome, Unavailable)
    assert outcome.code == "config.secret.non-ascii"


def test_addresses_of_grpc_have_no_path_and_may_have_no_scheme() -> None:
    def address(url: str | None, **options: Any) -> str:
        return str(OtlpSettings(url=url, protocol="grpc", **options).addresses()[0].endpoint)

    assert address(None) == "http://localhost:4317"
    assert address("http://c:4317/v1/metrics") == "http://c:4317"
    assert address("c:4317/v1/metrics") == "https://c:4317"
    assert address("c:4317/v1/metrics", insecure=True) == "http://c:4317"


def test_the_body_is_that_of_http() -> None:
    data = sample("0123456789ab", 1_764_000_000.0).data
    bodies = []
    for protocol in ("grpc", "http/protobuf"):
        exporter = OtlpExporter(OtlpSettings(protocol=protocol), clock=LeapingClock())
        bodies.append([body for _, body in exporter.requests(data)])
        exporter.shutdown(0)
    assert bodies[0] == bodies[1]
