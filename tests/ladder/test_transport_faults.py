"""Every transport fault of the catalogue, made by a real socket and met with the real transport and the ladder's second probes."""

from __future__ import annotations

import datetime as dt
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from magictel.errors import SettingsError, WireError
from magictel.http.wire import Reply, Request, Wire
from magictel.ladder.http import answered
from magictel.model.finding import Finding, Status
from magictel.net.address import parse_endpoint
from magictel.net.tls import TlsOptions
from magictel.settings.interpolate import check_secret
from magictel.transports.http import HttpTransport
from tests.transports.servers import (
    OK,
    Authority,
    answers,
    free_port,
    full_accept_queue,
    now,
    old_tls,
    once,
    read_request,
    reset,
    says,
    self_signed,
    serving,
)

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "transport_faults.json"
TOLD_BY_A_SECOND_PROBE = frozenset(
    {"http.tls-port", "es.tls.http-on-https-port", "tls.plaintext-server", "http.not-http"}
)
"""Codes that need a second probe's answer. The others' second probes meet silence, and need not wait longer for it."""
SETTINGS_FRAME = bytes.fromhex("000006040000000000000500004000")


@dataclass
class Faced:
    """Where to send, and with what."""

    url: str
    tls: TlsOptions = field(default_factory=TlsOptions)
    options: dict[str, Any] = field(default_factory=dict)
    timeout: float = 120.0
    """Seconds: long where there is an answer, whatever else the machine does; short where there is none."""


@dataclass
class Fault:
    """One row: the catalogue's words, its code, and what the transport's exception must say of phase and fate."""

    row: str
    code: str
    situation: Callable[[Authority, Path], AbstractContextManager[Faced]]
    phases: tuple[str, ...] = ()
    maybe_delivered: bool | None = None


def server(
    handler: Callable[[socket.socket], None], **given: Any
) -> Callable[[Authority, Path], AbstractContextManager[Faced]]:
    @contextmanager
    def situation(authority: Authority, folder: Path) -> Iterator[Faced]:
        with serving(handler) as server:
            yield Faced(server.http, **given)

    return situation


def plain_server_behind_https(
    handler: Callable[[socket.socket], None], **given: Any
) -> Callable[[Authority, Path], AbstractContextManager[Faced]]:
    @contextmanager
    def situation(authority: Authority, folder: Path) -> Iterator[Faced]:
        with serving(handler) as server:
            yield Faced(server.https, **given)

    return situation


def tls_server(
    *names: str, known: bool = True, host: str = "localhost", **given: Any
) -> Callable[[Authority, Path], AbstractContextManager[Faced]]:
    @contextmanager
    def situation(authority: Authority, folder: Path) -> Iterator[Faced]:
        with serving(answers(OK), authority.context(*names, **given)) as server:
            yield Faced(f"https://{host}:{server.port}", TlsOptions(ca_file=authority.file if known else None))

    return situation


@contextmanager
def nothing_listens(authority: Authority, folder: Path) -> Iterator[Faced]:
    yield Faced(f"http://127.0.0.1:{free_port()}")


@contextmanager
def no_such_host(authority: Authority, folder: Path) -> Iterator[Faced]:
    yield Faced("http://no-such-host.invalid:9200", options={"trust_env": False})


@contextmanager
def queue_full(authority: Authority, folder: Path) -> Iterator[Faced]:
    with full_accept_queue() as port:
        yield Faced(f"http://127.0.0.1:{port}", options={"connect_timeout": 0.4}, timeout=1.5)


def resets_at_once(sock: socket.socket) -> None:
    reset(sock)


def resets_after_the_request(sock: socket.socket) -> None:
    read_request(sock)
    reset(sock)


def never_answers(sock: socket.socket) -> None:
    read_request(sock)
    while sock.recv(1000):
        pass


def closes_without_an_answer(sock: socket.socket) -> None:
    read_request(sock)


