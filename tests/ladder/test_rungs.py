"""The network's rungs against real sockets: what is shown when they hold, and when they do not."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from magictel.http.wire import Reply, Wire
from magictel.ladder.clock import clock, time_of
from magictel.ladder.dns import dns
from magictel.ladder.endpoints import merge
from magictel.ladder.http import answered
from magictel.ladder.tcp import tcp
from magictel.ladder.tls import tls
from magictel.model.finding import Finding, Rung, Status
from magictel.net.address import parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import parse_proxy
from magictel.net.tls import TlsOptions
from magictel.transports.http import HttpTransport
from tests.transports.servers import (
    OK,
    Authority,
    Server,
    answers,
    free_port,
    full_accept_queue,
    now,
    once,
    self_signed,
    serving,
)

NOW = time.time()
pytestmark = pytest.mark.usefixtures("patient_second_probes")


def at(url: str) -> Endpoint:
    return parse_endpoint(url).endpoint


# ---- dns -------------------------------------------------------------------------------------------------------------


def resolver(*addresses: str) -> Any:
    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return look_up


def test_a_name_shows_each_of_its_addresses_once() -> None:
    finding = dns(at("http://es.test:9200"), resolver=resolver("10.0.0.7", "10.0.0.8", "10.0.0.7"))
    assert finding.outcome is Status.PASS
    assert finding.message == "es.test is 10.0.0.7, 10.0.0.8"
    assert finding.evidence["addresses"] == ["10.0.0.7", "10.0.0.8"]


@pytest.mark.parametrize(
    ("number", "code"), [(-2, "net.dns.not-found"), (-3, "net.dns.not-found"), (-5, "net.dns.not-found")]
)
def test_a_name_that_does_not_resolve_fails(number: int, code: str) -> None:
    def look_up(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(number, "no")

    finding = dns(at("http://es.test:9200"), resolver=look_up)
    assert (finding.outcome, finding.code) == (Status.FAIL, code)
    assert finding.evidence["gai_errno"] == number


def test_a_resolver_that_keeps_silent_ends_by_the_time_given() -> None:
    over = threading.Event()

    def look_up(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        over.wait(100)
        return []

    finding = dns(at("http://es.test:9200"), timeout=0.2, resolver=look_up)
    over.set()
    assert finding.code == "net.dns.timeout"


def test_behind_a_proxy_the_proxys_name_is_looked_up() -> None:
    proxy = parse_proxy("http://proxy.test:3128", "HTTPS_PROXY")
    finding = dns(at("https://es.test:9200"), proxy=proxy, resolver=resolver("10.0.0.1"))
    assert "HTTPS_PROXY" in finding.message
    assert finding.evidence["host"] == "proxy.test"


# ---- tcp -------------------------------------------------------------------------------------------------------------


def test_each_address_is_tried_and_one_that_answers_is_enough() -> None:
    with serving(answers(OK)) as server:
        finding = tcp(at(server.http), resolver=resolver("127.0.0.2", "127.0.0.1"))
    # 127.0.0.2 is loopback too, and the server listens on 127.0.0.1 alone
    assert finding.outcome is Status.PASS
    assert [address["answers"] for address in finding.evidence["addresses"]] == [False, True]
    assert finding.evidence["answered_by"] == "backend"
    assert f"127.0.0.2:{server.port} refused" in finding.message


def test_where_nothing_listens_the_port_is_named() -> None:
    port = free_port()
    finding = tcp(at(f"http://127.0.0.1:{port}"))
    assert (finding.outcome, finding.code) == (Status.FAIL, "net.tcp.refused")
    assert str(port) in finding.message
    assert finding.evidence["addresses"][0]["error"] == "ECONNREFUSED"


def test_an_address_that_keeps_silent_leaves_time_for_the_next() -> None:
    with full_accept_queue() as port:
        finding = tcp(at(f"http://127.0.0.1:{port}"), timeout=4.0, resolver=resolver("127.0.0.1", "127.0.0.2"))
    assert [address["error"] for address in finding.evidence["addresses"]] == ["timeout", "ECONNREFUSED"]


def test_nobody_answers_in_time() -> None:
    with full_accept_queue() as port:
        finding = tcp(at(f"http://127.0.0.1:{port}"), timeout=0.3)
    assert (finding.outcome, finding.code) == (Status.FAIL, "net.tcp.timeout")


def test_a_proxy_that_is_down_is_told_from_a_backend_that_is_down() -> None:
    proxy = parse_proxy(f"http://127.0.0.1:{free_port()}", "ALL_PROXY")
    finding = tcp(at("http://127.0.0.1:9200"), proxy=proxy)
    assert (finding.outcome, finding.code) == (Status.FAIL, "http.proxy.down")
    assert "ALL_PROXY" in finding.message


def test_a_proxy_that_answers_says_that_it_was_the_proxy() -> None:
    with serving(answers(OK)) as server:
        finding = tcp(at("http://es.invalid:9200"), proxy=parse_proxy(server.http, "the proxy setting"))
    assert (finding.outcome, finding.evidence["answered_by"]) == (Status.PASS, "proxy")


# ---- tls -------------------------------------------------------------------------------------------------------------


def shaken(server: Server, options: TlsOptions, **given: Any) -> Finding:
    return tls(at(server.https), options, **{"now": NOW, "timeout": 120.0, **given})


def test_http_has_no_tls_rung() -> None:
    finding = tls(at("http://localhost:9200"), TlsOptions(), now=NOW)
    assert (finding.outcome, finding.message) == (Status.SKIPPED, "not used: the address is http://")


def test_a_good_certificate_is_shown(authority: Authority) -> None:
    context = authority.context("localhost", "es.example.net", not_after=now() + dt.timedelta(days=60))
    with serving(answers(OK), context) as server:
        finding = shaken(server, TlsOptions(ca_file=authority.file))
    assert finding.outcome is Status.PASS, finding
    evidence = finding.evidence
    assert evidence["version"] == "TLSv1.3"
    assert evidence["names"] == ["localhost", "es.example.net"]
    assert evidence["verified"] is True
    assert 59 < evidence["days_left"] < 61
    assert len(evidence["fingerprint_sha256"]) == 64
    assert evidence["chain"][0]["issuer"]
    assert "60 days left" in finding.message


@pytest.mark.parametrize(("days", "outcome"), [(22, Status.PASS), (20, Status.WARN), (0.5, Status.WARN)])
def test_a_certificate_that_ends_soon_warns_below_21_days(days: float, outcome: Status, authority: Authority) -> None:
    context = authority.context(not_after=now() + dt.timedelta(days=days))
    with serving(answers(OK), context) as server:
        finding = shaken(server, TlsOptions(ca_file=authority.file))
    assert finding.outcome is outcome
    assert finding.code == (None if outcome is Status.PASS else "tls.expires-soon")


def test_the_certificate_is_shown_although_it_does_not_pass(authority: Authority) -> None:
    ended = now() - dt.timedelta(days=3)
    context = authority.context("localhost", not_before=ended - dt.timedelta(days=9), not_after=ended)
    with serving(answers(OK), context) as server:
        finding = shaken(server, TlsOptions(ca_file=authority.file))
    assert (finding.outcome, finding.code) == (Status.FAIL, "tls.expired")
    assert "expired 3 days ago" in finding.message
    assert finding.remedy == "renew the certificate on the server"
    assert finding.evidence["verified"] is False
    assert finding.evidence["not_after"].endswith("UTC")
    assert finding.evidence["names"] == ["localhost"]


def test_a_wrong_name_lists_the_names_there_are(authority: Authority) -> None:
    with serving(answers(OK), authority.context("es.example.net")) as server:
        finding = shaken(server, TlsOptions(ca_file=authority.file))
    assert (finding.code, "es.example.net" in finding.message) == ("tls.hostname-mismatch", True)


def test_an_unknown_ca_is_named(authority: Authority) -> None:
    with serving(answers(OK), authority.context()) as server:
        finding = shaken(server, TlsOptions())
    assert finding.code == "tls.unknown-ca"
    assert "issued by" in finding.message
    assert finding.evidence["issuer"]


def test_a_certificate_of_its_own_shows_its_fingerprint(tmp_path: Path) -> None:
    context, file = self_signed(tmp_path)
    with serving(answers(OK), context) as server:
        finding = shaken(server, TlsOptions())
        assert finding.code == "tls.self-signed"
        pinned = shaken(server, TlsOptions(ca_fingerprint=finding.evidence["fingerprint_sha256"]))
        trusted = shaken(server, TlsOptions(ca_file=file))
    assert pinned.outcome is Status.PASS
    assert "as pinned" in pinned.message
    assert trusted.outcome is Status.PASS


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_that_is_missing_shows_on_this_rung(newest: ssl.TLSVersion, authority: Authority) -> None:
    context = authority.context(clients=authority.ca)
    context.maximum_version = newest
    with serving(answers(OK), context) as server:
        finding = shaken(server, TlsOptions(ca_file=authority.file))
    assert finding.outcome is Status.FAIL
    assert finding.code == "tls.client-cert-required"


def test_verify_off_warns(authority: Authority) -> None:
    with serving(answers(OK), authority.context()) as server:
        finding = shaken(server, TlsOptions(verify=False))
    assert (finding.outcome, finding.code) == (Status.WARN, "tls.unverified")


def test_a_plain_server_that_waits_is_recognised_by_asking_it_plainly() -> None:
    with serving(answers(OK)) as server:
        finding = shaken(server, TlsOptions(), timeout=8.0)
    assert (finding.outcome, finding.code) == (Status.FAIL, "tls.plaintext-server")
    assert finding.evidence["first_bytes"].startswith("HTTP/1.1 200")


SAID_IN_THE_CLEAR = {
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", "http.not-http", "SSH-2.0-OpenSSH_9.6"),
    "the transport port": (b"This is not an HTTP port", "es.http.wrong-port", "transport port of the nodes"),
    "gRPC": (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d", "tls.plaintext-server", "gRPC port"),
    "HTTP": (OK, "tls.plaintext-server", "does not speak TLS"),
}


@pytest.mark.parametrize("case", SAID_IN_THE_CLEAR)
def test_what_answers_a_handshake_in_the_clear_is_named_by_what_it_says(case: str) -> None:
    reply, code, words = SAID_IN_THE_CLEAR[case]

    def handle(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(reply)

    with serving(handle) as server:
        finding = shaken(server, TlsOptions())
    assert (finding.outcome, finding.code) == (Status.FAIL, code)
    assert words in finding.message
    assert finding.remedy
    assert ("http://" in finding.remedy) is (case == "HTTP")


def test_a_proxy_that_does_not_answer_is_not_taken_for_a_slow_handshake() -> None:
    over = threading.Event()
    with serving(lambda sock: sock.recv(4096) and over.wait(100)) as server:
        proxy = parse_proxy(server.http, "HTTPS_PROXY")
        finding = tls(at("https://es.invalid:9200"), TlsOptions(), now=NOW, proxy=proxy, timeout=0.4)
        over.set()
    assert finding.code == "http.proxy.refused"
    assert "did not open a tunnel" in finding.message


def test_a_proxy_that_refuses_the_tunnel_is_named(authority: Authority) -> None:
    with serving(once(b"HTTP/1.1 407 No\r\n\r\n")) as server:
        proxy = parse_proxy(server.http, "HTTPS_PROXY")
        finding = tls(at("https://es.invalid:9200"), TlsOptions(), now=NOW, proxy=proxy)
    assert (finding.code, "HTTPS_PROXY" in finding.message) == ("http.proxy.auth", True)


# ---- http ------------------------------------------------------------------------------------------------------------


def reply(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


PAGE = b"<!DOCTYPE html><html><body>hello</body></html>"
NOT_A_BACKEND = {
    "a page": (reply("200 OK", PAGE), "http.not-a-backend"),
    "a page by its type": (reply("200 OK", b"hello", Content_Type="text/html; charset=utf-8"), "http.not-a-backend"),
    "a page not found": (reply("404 Not Found", PAGE), "http.not-a-backend"),
    "a gateway": (reply("502 Bad Gateway", PAGE, Server="nginx/1.22"), "http.bad-gateway"),
    "a busy gateway": (reply("503 Unavailable", PAGE), "http.bad-gateway"),
    "a gateway in plain words": (reply("503 Unavailable", b"no healthy upstream"), "http.bad-gateway"),
    "a gateway's limit": (reply("429 Slow", b"slow down", Server="envoy"), "http.throttled"),
    "a login": (reply("302 Found", b"", Location="https://login.example/?next=x"), "http.redirect"),
    "a front that wants credentials": (reply("401 No", PAGE, Server="nginx"), "http.unauthorized"),
    "a front that refuses": (reply("403 No", PAGE, Server="nginx"), "http.forbidden"),
    "the transport port, in HTTP": (reply("400 Bad", b"This is not an HTTP port"), "es.http.wrong-port"),
    "the transport port, bare": (b"This is not an HTTP port", "es.http.wrong-port"),
    "a status from nowhere": (reply("799 Odd"), "http.unknown-status"),
}
A_BACKEND = {
    "json": reply("200 OK", b"{}", Content_Type="application/json"),
    "401 in json": reply("401 No", b'{"error":{}}', Content_Type="application/json"),
    "403 in json": reply("403 No", b'{"error":{}}', Content_Type="application/json"),
    "401 in plain text": reply("401 No", b"no org id", Content_Type="text/plain"),
    "503 in json": reply("503 No", b'{"error":{}}', Content_Type="application/json"),
    "405 in plain text": reply("405 No", b"Method Not Allowed"),
    "400 in plain text": reply("400 No", b"what?"),
    "empty": reply("204 No Content"),
}


def ask(data: bytes) -> Reply | Finding:
    with serving(once(data)) as server:
        transport = HttpTransport(environment={})
        try:
            return answered(Wire(transport, at(server.http)))
        finally:
            transport.close()


@pytest.mark.parametrize(("data", "code"), NOT_A_BACKEND.values(), ids=NOT_A_BACKEND)
def test_what_is_no_backend_is_named(data: bytes, code: str) -> None:
    finding = ask(data)
    assert isinstance(finding, Finding)
    assert (finding.outcome, finding.code) == (Status.FAIL, code)
    assert finding.remedy


@pytest.mark.parametrize("data", A_BACKEND.values(), ids=A_BACKEND)
def test_what_a_backend_may_say_is_left_to_the_exporter(data: bytes) -> None:
    assert isinstance(ask(data), Reply)


def test_a_gateway_is_named_by_its_server_header() -> None:
    finding = ask(NOT_A_BACKEND["a gateway"][0])
    assert isinstance(finding, Finding)
    assert "nginx/1.22" in finding.message


def test_a_tls_server_that_explains_itself_in_plain_http_is_recognised(authority: Authority) -> None:
    """nginx and Go answer 400 in plain text on their TLS ports; Go's server here: the handshake works, so the sentence is believed."""
    context = authority.context()
    explained = reply("400 Bad Request", b"Client sent an HTTP request to an HTTPS server.\n")

    def handle(sock: socket.socket) -> None:
        first = sock.recv(1, socket.MSG_PEEK)
        if first == b"\x16":
            with context.wrap_socket(sock, server_side=True) as spoken:
                spoken.recv(1)
            return
        once(explained)(sock)

    with serving(handle) as server:
        transport = HttpTransport(environment={})
        finding = answered(Wire(transport, at(server.http)))
        transport.close()
    assert isinstance(finding, Finding)
    assert finding.code == "http.tls-port"
    assert f"https://127.0.0.1:{server.port}" in (finding.remedy or "")


