"""Connects to the first address of a host that answers, and through a proxy, each within one deadline of the monotonic clock."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

from magictel.net.dns import resolve
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, ProxyRefused

_HEAD_LIMIT = 64 * 1024


def left(until: float) -> float:
    """Seconds until a deadline; raises `TimeoutError` when it is over."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline is over")
    return seconds


def connect_one(found: tuple[Any, ...], seconds: float) -> socket.socket:
    """A socket connected to one address as `getaddrinfo` gives it. Raises `OSError`."""
    family, kind, protocol, _, address = found
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(seconds)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def connect_first(found: Sequence[tuple[Any, ...]], until: float) -> socket.socket:
    """A socket connected to the first of the addresses that answers. Raises `OSError`: a refusal rather than a time-out."""
    failure: OSError | None = None
    for number, one in enumerate(found):
        try:
            # An address that swallows packets must leave time for the next one.
            return connect_one(one, left(until) / (len(found) - number))
        except OSError as error:
            if failure is None or isinstance(failure, TimeoutError):
                failure = error
    raise failure or OSError("the name has no address")


def reach(endpoint: Endpoint, proxy: Proxy | None, until: float) -> socket.socket:
    """A socket on which the endpoint itself listens: through the proxy's tunnel where one stands before it. Raises `OSError`.

    The socket's timeout is what is left until the deadline.
    """
    host, port = (proxy.host, proxy.port) if proxy is not None else (endpoint.host, endpoint.port)
    sock = connect_first(resolve(host, port, left(until)), until)
    if proxy is not None:
        tunnel(sock, endpoint, proxy, until)
    try:
        sock.settimeout(left(until))
    except TimeoutError:
        sock.close()
        raise
    return sock


def tunnel(sock: socket.socket, endpoint: Endpoint, proxy: Proxy, until: float) -> None:
    """Ask the proxy on `sock` for a tunnel to the endpoint (CONNECT, RFC 9110 §9.3.6). Closes what failed.

    Raises `ProxyRefused` with the proxy's status, or 0 for what is no HTTP answer, and `OSError`.
    """
    where = endpoint.origin.partition("://")[2]
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization.reveal()}")
    try:
        sock.settimeout(left(until))
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        status = _status(sock, until)
        if not 200 <= status < 300:
            raise ProxyRefused(status)  # noqa: TRY301 # one place closes the socket
    except BaseException:
        sock.close()
        raise


def _status(sock: socket.socket, until: float) -> int:
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        sock.settimeout(left(until))
        byte = sock.recv(1)  # what follows the head is the backend's own, and not ours to swallow
        if not byte or len(head) > _HEAD_LIMIT:
            break
        head += byte
    return int(head[9:12]) if head.startswith(b"HTTP/1.") and head[9:12].isdigit() else 0
