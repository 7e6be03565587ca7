"""The transport over real sockets: pooling, deadlines, limits, proxies, forks."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import context

from magictel.errors import WireError
from magictel.http.wire import Reply, Request
from magictel.secrets.redactor import Redactor
from magictel.transports.http import HttpTransport
from tests.transports.servers import OK, Authority, answers, free_port, once, read_request, reset, says, serving


@contextlib.contextmanager
def transport(**options: object) -> Iterator[HttpTransport]:
    client = HttpTransport(**({"environment": {}} | options))  # type: ignore[arg-type]
    try:
        yield client
    finally:
        client.close()


def post(client: HttpTransport, url: str, body: bytes = b"{}\n", timeout: float = 5.0, **headers: str) -> Reply:
    return client.send(Request("POST", f"{url}/_bulk", headers, body), timeout)


def get(client: HttpTransport, url: str, timeout: float = 5.0) -> Reply:
    return client.send(Request("GET", f"{url}/", {}), timeout)


def failure(ask: Callable[[], Reply]) -> WireError:
    with pytest.raises(WireError) as caught:
        ask()
    return caught.value


# ---- connections -----------------------------------------------------------------------------------------------------


def test_requests_one_after_another_share_a_connection() -> None:
    with serving(answers(OK)) as server, transport() as client:
        for _ in range(5):
            assert post(client, server.http).ok
        assert server.accepted == 1


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    with serving(once(OK)) as server, transport() as client:
        for number in range(3):
            assert post(client, server.http).ok
            while server.ended <= number:  # it has closed
                time.sleep(0.01)
        assert server.accepted == 3


def test_connection_close_is_obeyed() -> None:
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with serving(answers(reply)) as server, transport() as client:
        post(client, server.http)
        post(client, server.http)
        assert server.accepted == 2


def test_an_idle_connection_is_dropped_after_its_time() -> None:
    with serving(answers(OK)) as server, transport(keepalive=0.0) as client:
        post(client, server.http)
        post(client, server.http)
        assert server.accepted == 2


def closes_at_the_second_request(counted: list[int]) -> Callable[[socket.socket], None]:
    """The first connection answers once, and closes in the very moment of the next request; later ones answer."""

    def handle(sock: socket.socket) -> None:
        counted.append(1)
        first = len(counted) == 1
        while read_request(sock):
            sock.sendall(OK)
            if first:
                read_request(sock)
                return

    return handle


def test_a_probe_on_a_connection_closed_in_that_moment_is_asked_again() -> None:
    counted: list[int] = []
    with serving(closes_at_the_second_request(counted)) as server, transport() as client:
        assert get(client, server.http).ok
        assert get(client, server.http).ok
        assert server.accepted == 2


def test_a_payload_on_a_connection_closed_in_that_moment_is_not_sent_twice() -> None:
    counted: list[int] = []
    with serving(closes_at_the_second_request(counted)) as server, transport() as client:
        assert post(client, server.http).ok
        error = failure(lambda: post(client, server.http))
        assert (error.code, error.maybe_delivered, server.accepted) == ("net.http.closed", True, 1)


def test_a_connection_that_was_opened_while_another_thread_closed_the_transport_is_closed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody would close it: it was left to the garbage collector, open."""
    opened: list[socket.socket] = []
    with serving(answers(OK)) as server, transport() as client:
        connect = client._backend.connect_tcp

        def closed_meanwhile(*arguments: object, **options: object) -> object:
            client.close()
            stream = connect(*arguments, **options)  # type: ignore[arg-type]
            opened.append(stream.sock)
            return stream

        monkeypatch.setattr(client._backend, "connect_tcp", closed_meanwhile)
        assert get(client, server.http).status == 200
        assert [sock.fileno() for sock in opened] == [-1]


def test_many_threads_use_one_transport() -> None:
    failures: list[BaseException] = []
    with serving(answers(OK)) as server, transport() as client:

        def work() -> None:
            try:
                for _ in range(20):
                    assert post(client, server.http).body == b"{}"
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
        assert failures == []
        assert server.accepted <= 8