# ---- clock -----------------------------------------------------------------------------------------------------------

INFINITE = float("inf")
CLOCKS = [
    # ours minus theirs, window, outcome, code
    (0.3, (INFINITE, 600.0), Status.PASS, None),
    (4.0, (INFINITE, 600.0), Status.PASS, None),
    (-4.0, (INFINITE, 600.0), Status.PASS, None),
    (30.0, (INFINITE, 600.0), Status.WARN, "clock.drift"),
    (-30.0, (INFINITE, 600.0), Status.WARN, "clock.drift"),
    (599.0, (INFINITE, 600.0), Status.WARN, "clock.drift"),
    (700.0, (INFINITE, 600.0), Status.FAIL, "clock.skew"),
    (86_400.0, (INFINITE, INFINITE), Status.WARN, "clock.drift"),
    (-86_400.0, (INFINITE, 600.0), Status.WARN, "clock.drift"),
    (-8_000.0, (7_200.0, 1_800.0), Status.FAIL, "clock.skew"),
]


@pytest.mark.parametrize(("ahead", "window", "outcome", "code"), CLOCKS)
def test_clocks_are_held_against_the_window(
    ahead: float, window: tuple[float, float], outcome: Status, code: str | None
) -> None:
    finding = clock(NOW, NOW + ahead, window)
    assert (finding.outcome, finding.code) == (outcome, code), finding.message
    if outcome is not Status.PASS:
        assert ("ahead of" if ahead > 0 else "behind") in finding.message


