"""The `Transport` protocol, and the `Wire` of probes.

A `Wire` is an exporter's endpoint with its credentials, passed to probes and read-backs; it records every exchange,
redacted, as evidence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from magictel.errors import WireError
from magictel.http.messages import Reply as Reply
from magictel.http.messages import Request as Request
from magictel.http.messages import asking
from magictel.net.endpoint import Endpoint
from magictel.secrets.redactor import Redactor

_EVIDENCE_BYTES = 300


class Transport(Protocol):
    """A sender of single requests. Thread-safe; connections are pooled; redirects are never followed."""

    def send(self, request: Request, timeout: float) -> Reply:
        """Return the complete reply or raise `WireError`; never longer than `timeout` seconds."""
        ...

    def close(self) -> None:
        """Close pooled connections; may be called twice."""
        ...


class Exchange(msgspec.Struct, frozen=True):
    """A recorded request and its reply, redacted and truncated, as evidence."""

    method: str
    url: str
    status: int | None
    first_bytes: str
    seconds: float


class Wire:
    """An exporter's endpoint with its credentials, used by probes and read-backs."""

    def __init__(
        self,
        transport: Transport,
        endpoint: Endpoint,
        headers: Mapping[str, str] | None = None,
        *,
        redact: Redactor | None = None,
        timeout: float = 10.0,
        authorize: Callable[[Request], Request] | None = None,
    ) -> None:
        self._transport = transport
        self.endpoint = endpoint
        self._headers = dict(headers or {})
        self.redact = redact or Redactor()
        self.timeout = timeout
        self._authorize = authorize
        self.until: float | None = None
        """Deadline on the monotonic clock of all requests through this wire; None: each has its own `timeout`."""
        self.proxied = False
        """Whether the ladder knows that there is a proxy in front of the endpoint."""
        self.exchanges: list[Exchange] = []
        self.known: dict[str, Reply] = {}
        """Successful replies to earlier GETs, by path; the ladder shares them among the wires of one climb to an endpoint."""

    def __repr__(self) -> str:
        return f"Wire({self.endpoint})"

    def request(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        credentials: bool = True,
    ) -> Reply:
        """Send a request to `path` below the endpoint. Raise `WireError`. `credentials=False` omits the exporter's headers."""
        sent: dict[str, str] = dict(self._headers) if credentials else {}
        if json_body is not None:
            body = json.dumps(json_body, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        request = Request(method, self.endpoint.url(path), sent, body)
        if credentials and self._authorize is not None:
            request = self._authorize(request)
        url = self.redact(request.url)
        asking(method, self.redact(request.path))
        try:
            reply = self._transport.send(request, self._time_for(request, timeout or self.timeout)).masked(self.redact)
        except Exception as failure:
            self.exchanges.append(Exchange(method, url, None, self.redact(str(failure)), 0.0))
            raise
        self.exchanges.append(Exchange(method, url, reply.status, self.first_bytes(reply), reply.seconds))
        return reply

    def _time_for(self, request: Request, timeout: float) -> float:
        if self.until is None:
            return timeout
        left = self.until - time.monotonic()
        if left <= 0:
            raise WireError(
                "net.http.read-timeout",
                f"{self.endpoint.origin}: earlier requests used up the {self.timeout:.1f} s, "
                f"so {request.method} {request.path} was not sent",
                "raise --timeout, or find out why the backend is slow",
                phase="read",
            )
        return min(timeout, left)

    def get(self, path: str, *, timeout: float | None = None) -> Reply:
        """Send GET `path`."""
        reply = self.request("GET", path, timeout=timeout)
        if reply.ok:
            self.known[path] = reply
        return reply

    def get_once(self, path: str) -> Reply:
        """Return the latest successful reply to GET `path`, or send it if there is none: for what does not change during a climb."""
        return self.known.get(path) or self.get(path)

    def post(self, path: str, json_body: Any = None, *, timeout: float | None = None) -> Reply:
        """Send a JSON value to `path` with POST."""
        return self.request("POST", path, json_body=json_body, timeout=timeout)

    def first_bytes(self, reply: Reply) -> str:
        """Return the start of a reply's body, redacted, on a single line, as evidence."""
        return self.redact(" ".join(reply.masked(self.redact).text[: _EVIDENCE_BYTES * 2].split()))[:_EVIDENCE_BYTES]

    def at(self, endpoint: Endpoint) -> Wire:
        """Return the same wire for another endpoint of the backend, with its own record."""
        other = Wire(
            self._transport,
            endpoint,
            self._headers,
            redact=self.redact,
            timeout=self.timeout,
            authorize=self._authorize,
        )
        other.until = self.until
        return other