def test_it_may_be_closed_twice_and_used_again() -> None:
    with serving(answers(OK)) as server, transport() as client:
        post(client, server.http)
        client.close()
        client.close()
        assert post(client, server.http).ok
        assert server.accepted == 2


FORKING = """
import os, sys
from magictel.transports.http import HttpTransport
from magictel.http.wire import Request
one = HttpTransport(environment={})
ask = lambda: one.send(Request("POST", sys.argv[1], {}, b"x"), 5).status
assert ask() == 200
child = os.fork()
if child == 0:
    os._exit(0 if ask() == 200 and ask() == 200 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert ask() == 200
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_makes_a_connection_of_its_own_and_the_parent_keeps_its_own() -> None:
    with serving(answers(OK)) as server:
        subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, server.http], check=True, timeout=300)
        assert server.accepted == 2


def test_an_ipv6_address_is_reached() -> None:
    with serving(answers(OK), family=socket.AF_INET6) as server, transport() as client:
        assert post(client, f"http://[::1]:{server.port}").ok


def test_the_next_address_is_tried_where_the_first_refuses() -> None:
    """localhost is ::1 and 127.0.0.1, and only one of them listens."""
    with serving(answers(OK)) as server, transport() as client:
        assert post(client, f"http://localhost:{server.port}").ok


# ---- deadlines and limits --------------------------------------------------------------------------------------------


def trickles(data: bytes) -> Callable[[socket.socket], None]:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    return handle


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Slow: y\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    ],
    ids=["headers", "body", "interim"],
)
def test_the_deadline_holds_however_the_bytes_trickle(reply: bytes) -> None:
    with serving(trickles(reply)) as server, transport() as client:
        error = failure(
            lambda: post(client, server.http, timeout=1.5)
        )  # else the whole arrives after 50 s, and nothing fails
        assert (error.code, error.phase, error.maybe_delivered) == ("net.http.read-timeout", "read", True)


def test_a_server_that_does_not_read_ends_by_the_deadline() -> None:
    over = threading.Event()

    with serving(lambda _: over.wait(100)) as server, transport() as client:
        error = failure(lambda: post(client, server.http, b"x" * 50_000_000, timeout=0.5))
        over.set()
        assert (error.code, error.phase, error.maybe_delivered) == ("net.http.write-timeout", "write", True)


def test_an_early_refusal_is_read_although_the_rest_cannot_be_sent() -> None:
    """nginx and Elasticsearch answer 413 and close while a large body is still on its way."""

    def too_large(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        for _ in range(20):
            sock.recv(65536)

    with serving(too_large) as server, transport() as client:
        assert post(client, server.http, b"x" * 20_000_000).status == 413


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
    ],
    ids=["length", "chunked", "until close"],
)
def test_a_body_over_the_limit_is_not_read(reply: bytes) -> None:
    with serving(once(reply)) as server, transport(body_limit=4000) as client:
        assert failure(lambda: post(client, server.http)).code == "http.reply-too-large"


def test_a_small_body_that_inflates_over_the_limit_is_not_inflated() -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    with serving(once(reply)) as server, transport(body_limit=100_000) as client:
        assert failure(lambda: post(client, server.http)).code == "http.reply-too-large"


def test_a_server_of_another_protocol_that_then_keeps_silent_is_told_by_its_first_bytes() -> None:
    over = threading.Event()

    def database(sock: socket.socket) -> None:
        sock.sendall(b"\x4a\x00\x00\x00\x0a8.0.36")
        over.wait(100)

    with serving(database) as server, transport() as client:
        error = failure(lambda: post(client, server.http, timeout=1.5))
        over.set()
    assert error.code == "http.not-http"
    assert "8.0.36" in error.message


# ---- what is sent ----------------------------------------------------------------------------------------------------


def heard(heads: list[bytes], reply: bytes = OK) -> Callable[[socket.socket], None]:
    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            heads.append(request)
            sock.sendall(reply)

    return handle


def test_the_request_travels_as_it_was_given() -> None:
    heads: list[bytes] = []
    with serving(heard(heads)) as server, transport() as client:
        client.send(Request("POST", f"{server.http}/a/_bulk?x=1&y=%20", {"Authorization": "ApiKey abc"}, b"{}\n"), 5)
    head, _, body = heads[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a/_bulk?x=1&y=%20 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}".encode() in lines
    assert b"Authorization: ApiKey abc" in lines
    assert b"Content-Length: 3" in lines
    assert body == b"{}\n"


@pytest.mark.parametrize(
    ("method", "headers", "body", "wanted"),
    [
        ("GET", {}, b"", {b"host": None, b"accept": b"*/*"}),
        ("DELETE", {}, b"", {b"host": None, b"accept": b"*/*"}),
        ("POST", {}, b"", {b"host": None, b"accept": b"*/*", b"content-length": b"0"}),
        (
            "POST",
            {"host": "es.example", "ACCEPT": "application/json", "Content-length": "2"},
            b"{}",
            {b"host": b"es.example", b"accept": b"application/json", b"content-length": b"2"},
        ),
    ],
)
def test_what_every_request_has_is_added_once_where_it_was_not_given(
    method: str, headers: dict[str, str], body: bytes, wanted: dict[bytes, bytes | None]
) -> None:
    heads: list[bytes] = []
    with serving(heard(heads)) as server, transport() as client:
        client.send(Request(method, f"{server.http}/", headers, body), 5)
    lines = heads[0].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    sent = sorted((name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines))
    here = f"127.0.0.1:{server.port}".encode()
    assert sent == sorted((name, value or here) for name, value in wanted.items())


def test_a_cookie_is_not_given_back() -> None:
    heads: list[bytes] = []
    reply = OK.replace(b"\r\n", b"\r\nSet-Cookie: session=1; Path=/\r\n", 1)
    with serving(heard(heads, reply)) as server, transport() as client:
        for _ in range(2):
            assert get(client, server.http).ok
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


def test_a_redirect_is_not_followed() -> None:
    with serving(answers(OK)) as other, transport() as client:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {other.http}/\r\nContent-Length: 0\r\n\r\n".encode()
        with serving(answers(moved)) as server:
            assert post(client, server.http).status == 307
        assert other.accepted == 0


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("ApiKey s3cr3t-value\n", "config.secret.whitespace"),
        ("a\r\nX-Injected: s3cr3t-value", "config.secret.whitespace"),
        ("s3cr3t-value\u00a0", "config.secret.non-ascii"),
    ],
)
def test_a_header_that_cannot_travel_is_refused_without_showing_it(value: str, code: str) -> None:
    with serving(answers(OK)) as server, transport() as client:
        error = failure(lambda: post(client, server.http, Authorization=value))
        assert error.code == code
        assert not error.maybe_delivered
        assert "s3cr3t" not in f"{error!r} {error.evidence} {error.remedy}"
        assert server.accepted == 0


def test_a_secret_that_a_server_echoes_is_not_shown() -> None:
    with serving(says(b"what is s3cr3t-value?\r\n")) as server, transport(redact=Redactor(["s3cr3t-value"])) as client:
        error = failure(lambda: post(client, server.http))
        assert error.code == "http.not-http"
        assert "s3cr3t-value" not in f"{error} {error.evidence}"
        assert "***" in f"{error.evidence}"


def test_instrumentation_is_suppressed_while_a_request_is_under_way() -> None:
    seen: list[object] = []

    class Watching(Redactor):
        def __call__(self, text: str) -> str:
            seen.append(context.get_value("suppress_instrumentation"))
            return text

    with transport(redact=Watching()) as client:
        failure(lambda: post(client, f"http://127.0.0.1:{free_port()}"))
    assert seen
    assert all(seen)
    assert not context.get_value("suppress_instrumentation")


# ---- proxies ---------------------------------------------------------------------------------------------------------


def tunnels(heads: list[bytes]) -> Callable[[socket.socket], None]:
    """An HTTP proxy: CONNECT opens a tunnel, anything else is answered by itself."""

    def handle(sock: socket.socket) -> None:
        request = read_request(sock)
        heads.append(request)
        if not request.startswith(b"CONNECT "):
            sock.sendall(OK)
            return
        host, _, port = request.split(b" ")[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), 5) as backend:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pump = threading.Thread(target=_pump, args=(backend, sock), daemon=True)
            pump.start()
            _pump(sock, backend)
            pump.join(100)

    return handle


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def test_plain_http_goes_to_the_proxy_in_absolute_form_with_its_credentials() -> None:
    heads: list[bytes] = []
    with serving(tunnels(heads)) as proxy, transport(proxy=f"http://me:s3cr3t-value@127.0.0.1:{proxy.port}") as client:
        assert post(client, "http://es.invalid:9200").ok
    assert heads[0].startswith(b"POST http://es.invalid:9200/_bulk HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6czNjcjN0LXZhbHVl\r\n" in heads[0]


def test_https_goes_through_the_proxys_tunnel_and_the_proxy_sees_no_header_of_ours(authority: Authority) -> None:
    from magictel.net.tls import TlsOptions

    heads: list[bytes] = []
    with (
        serving(answers(OK), authority.context()) as backend,
        serving(tunnels(heads)) as proxy,
        transport(tls=TlsOptions(ca_file=authority.file), proxy=proxy.http) as client,
    ):
        assert post(client, backend.https, Authorization="ApiKey abc").ok
    assert heads[0].startswith(f"CONNECT localhost:{backend.port} HTTP/1.1\r\n".encode())
    assert b"ApiKey" not in heads[0]


@pytest.mark.parametrize(
    ("environment", "proxied"),
    [
        ({"http_proxy": "PROXY"}, True),
        ({"HTTP_PROXY": "PROXY"}, True),
        ({"ALL_PROXY": "PROXY"}, True),
        ({"HTTPS_PROXY": "PROXY"}, False),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "example.org,127.0.0.0/8"}, False),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "*"}, False),
        ({"HTTP_PROXY": "PROXY", "REQUEST_METHOD": "GET"}, False),
    ],
)
def test_the_environments_proxy_is_used_where_it_applies(environment: dict[str, str], proxied: bool) -> None:
    with serving(answers(OK)) as backend, serving(answers(OK)) as proxy:
        given = {name: value.replace("PROXY", proxy.http) for name, value in environment.items()}
        with transport(environment=given) as client:
            post(client, backend.http)
        assert (proxy.accepted, backend.accepted) == ((1, 0) if proxied else (0, 1))
        with transport(environment=given, trust_env=False) as client:
            post(client, backend.http)
        assert backend.accepted == (1 if proxied else 2)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_credentials_is_told_from_the_backend(scheme: str) -> None:
    refusal = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
    with serving(answers(refusal)) as proxy, transport(environment={"ALL_PROXY": proxy.http}) as client:
        error = failure(lambda: post(client, f"{scheme}://es.invalid:9200"))
    assert (error.code, error.phase, error.maybe_delivered) == ("http.proxy.auth", "proxy", False)
    assert "ALL_PROXY" in error.message


def resets(sock: socket.socket) -> None:
    read_request(sock)
    reset(sock)


@pytest.mark.parametrize("handler", [once(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), once(b"SSH-2.0\r\n"), resets])
def test_a_proxy_that_opens_no_tunnel_is_told_from_the_backend(handler: Callable[[socket.socket], None]) -> None:
    with serving(handler) as proxy, transport(proxy=proxy.http) as client:
        error = failure(lambda: post(client, "https://es.invalid:9200"))
    assert error.code in ("http.proxy.refused", "http.proxy.down")
    assert error.phase == "proxy"
    assert not error.maybe_delivered


def test_a_connection_whose_answer_could_not_be_read_is_not_used_again() -> None:
    unreadable = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip"
    with serving(answers(unreadable)) as server:
        transport = HttpTransport(environment={})
        for _ in range(3):
            with pytest.raises(WireError) as caught:
                transport.send(Request("POST", f"{server.http}/", {}, b"x"), 5.0)
            assert caught.value.code == "http.bad-encoding"
        assert server.accepted == 3
        transport.close()