def test_a_clock_that_cannot_be_read_warns_and_refuses_nothing() -> None:
    finding = clock(None, NOW, (60.0, 60.0))
    assert (finding.outcome, finding.code) == (Status.WARN, "clock.unreadable")


@pytest.mark.parametrize(
    ("date", "epoch"),
    [("Wed, 25 Nov 2026 02:20:08 GMT", 1795573208.0), ("yesterday", None), ("", None), (None, None)],
)
def test_the_date_header_is_read(date: str | None, epoch: float | None) -> None:
    assert time_of(Reply(200, {} if date is None else {"date": date})) == epoch


# ---- several nodes ---------------------------------------------------------------------------------------------------

ONE, TWO, THREE = (Endpoint("http", host, 9200) for host in ("a", "b", "c"))


def node(outcome: Status, code: str | None = None, message: str = "so") -> Finding:
    return Finding(Rung.TCP, outcome, message, code, evidence={"x": 1})


def test_one_node_keeps_its_own_finding() -> None:
    finding = node(Status.WARN, "clock.drift")
    assert merge(Rung.TCP, {ONE: finding}) is finding


@pytest.mark.parametrize(
    ("nodes", "outcome", "code"),
    [
        ([node(Status.PASS), node(Status.PASS)], Status.PASS, None),
        ([node(Status.PASS), node(Status.WARN, "clock.drift")], Status.WARN, "clock.drift"),
        ([node(Status.PASS), node(Status.FAIL, "net.tcp.refused")], Status.WARN, "net.tcp.refused"),
        ([node(Status.FAIL, "net.tcp.refused"), node(Status.FAIL, "net.tcp.timeout")], Status.FAIL, "net.tcp.refused"),
        ([node(Status.SKIPPED), node(Status.SKIPPED)], Status.SKIPPED, None),
        ([node(Status.SKIPPED), node(Status.PASS)], Status.PASS, None),
    ],
)
def test_several_nodes_become_one_finding_with_each_ones_evidence(
    nodes: list[Finding], outcome: Status, code: str | None
) -> None:
    finding = merge(Rung.TCP, dict(zip((ONE, TWO), nodes, strict=True)))
    assert (finding.outcome, finding.code) == (outcome, code)
    assert [row["endpoint"] for row in finding.evidence["endpoints"]] == ["http://a:9200", "http://b:9200"]
    assert [row["outcome"] for row in finding.evidence["endpoints"]] == [node.outcome.value for node in nodes]


def test_a_node_that_fell_earlier_is_shown_as_blocked() -> None:
    finding = merge(
        Rung.HTTP, {ONE: node(Status.PASS), TWO: node(Status.PASS)}, {THREE: node(Status.FAIL, "net.tcp.refused")}
    )
    assert finding.outcome is Status.PASS
    assert finding.evidence["endpoints"][2]["message"] == "blocked by tcp"
