"""The server of a page: what a scraper gets, over TLS too, and what others get."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

import pytest
import trustme

from magictel.net.tls_server import ServerTls
from magictel.secrets.secret import Secret
from magictel.settings.login import basic
from magictel.transports.page_reply import PageReply
from magictel.transports.page_server import PageServer

LINES = [b"first 1\n" * 1000, b"second 2\n" * 9000]
LOGIN = basic("scraper", Secret("s3cret"))


class Page:
    def __init__(self, broken: bool = False) -> None:
        self.broken, self.sent, self.seen = broken, threading.Event(), []

    def __call__(self, headers: Message) -> PageReply:
        self.seen.append(headers)
        return PageReply("text/plain; version=0.0.4", self.chunks(), sent=self.sent.set)

    def chunks(self) -> Iterator[bytes]:
        yield LINES[0]
        if self.broken:
            raise ValueError("a bug")
        yield LINES[1]


@contextmanager
def served(page: Page, **options: object) -> Iterator[PageServer]:
    server = PageServer({"/metrics": page}, log=logging.getLogger("magictel.page"), **options)  # type: ignore[arg-type]
    server.start("127.0.0.1", (0,))
    try:
        yield server
    finally:
        server.stop()


def asked(
    server: PageServer, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port or 0, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    try:
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def test_a_scraper_gets_the_page_whole_and_with_its_type() -> None:
    page = Page()
    with served(page) as server:
        status, headers, body = asked(server, Accept="text/plain")
    assert (status, headers["Content-Type"], body) == (200, "text/plain; version=0.0.4", b"".join(LINES))
    assert page.seen[0]["accept"] == "text/plain"
    assert page.sent.wait(5)


@pytest.mark.parametrize(
    ("accepted", "zipped"), [("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False)]
)
def test_gzip_by_accept_encoding(accepted: str, zipped: bool) -> None:
    with served(Page()) as server:
        _, headers, body = asked(server, Accept_Encoding=accepted)
    assert (headers["Content-Encoding"] == "gzip") is zipped
    assert (gzip.decompress(body) if zipped else body) == b"".join(LINES)


@pytest.mark.parametrize(("version", "head"), [(b" HTTP/1.0", b"\r\n\r\n"), (b"", b"")], ids=["1.0", "0.9"])
def test_an_old_client_gets_the_page_too(version: bytes, head: bytes) -> None:
    with served(Page()) as server, socket.create_connection(("127.0.0.1", server.port or 0)) as client:
        client.sendall(b"GET /metrics" + version + b"\r\n\r\n")
        reply = b"".join(iter(lambda: client.recv(65536), b""))
    assert reply[-len(head + b"".join(LINES)) :] == head + b"".join(LINES)
    assert b"chunked" not in reply
    assert head or reply.startswith(LINES[0])


def test_a_page_that_breaks_off_is_not_taken_for_a_whole_one(caplog: pytest.LogCaptureFixture) -> None:
    page = Page(broken=True)
    with served(page) as server, pytest.raises(http.client.IncompleteRead):
        asked(server)
    assert not page.sent.is_set()
    assert caplog.text.count("internal.export: ValueError") == 1
    assert "a bug" not in caplog.text


def test_a_page_that_cannot_begin_is_an_error_for_the_scraper_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    page = Page()
    page.chunks = lambda: map(int, [b"no number"])  # type: ignore[method-assign,assignment]
    with served(page) as server:
        assert asked(server)[0] == 500
    assert caplog.text.count("internal.export: ValueError") == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("HEAD", "/metrics", 200, b""),
        ("GET", "/metrics?name=x", 200, b"".join(LINES)),
        ("GET", "/", 404, b"try /metrics\n"),
        ("HEAD", "/", 404, b""),
        ("POST", "/metrics", 405, b"a page is read with GET\n"),
        ("DELETE", "/metrics", 405, b"a page is read with GET\n"),
    ],
)
def test_other_requests(method: str, path: str, status: int, body: bytes) -> None:
    page = Page()
    with served(page) as server:
        assert asked(server, path, method)[::2] == (status, body)
    assert len(page.seen) == (body == b"".join(LINES)), "nothing is collected for another request"


def test_a_page_with_a_login_refuses_others() -> None:
    page = Page()
    with served(page, authorization=lambda: LOGIN) as server:
        status, headers, _ = asked(server)
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="metrics"')
        assert asked(server, Authorization=basic("scraper", Secret("wrong")))[0] == 401
        assert asked(server, Authorization=LOGIN)[0] == 200
    assert len(page.seen) == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "page.pem"))
    ca.issue_cert("scraper@example.net").private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    return ca, folder


def over_tls(server: PageServer, folder: Path, client: bool) -> int:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if client:
        context.load_cert_chain(folder / "client.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", server.port or 0, timeout=10, context=context)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status
    finally:
        connection.close()


def test_tls_and_client_certificates(authority: tuple[trustme.CA, Path]) -> None:
    folder = authority[1]
    tls = ServerTls(str(folder / "page.pem"), None, str(folder / "ca.pem"))
    with served(Page(), tls=tls.context) as server:
        assert over_tls(server, folder, client=True) == 200
        with pytest.raises(OSError):
            over_tls(server, folder, client=False)
        with socket.create_connection(("127.0.0.1", server.port or 0)):  # a client that never says anything
            assert over_tls(server, folder, client=True) == 200


def test_a_renewed_certificate_is_used_for_the_next_connection(
    authority: tuple[trustme.CA, Path], tmp_path: Path
) -> None:
    ca, folder = authority
    file = tmp_path / "page.pem"
    ca.issue_cert("other.example.net").private_key_and_cert_chain_pem.write_to_path(str(file))
    tls = ServerTls(str(file))
    with served(Page(), tls=tls.context) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            over_tls(server, folder, client=False)
        file.unlink()
        file.write_bytes((folder / "page.pem").read_bytes())
        assert over_tls(server, folder, client=False) == 200


def kept_alive(server: PageServer, folder: Path | None) -> http.client.HTTPConnection:
    """A connection that has got a page and is kept for the next one, as Prometheus keeps it."""
    if folder is None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port or 0, timeout=10)
    else:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        connection = http.client.HTTPSConnection("127.0.0.1", server.port or 0, timeout=10, context=context)
    connection.request("GET", "/metrics")
    assert connection.getresponse().read() == b"".join(LINES)
    return connection


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_page_that_is_stopped_is_not_served_over_old_connections(
    secure: bool, authority: tuple[trustme.CA, Path]
) -> None:
    folder = authority[1] if secure else None
    page = Page()
    tls = ServerTls(str(folder / "page.pem")).context if folder is not None else None
    with served(page, tls=tls) as server:
        connection = kept_alive(server, folder)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/metrics")
        with connection.getresponse() as reply:  # where its thread was not yet waiting for the next request
            assert reply.status == 503
    assert len(page.seen) == 1


def test_a_page_that_is_stopped_first_completes_the_replies_that_are_being_sent() -> None:
    begun, go_on, counted = threading.Event(), threading.Event(), threading.Event()

    class Slow(Page):
        def chunks(self) -> Iterator[bytes]:
            yield LINES[0]
            begun.set()
            go_on.wait(10)
            yield LINES[1]

    def count() -> None:
        threading.Event().wait(0.05)  # what a busy machine does
        counted.set()

    page = Slow()
    page.sent.set = count  # type: ignore[method-assign]
    with served(page) as server:
        scrape = threading.Thread(target=asked, args=(server,))
        scrape.start()
        assert begun.wait(10)
        threading.Timer(0.05, go_on.set).start()
    assert counted.is_set()
    scrape.join(10)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_forked_child_keeps_no_connection_of_its_parent(secure: bool, authority: tuple[trustme.CA, Path]) -> None:
    folder = authority[1] if secure else None
    tls = ServerTls(str(folder / "page.pem")).context if folder is not None else None
    with served(Page(), tls=tls) as server, contextlib.closing(kept_alive(server, folder)):
        assert server._server is not None
        inherited = [connection.fileno() for connection in (server._server.socket, *server._server._open)]
        open_before = [descriptor for descriptor in inherited if descriptor >= 0]
        assert len(open_before) == 2
        child = os.fork()
        if child == 0:
            server.forget()
            os._exit(sum(map(is_open, open_before)))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_slow_scraper_delays_no_other() -> None:
    with served(Page()) as server, socket.create_connection(("127.0.0.1", server.port or 0)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")  # the rest never comes
        threads = [threading.Thread(target=asked, args=(server,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)


def test_ports_are_taken_in_their_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = busy.getsockname()[1]
        server = PageServer({"/metrics": Page()}, log=logging.getLogger("magictel.page"))
        with pytest.raises(OSError, match="in use"):
            server.start("127.0.0.1", (taken,))
        assert server.port is None
        assert server.start("127.0.0.1", (taken, 0)) not in (0, taken)
        server.stop()
