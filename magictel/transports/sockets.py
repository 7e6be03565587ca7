"""The sockets below httpx: every read and write ends by the deadline of the exchange it serves, and says how far that got.

Shaped as httpcore's network backend and stream, by their methods alone.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import Any

from magictel.net.connect import connect_first, left, reach
from magictel.net.dns import resolve
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy
from magictel.net.tls import TlsOptions, handshake
from magictel.transports.errors import Progress

_SEEN = 80
_PIECE = 256 * 1024


class Exchange(threading.local):
    """What the calling thread is doing now: one request, its progress and its deadline (of the monotonic clock)."""

    progress: Progress = Progress("")
    deadline: float = 0.0
    endpoint: Endpoint | None = None
    proxy: Proxy | None = None
    fresh: bool = False
    """True once this exchange made a connection of its own."""

    def begin(self, progress: Progress, deadline: float, endpoint: Endpoint, proxy: Proxy | None) -> None:
        """Another request begins in this thread."""
        self.progress, self.deadline, self.endpoint, self.proxy, self.fresh = progress, deadline, endpoint, proxy, False


class Backend:
    """Makes connections for httpcore's pool."""

    def __init__(self, options: TlsOptions, connect_timeout: float, exchange: Exchange) -> None:
        self._options = options
        self._connect_timeout = connect_timeout
        self._exchange = exchange

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any) -> Stream:
        """A connected socket; raises `OSError`, with the phase in the exchange's progress."""
        exchange = self._exchange
        exchange.fresh = True
        until = min(exchange.deadline, time.monotonic() + self._connect_timeout)
        exchange.progress.limit = max(0.0, until - time.monotonic())
        sock = _dial(host, port, exchange.progress, until)
        assert exchange.endpoint is not None
        return Stream(sock, exchange, self, until, ready=not exchange.endpoint.tls)

    def speak_tls(self, stream: Stream, context: ssl.SSLContext, host: str) -> Stream:
        """TLS over a connected stream."""
        exchange, until = self._exchange, stream.until
        exchange.progress.phase = "tls"

        def again() -> socket.socket:
            endpoint = exchange.endpoint
            assert endpoint is not None
            return reach(endpoint, exchange.proxy, until)

        try:
            stream.sock.settimeout(left(until))
            spoken = handshake(stream.sock, host, self._options, context, again)
        except BaseException:
            stream.close()
            raise
        return Stream(spoken, exchange, self, until, ready=True)

    def sleep(self, seconds: float) -> None:
        """Never asked for: httpcore sleeps between its own retries, and makes none here."""
        raise NotImplementedError


class Stream:
    """One connected socket. `ready` is False while only the proxy is being talked to."""

    def __init__(self, sock: socket.socket, exchange: Exchange, backend: Backend, until: float, *, ready: bool) -> None:
        self.sock = sock
        self.until = until
        self._exchange = exchange
        self._backend = backend
        self._ready = ready
        self._broken = False

    def spoil(self) -> None:
        """Nothing more is asked over this connection: who answers what cannot be read is not to be met half-way through a close."""
        self._broken = True

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. A peer that closed may have answered before (a 413, the alert that wants a certificate): the read tells."""
        progress = self._exchange.progress
        progress.phase = "write" if self._ready else "proxy"
        if self._broken:
            return
        progress.sent += self._ready  # some of it may go out even where the call fails
        view = memoryview(buffer)
        try:
            for start in range(0, len(view), _PIECE):
                self.sock.settimeout(left(self._exchange.deadline if self._ready else self.until))
                self.sock.sendall(view[start : start + _PIECE])
        except TimeoutError:
            raise
        except OSError as failure:
            self._broken = True
            progress.broken = failure

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What is there, at most so many bytes; empty at the end."""
        progress = self._exchange.progress
        if progress.broken is None:
            progress.phase = "read" if self._ready else "proxy"
        self.sock.settimeout(left(self._exchange.deadline if self._ready else self.until))
        try:
            data = self.sock.recv(max_bytes)
        except OSError as failure:
            if progress.broken is None or progress.received or _says_more(failure):
                raise
            raise progress.broken from None
        if not data and progress.broken is not None and not progress.received:
            raise progress.broken
        if self._ready:
            if progress.received < _SEEN:
                progress.first_bytes += data[:_SEEN]
            progress.received += len(data)
        return data

    def close(self) -> None:
        """Close the socket; never raises."""
        with contextlib.suppress(OSError):
            self.sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        """The same connection, TLS spoken over it."""
        return self._backend.speak_tls(self, ssl_context, server_hostname or "")

    def get_extra_info(self, info: str) -> Any:
        """Asked by httpcore: is an idle connection readable? Then the peer closed it, or said something unasked."""
        if info == "is_readable":
            if self._broken:
                return True
            try:
                return bool(select.select([self.sock], [], [], 0)[0])
            except (OSError, ValueError):
                return True
        if info == "ssl_object":
            return self.sock if isinstance(self.sock, ssl.SSLSocket) else None
        return None


def _says_more(failure: BaseException) -> bool:
    """True for a TLS alert: it says why the write before it failed."""
    return isinstance(failure, ssl.SSLError) and not isinstance(failure, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _dial(host: str, port: int, progress: Progress, until: float) -> socket.socket:
    progress.phase = "dns"
    found = resolve(host, port, left(until))
    progress.phase = "tcp"
    return connect_first(found, until)
