"""A server of pages that are scraped: where it listens, TLS, and the end of its connections at a stop or a fork.

The standard library's threading server does the work: a thread for each connection, so that a slow scraper delays no other.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import ThreadingHTTPServer
from typing import Any

from magictel.transports.page_handler import PageHandler
from magictel.transports.page_reply import Answer

_HANDSHAKE = 10.0
_COMPLETION = 2.0
"""Seconds that `stop` waits for the replies that are being sent."""


class PageServer:
    """Serves pages, by path, until stopped. `authorization` returns the header that a scraper must send now; None: any may scrape.

    `tls` returns the context of the next connection, so that renewed certificates are used; None: plain HTTP.
    """

    def __init__(
        self,
        pages: Mapping[str, Answer],
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        authorization: Callable[[], str | None] = lambda: None,
        log: logging.Logger,
    ) -> None:
        self.pages, self.authorization, self.log = pages, authorization, log
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
        super().__init__(address, PageHandler)

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


def _address(host: str) -> tuple[int, str]:
    """Return the family and address to listen on; of a name with several, the IPv4 one, where scrapers look first."""
    try:
        addresses = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:  # a label that is empty or longer than 63 bytes
        raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None
    family, _, _, _, address = min(addresses, key=lambda known: known[0] != socket.AF_INET)
    return family, str(address[0])
