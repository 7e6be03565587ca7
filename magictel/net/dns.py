"""Host name resolution: the addresses of a host, within a time limit.

`getaddrinfo` itself may take as long as resolv.conf allows: a lookup that exceeds its deadline continues in a daemon thread, and its
result is ignored.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

Resolver = Callable[..., list[tuple[Any, ...]]]
"""`socket.getaddrinfo`, or a replacement with its signature."""


class LookUpTimeout(OSError):  # noqa: N818 # a timeout, like `socket.timeout`
    """The DNS lookup timed out."""


def resolve(host: str, port: int, timeout: float, resolver: Resolver = socket.getaddrinfo) -> list[tuple[Any, ...]]:
    """Return the addresses of a host from `getaddrinfo`, without duplicates. Raise `socket.gaierror` or `LookUpTimeout`."""
    if is_address(host):
        return _unique(resolver(host, port, type=socket.SOCK_STREAM))
    answers: list[list[tuple[Any, ...]]] = []
    failures: list[BaseException] = []

    def look_up() -> None:
        try:
            answers.append(resolver(host, port, type=socket.SOCK_STREAM))
        except UnicodeError:  # a label over 63 characters, or an empty one
            failures.append(socket.gaierror(socket.EAI_NONAME, "not a valid host name"))
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=look_up, name="magictel-dns", daemon=True)
    thread.start()
    thread.join(max(0.0, timeout))
    if failures:
        raise failures[0]
    if not answers:
        raise LookUpTimeout("the DNS lookup timed out")
    return _unique(answers[0])


def is_address(host: str) -> bool:
    """Return whether the host is an IPv4 or IPv6 address, which needs no lookup."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _unique(addresses: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list({address[4]: address for address in addresses}.values())
