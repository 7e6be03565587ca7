"""Addresses that are nearly right: each mistake has a code and names the address to use."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import magictel
from tests.diagnose.scripted import raw
from tests.transports.servers import OK, Authority, answers, read_request, says, serving

SETTINGS_FRAME = bytes.fromhex("000006040000000000000500004000")


def receiver_at(path: str) -> Callable[[socket.socket], None]:
    """A server with an OTLP receiver at one path, and 404 elsewhere."""

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            there = request.split(b" ", 2)[1].decode() == path
            sock.sendall(raw(405, {}, b"405 method not allowed, supported: [POST]") if there else raw(404, {}, b"no"))

    return handle


@pytest.mark.parametrize(
    ("receiver", "path", "code"),
    [
        ("/v1/metrics", "/v1/metrics/v1/metrics", "otlp.path.doubled"),
        ("/otlp/v1/metrics", "/otlp", "otlp.path.signal"),
        ("/api/v1/otlp/v1/metrics", "/v1/metrics", "otlp.path"),
        ("/elsewhere", "/v1/metrics", "otlp.path"),
    ],
)
def test_a_wrong_path_names_the_right_one(receiver: str, path: str, code: str, tmp_path: Path) -> None:
    with serving(receiver_at(receiver)) as server:
        given = ("--set", f"url={server.http}{path}", "--set", "trust_env=false", "--format", "json")
        ran = magictel("check", "otlp", *given, folder=tmp_path)
    (target,) = ran.document["targets"]
    rung = next(rung for rung in target["rungs"] if rung["outcome"] == "fail")
    assert (rung["rung"], rung["code"]) == ("http", code)
    assert (f"{server.http}{receiver}" in rung["remedy"]) is (receiver != "/elsewhere")


@pytest.mark.parametrize(
    ("situation", "protocol", "code"),
    [
        ("gRPC port", "http/protobuf", "http.grpc-port"),
        ("HTTP port", "grpc", "otlp.grpc.http-port"),
        ("HTTPS port", "grpc", "otlp.grpc.http-port"),
        ("TLS port", "http/protobuf", "http.tls-port"),
        ("TLS port", "grpc", "otlp.grpc.plain-to-tls"),
        ("plain port", "http/protobuf", "tls.plaintext-server"),
        ("plain port", "grpc", "otlp.grpc.tls-to-plain"),
        ("client certificate", "http/protobuf", "tls.client-cert-required"),
        ("client certificate", "grpc", "tls.client-cert-required"),
        ("other client certificate", "http/json", "tls.client-cert-rejected"),
        ("other client certificate", "grpc", "tls.client-cert-rejected"),
    ],
)
@pytest.mark.usefixtures("patient_second_probes")
def test_mixed_up_ports_and_certificates_are_told_apart(
    situation: str, protocol: str, code: str, authority: Authority, tmp_path: Path
) -> None:
    tls = authority.context(clients=authority.ca) if "certificate" in situation else authority.context()
    handler = says(SETTINGS_FRAME) if situation == "gRPC port" else answers(OK)
    given = [f"protocol={protocol}", "trust_env=false", f"ca_file={authority.file}"]
    if situation.startswith("other"):
        cert, key = Authority(tmp_path).client_files()
        given += [f"client_cert_file={cert}", f"client_key_file={key}"]
    with serving(handler, None if situation.split()[0] in ("gRPC", "HTTP", "plain") else tls) as server:
        secure = "certificate" in situation or situation in ("plain port", "HTTPS port")
        given.append(f"url={server.https if secure else server.http}/v1/metrics")
        options = [word for setting in given for word in ("--set", setting)]
        ran = magictel("check", "otlp", *options, "--timeout", "60s", "--format", "json", folder=tmp_path)
    (target,) = ran.document["targets"]
    assert next(rung["code"] for rung in target["rungs"] if rung["outcome"] == "fail") == code
