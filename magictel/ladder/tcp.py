"""The tcp rung: does each address of the backend or its proxy accept a connection?"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Sequence
from typing import Any

from magictel.model.finding import Finding, Rung
from magictel.net.connect import connect_one, left
from magictel.net.dns import Resolver, resolve
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy


def tcp(
    endpoint: Endpoint, *, proxy: Proxy | None = None, timeout: float = 10.0, resolver: Resolver = socket.getaddrinfo
) -> Finding:
    """Connect to every address in turn; one that answers is enough, as for delivery. The evidence lists each with its time."""
    host, port = (proxy.host, proxy.port) if proxy is not None else (endpoint.host, endpoint.port)
    until = time.monotonic() + timeout
    try:
        addresses = resolve(host, port, timeout, resolver)
    except OSError as failure:
        return Finding.failed(
            Rung.TCP, "net.dns.not-found", f"{host} no longer resolves", f"getent hosts {host}", resolver=str(failure)
        )
    attempts = [_attempt(address, until, len(addresses) - number) for number, address in enumerate(addresses)]
    answered = [attempt for attempt in attempts if attempt["answers"]]
    evidence: dict[str, Any] = {"addresses": attempts, "answered_by": "proxy" if proxy is not None else "backend"}
    if not answered:
        evidence["answered_by"] = None
        return _unreached(endpoint, proxy, attempts, timeout, evidence)
    if proxy is not None:
        return Finding.passed(
            Rung.TCP,
            f"the proxy {proxy} (from {proxy.source}) accepts connections; the next steps check the backend",
            **evidence,
        )
    if len(attempts) == 1:
        return Finding.passed(Rung.TCP, f"{attempts[0]['address']} connected", **evidence)
    if len(answered) == len(attempts):
        return Finding.passed(Rung.TCP, f"{len(answered)} of {len(attempts)} addresses connected", **evidence)
    silent = [attempt for attempt in attempts if not attempt["answers"]]
    first = "; ".join(f"{attempt['address']} {_verb(attempt)}" for attempt in silent[:2])
    return Finding.passed(Rung.TCP, f"{answered[0]['address']} connected; {first}", **evidence)


def _attempt(address: tuple[Any, ...], until: float, shares: int) -> dict[str, Any]:
    host, port = str(address[4][0]), address[4][1]
    tried: dict[str, Any] = {"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
    started = time.monotonic()
    try:
        connect_one(address, left(until) / shares).close()
        tried["answers"] = True
    except OSError as failure:
        tried["answers"] = False
        tried["error"] = (
            "timeout" if isinstance(failure, TimeoutError) else errno.errorcode.get(failure.errno or 0, "?")
        )
    tried["seconds"] = time.monotonic() - started
    return tried


def _unreached(
    endpoint: Endpoint,
    proxy: Proxy | None,
    attempts: Sequence[dict[str, Any]],
    timeout: float,
    evidence: dict[str, Any],
) -> Finding:
    summary = "; ".join(f"{attempt['address']} {_verb(attempt)}" for attempt in attempts[:4])
    if proxy is not None:
        return Finding.failed(
            Rung.TCP,
            "http.proxy.down",
            f"the proxy {proxy} (from {proxy.source}) is unreachable: {summary}; the backend was not checked",
            "start the proxy, or exclude this host with NO_PROXY or the proxy setting",
            **evidence,
        )
    errors = {attempt["error"] for attempt in attempts}
    if "ECONNREFUSED" in errors:
        remedy = "start the backend, or check the port; inside a container, localhost is the container itself"
        refused = " or ".join(str(attempt["address"]) for attempt in attempts[:4] if attempt["error"] == "ECONNREFUSED")
        others = "; ".join(
            f"{attempt['address']} {_verb(attempt)}" for attempt in attempts[:4] if attempt["error"] != "ECONNREFUSED"
        )
        message = f"connection refused: nothing is listening on {refused}" + (f"; {others}" if others else "")
        return Finding.failed(Rung.TCP, "net.tcp.refused", message, remedy, **evidence)
    if errors == {"timeout"}:
        return Finding.failed(
            Rung.TCP,
            "net.tcp.timeout",
            f"timed out after {timeout:.1f} s: {summary}",
            f"check the address and firewalls, which may drop packets: try from another host, nc -vz {endpoint.host} {endpoint.port}",
            **evidence,
        )
    if errors == {"ECONNRESET"}:
        return Finding.failed(
            Rung.TCP,
            "net.tcp.reset",
            f"the connection was accepted and reset at once: {summary}",
            "check whether the server is restarting, or rejects connections from this machine",
            **evidence,
        )
    return Finding.failed(
        Rung.TCP, "net.tcp.unreachable", f"unreachable: {summary}", "check the address and the route to it", **evidence
    )


def _verb(attempt: dict[str, Any]) -> str:
    return {"ECONNREFUSED": "refused", "timeout": "timed out"}.get(attempt["error"], f"failed ({attempt['error']})")
