"""The dns rung: resolves the host name, or the proxy's name; a proxy resolves the backend itself."""

from __future__ import annotations

import socket
import time

from magictel.model.finding import Finding, Rung
from magictel.net.dns import LookUpTimeout, Resolver, is_address, resolve
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy


def dns(
    endpoint: Endpoint, *, proxy: Proxy | None = None, timeout: float = 10.0, resolver: Resolver = socket.getaddrinfo
) -> Finding:
    """Resolve the name of the endpoint, or of its proxy; the evidence lists every address."""
    host, port = (proxy.host, proxy.port) if proxy is not None else (endpoint.host, endpoint.port)
    started = time.monotonic()
    try:
        resolved = resolve(host, port, timeout, resolver)
    except (socket.gaierror, LookUpTimeout) as failure:
        return _unresolved(host, proxy, failure, timeout)
    addresses = list(dict.fromkeys(str(address[4][0]) for address in resolved))
    evidence = {"host": host, "addresses": addresses, "look_up_seconds": time.monotonic() - started}
    if proxy is not None:
        return Finding.passed(
            Rung.DNS,
            f"the proxy {proxy} (from {proxy.source}) is {', '.join(addresses)}; it resolves {endpoint.host} itself",
            **evidence,
        )
    if is_address(host):
        return Finding.passed(Rung.DNS, f"{host} is an address: no lookup needed", **evidence)
    return Finding.passed(Rung.DNS, f"{host} is {', '.join(addresses)}", **evidence)


def _unresolved(host: str, proxy: Proxy | None, failure: OSError, timeout: float) -> Finding:
    evidence = {"host": host, "resolver": failure.strerror or str(failure), "gai_errno": failure.errno}
    if proxy is not None:
        return Finding.failed(
            Rung.DNS,
            "http.proxy.down",
            f"the proxy {proxy} (from {proxy.source}) does not resolve; the backend was not checked",
            "check the proxy's URL, or exclude this host with NO_PROXY",
            **evidence,
        )
    if isinstance(failure, LookUpTimeout):
        return Finding.failed(
            Rung.DNS,
            "net.dns.timeout",
            f"the DNS lookup of {host} timed out after {timeout:.1f} s",
            f"getent hosts {host}",
            **evidence,
        )
    why = "no resolver answers" if failure.errno == socket.EAI_AGAIN else "no such host"
    return Finding.failed(
        Rung.DNS,
        "net.dns.not-found",
        f"{host} does not resolve: {why}",
        f"getent hosts {host}",
        hint="in a container or a cluster use the service's full name",
        **evidence,
    )
