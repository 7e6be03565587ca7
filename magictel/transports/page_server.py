"""A server of one page that is scraped: HTTP/1.1 with TLS, basic authentication, gzip, and bodies that are streamed.

The standard library's threading server does the work: a thread for each connection, so that a slow scraper delays no other.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any

import msgspec

from magictel.transports.compression import gzip_chunks

_REFUSED_CODING = re.compile(r"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")
_IDLE = 90.0
"""Seconds after which a connection without a request is closed; more than most scrape intervals."""
_HANDSHAKE = 10.0
_COMPLETION = 2.0
"""Seconds that `stop` waits for the replies that are being sent."""


class PageReply(msgspec.Struct, frozen=True):
    """A reply: the chunks of the body before compression. `sent` is called when the scraper has taken all of it."""

    content_type: str
    chunks: Iterator[bytes]
    status: int = 200
    sent: Callable[[], None] | None = None


Answer = Callable[[Message], PageReply]
"""Returns the page for a request's headers. An exception becomes a 500 without details."""


class PageServer:
    """Serves a page at `path` until stopped. `authorization` returns the header that a scraper must send now; None: any may scrape.

    `tls` returns the context of the next connection, so that renewed certificates are used; None: plain HTTP.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        path: str = "/metrics",
        tls: Callable[[], ssl.SSLContext] | None = None,
        authorization: Callable[[], str | None] = lambda: None,
        log: logging.Logger,
    ) -> None:
        self.answer, self.path, self.authorization, self.log = answer, path, authorization, log
        self._tls = tls
        self._server: _Server | None = None

    @property
    def port(self) -> int | None:
        """The port that it listens on, or None."""
        return self._server.server_address[1] if self._server is not None else None

    def start(self, host: str, ports: Sequence[int]) -> int:
        """Listen on the first free port and return it. Raise the `OSError` of the first one if none can be used."""
        family, address = _address(host)
        failure: OSError | None = None
        for port in ports:
            try:
                server = _Server(self, family, (address, port), self._tls)
            except OSError as error:
                failure = failure or error
            else:
                threading.Thread(target=server.serve_forever, name="magictel-page", daemon=True).start()
                self._server = server  # which `stop` may take away at once
                return int(server.server_address[1])
        assert failure is not None
        raise failure

    def stop(self) -> None:
        """Stop listening, once the replies that are being sent are complete, or 2 seconds later. May be called twice."""
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(OSError):  # wakes its thread, which would look at `shutdown` twice a second
                server.socket.shutdown(socket.SHUT_RDWR)
            server.shutdown()
            server.server_close()
            server.hang_up()

    def forget(self) -> None:
        """In a forked child: close what the parent listens on and replies to, and send nothing on them."""
        server, self._server = self._server, None
        if server is not None:
            server.forget()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, page: PageServer, family: int, address: tuple[str, int], tls: Callable[[], ssl.SSLContext] | None
    ) -> None:
        self.page, self._tls, self.address_family = page, tls, family
        self._open: set[socket.socket] = set()
        self._closed = threading.Condition()
        self.stopping = False
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without `HTTPServer`'s look-up of the host's full name, which may take seconds."""
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):  # `::` takes IPv4 as well
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its thread; a handshake that is never finished blocks no other connection."""
        self._open.add(request)
        connection = request
        try:
            if self._tls is not None:
                request.settimeout(_HANDSHAKE)
                connection = self._tls().wrap_socket(request, server_side=True)
                self._open.add(connection)
            super().finish_request(connection, client_address)
        finally:
            with self._closed:
                self._open -= {request, connection}
                self._closed.notify_all()
            if connection is not request:
                connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a connection that ended early: a scraper that timed out, or spoke another protocol."""
        self.page.log.debug("a connection from %s ended early", client_address[0], exc_info=True)

    def hang_up(self) -> None:
        """End the connections that wait for a next request, and wait for the replies that are being sent."""
        self.stopping = True
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # not `SSLSocket.shutdown`, which ends TLS in both directions
                socket.socket.shutdown(connection, socket.SHUT_RD)
        with self._closed:
            self._closed.wait_for(lambda: not self._open, _COMPLETION)

    def forget(self) -> None:
        for connection in (self.socket, *self._open):
            # `close` keeps it open for the parent's threads: the scraper would wait here for replies after the parent's end.
            descriptor = connection.detach()
            if descriptor >= 0:
                socket.close(descriptor)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "magictel"
    sys_version = ""
    timeout = _IDLE
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def do_GET(self) -> None:  # the library's name
        if self._refused():
            return
        try:
            reply = self._page.answer(self.headers)
            first = next(reply.chunks, b"")
        except Exception as failure:
            self._log_bug(failure)
            self._text(500, "the page could not be created: see the log of the application")
            return
        self._stream(reply, first)

    def do_HEAD(self) -> None:  # the library's name
        """Answer without a collection."""
        if not self._refused():
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _unsupported(self) -> None:
        self.close_connection = True  # its body is not read
        self._text(405, "a page is read with GET", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _unsupported  # noqa: N815 # the library's names

    @property
    def _page(self) -> PageServer:
        server: Any = self.server
        page: PageServer = server.page
        return page

    def _refused(self) -> bool:
        """Answer a request for another path, or without the login; return whether it was one."""
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # its body is not read
        server: Any = self.server
        if server.stopping:
            self.close_connection = True
            self._text(503, "the page is no longer served")
            return True
        wanted = self._page.authorization()
        given = self.headers.get("Authorization", "")
        if wanted is not None and not hmac.compare_digest(given.encode(), wanted.encode()):
            self._text(401, "this page needs a user and a password", **{"WWW-Authenticate": 'Basic realm="metrics"'})
            return True
        if self.path.partition("?")[0] != self._page.path:
            self._text(404, f"the metrics are at {self._page.path}")
            return True
        return False

    def _text(self, status: int, sentence: str, **headers: str) -> None:
        body = f"{sentence}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, reply: PageReply, first: bytes) -> None:
        """Send the body in chunks: one that breaks off is not taken for a whole page."""
        chunked = self.request_version not in ("HTTP/0.9", "HTTP/1.0")
        zipped = _takes_gzip(self.headers.get("Accept-Encoding", ""))
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        self.end_headers()
        body = chain((first,), reply.chunks)
        try:
            for part in gzip_chunks(body) if zipped else body:
                if part:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except OSError:  # the scraper has gone
            raise
        except Exception as failure:
            self._log_bug(failure)
            raise
        if reply.sent is not None:
            reply.sent()

    def _log_bug(self, failure: Exception) -> None:
        """Log an exception without its traceback, which may quote data. The next scrape may succeed."""
        self._page.log.error("internal.export: %s: this scrape got no whole page", type(failure).__name__)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 # the library's name
        """Log a request for those who debug."""
        self._page.log.debug("%s %s", self.client_address[0], format % arguments)


def _takes_gzip(accepted: str) -> bool:
    text = accepted.lower()
    return "gzip" in text and not _REFUSED_CODING.search(text)


def _address(host: str) -> tuple[int, str]:
    """Return the family and address to listen on; of a name with several, the IPv4 one, where scrapers look first."""
    try:
        addresses = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:  # a label that is empty or longer than 63 bytes
        raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None
    family, _, _, _, address = min(addresses, key=lambda known: known[0] != socket.AF_INET)
    return family, str(address[0])
