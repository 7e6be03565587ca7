"""The sockets below httpx: every read and write respects the deadline of its exchange and records its progress.

The classes implement the methods of httpcore's network backend and stream.
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
from magictel.transports.errors import ExchangeProgress

_SEEN = 80
_PIECE = 256 * 1024
_SMALL = 64 * 1024
"""Bytes that wait for what follows them: a packet and a call less for each request."""


class CurrentExchange(threading.local):
    """The current request of the calling thread, its progress and its deadline (on the monotonic clock)."""

    progress: ExchangeProgress = ExchangeProgress("")
    deadline: float = 0.0
    endpoint: Endpoint | None = None
    proxy: Proxy | None = None
    fresh: bool = False
    """Whether this exchange opened its own connection."""
    opened: SocketStream | None = None

    def begin(self, progress: ExchangeProgress, deadline: float, endpoint: Endpoint, proxy: Proxy | None) -> None:
        """Begin another request in this thread."""
        self.progress, self.deadline, self.endpoint, self.proxy = progress, deadline, endpoint, proxy
        self.fresh, self.opened = False, None


class SocketBackend:
    """The opener of connections for httpcore's pool."""

    def __init__(self, options: TlsOptions, connect_timeout: float, exchange: CurrentExchange) -> None:
        self._options = options
        self._connect_timeout = connect_timeout
        self._exchange = exchange

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any) -> SocketStream:
        """Return a connected socket. Raise `OSError`, with the phase in the exchange's progress."""
        exchange = self._exchange
        exchange.fresh = True
        until = min(exchange.deadline, time.monotonic() + self._connect_timeout)
        exchange.progress.limit = max(0.0, until - time.monotonic())
        sock = _dial(host, port, exchange.progress, until)
        assert exchange.endpoint is not None
        exchange.opened = SocketStream(sock, exchange, self, until, ready=not exchange.endpoint.tls)
        return exchange.opened

    def speak_tls(self, stream: SocketStream, context: ssl.SSLContext, host: str) -> SocketStream:
        """Return TLS over a connected stream."""
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
        exchange.opened = SocketStream(spoken, exchange, self, until, ready=True)
        return exchange.opened

    def sleep(self, seconds: float) -> None:
        """Never called: httpcore sleeps between its own retries, which are disabled here."""
        raise NotImplementedError


class SocketStream:
    """A connected socket. `ready` is False while it talks to the proxy."""

    def __init__(
        self, sock: socket.socket, exchange: CurrentExchange, backend: SocketBackend, until: float, *, ready: bool
    ) -> None:
        self.sock = sock
        self.until = until
        self._exchange = exchange
        self._backend = backend
        self._ready = ready
        self._broken = False
        self._unsent = b""
        """A request's headers: they go out with its body, or with all that there is before the reply is read."""

    def spoil(self) -> None:
        """Mark the connection unusable, so that the pool discards it instead of reusing it."""
        self._broken = True

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes, small ones at the latest before the next read.

        A peer that closed may have answered before (a 413, a TLS alert): the next read shows it.
        """
        if len(self._unsent) + len(buffer) <= _SMALL:
            self._unsent += buffer
            return
        self._flush()
        self._send(buffer)

    def _flush(self) -> None:
        if self._unsent:
            buffer, self._unsent = self._unsent, b""
            self._send(buffer)

    def _send(self, buffer: bytes) -> None:
        progress = self._exchange.progress
        progress.phase = "write" if self._ready else "proxy"
        if self._broken:
            return
        progress.sent += self._ready  # some bytes may be sent even if the call fails
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
        """Return available bytes, at most `max_bytes`; empty at the end."""
        self._flush()
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
    ) -> SocketStream:
        """Return the same connection with TLS."""
        return self._backend.speak_tls(self, ssl_context, server_hostname or "")

    def get_extra_info(self, info: str) -> Any:
        """Return information for httpcore: a readable idle connection was closed by the peer, or has unexpected data."""
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
    """Return whether the exception is a TLS alert, which explains the failed write before it."""
    return isinstance(failure, ssl.SSLError) and not isinstance(failure, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _dial(host: str, port: int, progress: ExchangeProgress, until: float) -> socket.socket:
    progress.phase = "dns"
    addresses = resolve(host, port, left(until))
    progress.phase = "tcp"
    return connect_first(addresses, until)
