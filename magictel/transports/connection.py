"""One connection to a backend, or through a proxy: every read and write of it ends by the deadline of the exchange it serves."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
import time
from typing import Any

from magictel.dial import connect_first, left, tunnel
from magictel.proxy import Proxy
from magictel.resolver import resolve
from magictel.tls import TlsOptions, handshake
from magictel.transports.symptoms import Progress
from magictel.wire import Endpoint

_SEEN = 80
_PIECE = 256 * 1024


class Connection:
    """A connected socket, TLS spoken where the endpoint says so. `progress` is the exchange it serves now."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.idle_since = 0.0
        self.deadline = 0.0
        self.progress = Progress("")
        self.stream = io.BufferedReader(_Reader(self))

    def serve(self, progress: Progress, deadline: float) -> None:
        """Begin another exchange."""
        self.progress = progress
        self.deadline = deadline

    def write(self, head: bytes, body: bytes) -> None:
        """Send the whole request; raises `OSError`."""
        if len(body) <= _PIECE:
            self._send(head + body)
            return
        self._send(head)
        view = memoryview(body)
        for start in range(0, len(body), _PIECE):
            self._send(view[start : start + _PIECE])

    def _send(self, data: bytes | memoryview) -> None:
        """`sendall` with one deadline over all its parts: its own counts anew for TLS."""
        self.progress.sent += 1  # some of it may go out even where the call fails
        self.sock.settimeout(left(self.deadline))
        self.sock.sendall(data)

    def receive(self, buffer: Any) -> int:
        """Read what is there into `buffer`; 0 at the end."""
        self.sock.settimeout(left(self.deadline))
        count = self.sock.recv_into(buffer)
        progress = self.progress
        if progress.received < _SEEN:
            progress.first_bytes += bytes(buffer[: min(count, _SEEN)])
        progress.received += count
        return count

    def ended(self) -> bool:
        """True when the peer closed, or said something unasked, while the connection lay idle."""
        try:
            return bool(select.select([self.sock], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def close(self) -> None:
        """Close the socket; never raises."""
        with contextlib.suppress(OSError):
            self.sock.close()


class _Reader(io.RawIOBase):
    """The stream below the buffer. It does not own the connection, so that the garbage collector closes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive(buffer)


def connect(
    endpoint: Endpoint,
    proxy: Proxy | None,
    options: TlsOptions,
    context: ssl.SSLContext | None,
    progress: Progress,
    connect_timeout: float,
    deadline: float,
) -> Connection:
    """A new connection, through the proxy where there is one; `progress.phase` says how far a failure got. Raises `OSError`."""
    until = min(deadline, time.monotonic() + connect_timeout)
    progress.limit = max(0.0, until - time.monotonic())

    def dial() -> socket.socket:
        host, port = (proxy.host, proxy.port) if proxy is not None else (endpoint.host, endpoint.port)
        progress.phase = "dns"
        found = resolve(host, port, left(until))
        progress.phase = "tcp"
        sock = connect_first(found, until)
        if proxy is not None and endpoint.tls:
            progress.phase = "proxy"
            tunnel(sock, endpoint, proxy, until)
        return sock

    sock = dial()
    if not endpoint.tls:
        return Connection(sock)
    assert context is not None
    progress.phase = "tls"
    try:
        sock.settimeout(left(until))
        return Connection(handshake(sock, endpoint.host, options, context, dial))
    except BaseException:
        sock.close()
        raise
