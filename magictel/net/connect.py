"""Connecting to the first reachable address of a host, directly or through a proxy, within a deadline of the monotonic clock."""

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
    """Return the seconds until a deadline. Raise `TimeoutError` if it has passed."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return seconds


def connect_one(resolved: tuple[Any, ...], seconds: float) -> socket.socket:
    """Return a socket connected to an address from `getaddrinfo`. Raise `OSError`."""
    family, kind, protocol, _, address = resolved
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(seconds)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def connect_first(addresses: Sequence[tuple[Any, ...]], until: float) -> socket.socket:
    """Return a socket connected to the first reachable address. Raise `OSError`, preferably a refusal instead of a timeout."""
    failure: OSError | None = None
    for number, address in enumerate(addresses):
        try:
            # An address that drops packets must leave time for the next one.
            return connect_one(address, left(until) / (len(addresses) - number))
        except OSError as error:
            if failure is None or isinstance(failure, TimeoutError):
                failure = error
    raise failure or OSError("the name has no address")


def reach(endpoint: Endpoint, proxy: Proxy | None, until: float) -> socket.socket:
    """Return a socket connected to the endpoint itself, through the proxy's tunnel if there is one. Raise `OSError`.

    The socket's timeout is the time until the deadline.
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
    """Ask the proxy on `sock` for a tunnel to the endpoint (CONNECT, RFC 9110 §9.3.6). Close the socket on failure.

    Raise `ProxyRefused` with the proxy's status, or 0 for a reply that is not HTTP, and `OSError`.
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
        byte = sock.recv(1)  # bytes after the header belong to the backend and must not be consumed
        if not byte or len(head) > _HEAD_LIMIT:
            break
        head += byte
    return int(head[9:12]) if head.startswith(b"HTTP/1.") and head[9:12].isdigit() else 0