def banner_then_reset(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    time.sleep(0.05)
    reset(sock)


@contextmanager
def plain_http_to_a_tls_port(authority: Authority, folder: Path) -> Iterator[Faced]:
    with serving(answers(OK), authority.context()) as server:
        yield Faced(server.http)


@contextmanager
def its_own_certificate(authority: Authority, folder: Path) -> Iterator[Faced]:
    context, _ = self_signed(folder)
    with serving(answers(OK), context) as server:
        yield Faced(server.https)


@contextmanager
def wants_a_client_certificate(authority: Authority, folder: Path) -> Iterator[Faced]:
    with serving(answers(OK), authority.context(clients=authority.ca)) as server:
        yield Faced(server.https, TlsOptions(ca_file=authority.file))


@contextmanager
def gets_a_foreign_client_certificate(authority: Authority, folder: Path) -> Iterator[Faced]:
    cert, key = Authority(folder).client_files(trustme.CA(key_type=trustme.KeyType.ECDSA))
    with serving(answers(OK), authority.context(clients=authority.ca)) as server:
        yield Faced(server.https, TlsOptions(ca_file=authority.file, client_cert_file=cert, client_key_file=key))


@contextmanager
def speaks_tls_1_1(authority: Authority, folder: Path) -> Iterator[Faced]:
    with serving(answers(OK), old_tls(authority)) as server:
        yield Faced(server.https, TlsOptions(ca_file=authority.file))


@contextmanager
def proxy_is_down(authority: Authority, folder: Path) -> Iterator[Faced]:
    with serving(answers(OK)) as backend:
        yield Faced(backend.http, options={"proxy": f"http://127.0.0.1:{free_port()}"})


@contextmanager
def proxy_wants_credentials(authority: Authority, folder: Path) -> Iterator[Faced]:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with serving(answers(refusal)) as proxy:
        yield Faced("https://localhost:9200", options={"proxy": proxy.http})


FAULTS = [
    Fault("nothing listens (connection refused)", "net.tcp.refused", nothing_listens, ("tcp",), False),
    Fault("host name does not resolve", "net.dns.not-found", no_such_host, ("dns",), False),
    Fault("port not reachable / accept queue full (connect timeout)", "net.tcp.timeout", queue_full, ("tcp",), False),
    Fault(
        "server accepts and closes at once (e.g. plain http to ES https port: empty reply)",
        "net.tcp.reset",
        server(resets_at_once),
        ("tcp", "write", "read"),  # as the kernel comes to see it
    ),
    Fault("server resets after the request", "net.tcp.reset", server(resets_after_the_request), ("read",), True),
    Fault(
        "server accepts, never answers (read timeout)",
        "net.http.read-timeout",
        server(never_answers, timeout=3.0),
        ("read",),
        True,
    ),
    Fault(
        "https URL, server speaks plain http",
        "tls.plaintext-server",
        plain_server_behind_https(answers(OK), options={"connect_timeout": 2.0}, timeout=8.0),
        ("tls",),
        False,
    ),
    Fault("http URL, server speaks TLS (openssl server)", "http.tls-port", plain_http_to_a_tls_port, ("write", "read")),
    Fault("self-signed certificate", "tls.self-signed", its_own_certificate, ("tls",), False),
    Fault("certificate signed by an unknown CA", "tls.unknown-ca", tls_server(known=False), ("tls",), False),
    Fault(
        "expired certificate",
        "tls.expired",
        tls_server(not_before=now() - dt.timedelta(days=9), not_after=now() - dt.timedelta(days=3)),
        ("tls",),
        False,
    ),
    Fault(
        "certificate not yet valid (clock skew)",
        "tls.not-yet-valid",
        tls_server(not_before=now() + dt.timedelta(days=3)),
        ("tls",),
        False,
    ),
    Fault("certificate for another host name", "tls.hostname-mismatch", tls_server("es.example.net"), ("tls",), False),
    Fault(
        "connecting by IP, certificate has only a name",
        "tls.hostname-mismatch",
        tls_server("localhost", host="127.0.0.1"),
        ("tls",),
        False,
    ),
    Fault(
        "server wants a client certificate, none given",
        "tls.client-cert-required",
        wants_a_client_certificate,
        ("write", "read"),
        False,
    ),
    Fault(
        "client certificate from another CA",
        "tls.client-cert-rejected",
        gets_a_foreign_client_certificate,
        ("write", "read"),
        False,
    ),
    Fault("server only speaks TLS 1.1", "tls.protocol-version", speaks_tls_1_1, ("tls",), False),
    Fault(
        "http/1.1 client on a gRPC (h2c) port, e.g. OTLP 4317",
        "http.grpc-port",
        server(says(SETTINGS_FRAME)),
        ("write", "read"),
    ),
    Fault(
        "https client on a plaintext gRPC port",
        "tls.plaintext-server",
        plain_server_behind_https(says(SETTINGS_FRAME)),
        ("tls",),
        False,
    ),
    Fault(
        "redirect to a login page (proxy / SSO)",
        "http.redirect",
        server(
            once(b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://login.example/\r\nContent-Length: 0\r\n\r\n")
        ),
    ),
    Fault("not HTTP at all (e.g. SSH/Redis banner)", "http.not-http", server(banner_then_reset), ("write", "read")),
    Fault(
        "truncated body (Content-Length larger than body)",
        "http.truncated",
        server(once(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")),
        ("read",),
        True,
    ),
    Fault(
        "bad gzip body",
        "http.bad-encoding",
        server(once(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip")),
        ("read",),
        True,
    ),
    Fault("proxy refuses (proxy down)", "http.proxy.down", proxy_is_down, ("tcp",), False),
    Fault("proxy answers 407", "http.proxy.auth", proxy_wants_credentials, ("proxy",), False),
    Fault("server closes without an answer", "net.http.closed", server(closes_without_an_answer), ("read",), True),
    Fault(
        "not HTTP (SSH or Redis text), other timing", "http.not-http", server(says(b"-ERR unknown command 'GET'\r\n"))
    ),
    Fault(
        "response header over 64 KiB",
        "http.header-too-large",
        server(once(b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 70_000 + b"\r\n\r\n")),
        ("read",),
        True,
    ),
    Fault(
        "unassigned status 999 is passed through, no exception",
        "http.unknown-status",
        server(once(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n")),
    ),
]

CONFIGURATION: list[tuple[str, str, Callable[[], str | None]]] = [
    ("URL without scheme", "config.url.no-scheme", lambda: refused_url("localhost:9200")),
    ("URL with unknown scheme", "config.url.bad-scheme", lambda: refused_url("grpc://localhost:9200")),
    (
        "port 99999 in the URL (wraps modulo 65536, no error)",
        "config.url.bad-port",
        lambda: refused_url("http://localhost:99999"),
    ),
    ("port is not a number", "config.url.bad-port", lambda: refused_url("http://localhost:abc")),
    ("IPv6 address without brackets", "config.url.bad-port", lambda: refused_url("http://::1:9200")),
    (
        "unexpanded ${VAR} as host",
        "config.url.unexpanded-variable",
        lambda: refused_url("http://${ES_HOST}:9200"),
    ),
    ("leading space in the URL", "config.url.whitespace", lambda: refused_url(" http://localhost:9200")),
    (
        "secret with trailing newline (read from a file): the exception text CONTAINS the secret",
        "config.secret.whitespace",
        lambda: check_secret("abcdefgh\n", field="api_key").code,
    ),
    (
        "secret with leading or trailing space: same leak",
        "config.secret.whitespace",
        lambda: check_secret(" abcdefgh ", field="api_key").code,
    ),
    (
        "secret with a non-breaking space / zero-width character (pasted)",
        "config.secret.non-ascii",
        lambda: refused_secret("abc\u00a0defgh"),
    ),
    ("header value None", "config.secret.empty", lambda: refused_secret("")),
    (
        "empty credential header (env variable unset): sent silently, no local error",
        "config.secret.empty",
        lambda: refused_secret("  "),
    ),
]
"""Rows met before any socket: the check of addresses and secrets on loading."""


def refused_url(url: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_endpoint(url, field="url", origin="ELASTICSEARCH_URL")
    assert caught.value.message.startswith("url: ")
    assert caught.value.origin == "ELASTICSEARCH_URL"
    assert caught.value.remedy
    return caught.value.code


def refused_secret(value: str) -> str:
    with pytest.raises(SettingsError) as caught:
        check_secret(value, field="api_key", origin="ES_KEY")
    assert "defgh" not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row)
def test_each_fault_of_a_socket_has_its_code(
    fault: Fault, authority: Authority, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if fault.code in TOLD_BY_A_SECOND_PROBE:
        request.getfixturevalue("patient_second_probes")
    with fault.situation(authority, tmp_path) as faced:
        transport = HttpTransport(faced.tls, **({"environment": {}} | faced.options))
        wire = Wire(transport, parse_endpoint(faced.url).endpoint, timeout=faced.timeout)
        finding = answered(wire)
        transport.close()
    assert isinstance(finding, Finding)
    assert (finding.outcome, finding.code) == (Status.FAIL, fault.code), finding


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.phases], ids=lambda fault: fault.row)
def test_each_failed_exchange_says_how_far_it_got(fault: Fault, authority: Authority, tmp_path: Path) -> None:
    with fault.situation(authority, tmp_path) as faced:
        transport = HttpTransport(faced.tls, **({"environment": {}} | faced.options))
        with pytest.raises(WireError) as caught:
            transport.send(
                Request("POST", faced.url + "/_bulk", {"Authorization": "ApiKey s3cr3t"}, b"{}\n"), faced.timeout
            )
        transport.close()
    failure = caught.value
    assert failure.phase in fault.phases
    if fault.maybe_delivered is not None:
        assert failure.maybe_delivered is fault.maybe_delivered
    assert "s3cr3t" not in f"{failure} {failure.evidence} {failure.remedy}"


@pytest.mark.parametrize(("row", "code", "ask"), CONFIGURATION, ids=[row for row, _, _ in CONFIGURATION])
def test_each_fault_of_the_settings_is_found_before_the_network(
    row: str, code: str, ask: Callable[[], str | None]
) -> None:
    assert ask() == code


@pytest.mark.skipif(not REFERENCE.exists(), reason=f"the fault catalogue is not here: {REFERENCE}")
def test_every_row_of_the_catalogue_is_reproduced_here() -> None:
    rows = json.loads(REFERENCE.read_text())
    wanted = {(row["fault"], row["id"]) for row in rows if row["id"] and row["client"].startswith("httpx")}
    covered = {(fault.row, fault.code) for fault in FAULTS} | {(row, code) for row, code, _ in CONFIGURATION}
    assert wanted - covered == set()


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"])
def test_an_interim_reply_is_passed_over(interim: bytes) -> None:
    with serving(once(interim + b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")) as server:
        transport = HttpTransport(environment={})
        reply = transport.send(Request("POST", server.http + "/", {}, b"x"), 5)
        transport.close()
    assert reply.status == 202


def test_a_known_ca_is_trusted(authority: Authority) -> None:
    with serving(answers(OK), authority.context()) as server:
        transport = HttpTransport(TlsOptions(ca_file=authority.file), environment={})
        reply = answered(Wire(transport, parse_endpoint(server.https).endpoint))
        transport.close()
    assert isinstance(reply, Reply)
    assert reply.body == b"{}"
