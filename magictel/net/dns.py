"""Resolves host names within a deadline: `getaddrinfo` itself can hang for as long as resolv.conf says.

A look-up that outlives its deadline goes on in a daemon thread, whose result nobody reads.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

Resolver = Callable[..., list[tuple[Any, ...]]]
"""`socket.getaddrinfo`, or a stand-in with its signature."""


class LookUpTimeout(OSError):  # noqa: N818 # it is a time-out, as `socket.timeout` is
    """The resolver gave no answer in time."""


def resolve(host: str, port: int, timeout: float, resolver: Resolver = socket.getaddrinfo) -> list[tuple[Any, ...]]:
    """The addresses of a host as `getaddrinfo` gives them, each once. Raises `socket.gaierror` or `LookUpTimeout`."""
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
        raise LookUpTimeout("no answer from the resolver in time")
    return _unique(answers[0])


def is_address(host: str) -> bool:
    """True for an IPv4 or IPv6 address, which needs no look-up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _unique(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list({one[4]: one for one in found}.values())
