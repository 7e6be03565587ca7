"""HTTP/1.1 over pooled connections: the transport of delivery, probes and read-backs alike.

On the standard library's sockets, where the plan had httpx: measured on one core, an export of 8 kB costs 415 µs of CPU with
httpx, 227 with httpcore, 147 with http.client; importing httpx costs 145 ms, this 30. And what is to be known of a failure (which
phase, whether anything was sent, the first bytes that came instead of an answer) is known here and lost behind a library.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import threading
import time
import urllib.parse
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from magictel.errors import WireError
from magictel.proxy import Proxy, ProxyRefused, proxy_for
from magictel.secrets import Redactor
from magictel.tls import TlsOptions, ssl_context
from magictel.transports.connection import Connection, connect
from magictel.transports.http1 import BODY_LIMIT, ProtocolError, read_reply
from magictel.transports.symptoms import Progress, classify
from magictel.wire import Endpoint, Reply, Request

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXCHANGE_FAILURES = (OSError, ProtocolError, ProxyRefused, EOFError)
_FORBIDDEN = ("\r", "\n", "\0")


class HttpTransport:
    """`magictel.wire.Transport` over HTTP/1.1. Thread-safe; a forked child makes connections of its own; redirects are not followed.

    `proxy` None: the environment's, if `trust_env`; an empty text: none. `environment` None: the process's own.
    Raises `SettingsError` at once for TLS files that cannot be used.
    """

    def __init__(
        self,
        tls: TlsOptions | None = None,
        *,
        connect_timeout: float = 10.0,
        proxy: str | None = None,
        trust_env: bool = True,
        environment: Mapping[str, str] | None = None,
        redact: Redactor | None = None,
        keepalive: float = 75.0,
        max_idle: int = 8,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        self._tls = tls or TlsOptions()
        self._context: ssl.SSLContext | None = ssl_context(self._tls) if _names_files(self._tls) else None
        self._connect_timeout = connect_timeout
        self._proxy = proxy
        self._trust_env = trust_env
        self._environment: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
        self._redact = redact or Redactor()
        self._keepalive = keepalive
        self._max_idle = max_idle
        self._body_limit = body_limit
        self._routes: dict[tuple[str, str], tuple[Endpoint, Proxy | None]] = {}
        self._start_life()
        forked = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: _call(forked))

    def send(self, request: Request, timeout: float) -> Reply:
        """Return the complete reply or raise `WireError`; never longer than `timeout` seconds, however slowly the bytes trickle."""
        deadline = time.monotonic() + timeout
        parts = urllib.parse.urlsplit(request.url)
        endpoint, proxy = self._route(parts)
        progress = Progress(endpoint.origin, proxy, client_certificate=bool(self._tls.client_cert_file))
        head = _head(request, parts, endpoint, proxy)
        with _uninstrumented():
            try:
                connection, fresh = self._connection(endpoint, proxy, progress, deadline)
                try:
                    return self._exchange(connection, endpoint, request, head, progress, deadline, timeout)
                except _EXCHANGE_FAILURES:
                    # The peer may close an idle connection in the very moment we use it: ask again where asking changes nothing.
                    if fresh or progress.received or request.method not in _REPEATABLE:
                        raise
                connection = self._connect(endpoint, proxy, progress, deadline)
                return self._exchange(connection, endpoint, request, head, progress, deadline, timeout)
            except _EXCHANGE_FAILURES as failure:
                raise classify(failure, progress, self._redact) from None

    def close(self) -> None:
        """Close pooled connections; may be called twice. A later send makes new ones."""
        with self._lock:
            idle = dict(self._idle)
            self._idle.clear()
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def proxy(self, endpoint: Endpoint) -> Proxy | None:
        """The proxy that stands before an endpoint, or None."""
        return proxy_for(endpoint, self._proxy, trust_env=self._trust_env, environment=self._environment)

    def _exchange(
        self,
        connection: Connection,
        endpoint: Endpoint,
        request: Request,
        head: bytes,
        progress: Progress,
        deadline: float,
        timeout: float,
    ) -> Reply:
        started = time.monotonic()
        connection.serve(progress, deadline)
        progress.phase = "write"
        progress.limit = timeout
        reusable = False
        try:
            broken: OSError | None = None
            try:
                connection.write(head, request.body)
            except TimeoutError:
                raise
            except OSError as failure:
                broken = failure  # the answer may be there already: a 413, or the alert that wants a client certificate
            try:
                if broken is None:
                    progress.phase = "read"
                status, headers, body, reusable = read_reply(
                    connection.stream, request.method, body_limit=self._body_limit
                )
            except (OSError, EOFError) as failure:
                if broken is None or progress.received or _says_more(failure):
                    raise
                raise broken from None
            reusable = reusable and broken is None
        finally:
            if reusable:
                self._keep(endpoint, connection)
            else:
                connection.close()
        if status == 407 and progress.proxy is not None and not endpoint.tls:
            progress.phase = "proxy"
            raise ProxyRefused(status)
        return Reply(status, headers, body, time.monotonic() - started)

    def _connection(
        self, endpoint: Endpoint, proxy: Proxy | None, progress: Progress, deadline: float
    ) -> tuple[Connection, bool]:
        oldest = time.monotonic() - self._keepalive
        while True:
            with self._lock:
                idle = self._idle.get(endpoint.origin)
                connection = idle.pop() if idle else None
            if connection is None:
                return self._connect(endpoint, proxy, progress, deadline), True
            if connection.idle_since > oldest and not connection.ended():
                return connection, False
            connection.close()

    def _connect(self, endpoint: Endpoint, proxy: Proxy | None, progress: Progress, deadline: float) -> Connection:
        if endpoint.tls and self._context is None:
            self._context = ssl_context(self._tls)
        return connect(endpoint, proxy, self._tls, self._context, progress, self._connect_timeout, deadline)

    def _keep(self, endpoint: Endpoint, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            idle = self._idle.setdefault(endpoint.origin, [])
            if self._pid == os.getpid() and len(idle) < self._max_idle:
                idle.append(connection)
                return
        connection.close()

    def _route(self, parts: urllib.parse.SplitResult) -> tuple[Endpoint, Proxy | None]:
        key = (parts.scheme, parts.netloc)
        route = self._routes.get(key)
        if route is None:
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
            endpoint = Endpoint(parts.scheme, parts.hostname or "", port)
            route = self._routes[key] = (endpoint, self.proxy(endpoint))
        return route

    def _start_life(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[Connection]] = {}
        self._pid = os.getpid()

    def _after_fork(self) -> None:
        """The parent goes on using its sockets: the child drops its copies without a word on them."""
        inherited = self._idle
        self._start_life()
        for connections in inherited.values():
            for connection in connections:
                connection.close()


def _head(request: Request, parts: urllib.parse.SplitResult, endpoint: Endpoint, proxy: Proxy | None) -> bytes:
    """Request line and headers. Raises `WireError` for a header that cannot travel: it names the header and never shows the value."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = endpoint.origin + path if proxy is not None and not endpoint.tls else path
    lines = [f"{request.method} {target} HTTP/1.1"]
    names = {name.lower() for name in request.headers}
    if "host" not in names:
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        default = _DEFAULT_PORTS[endpoint.scheme] == endpoint.port
        lines.append(f"Host: {host}" if default else f"Host: {host}:{endpoint.port}")
    if "accept" not in names:
        lines.append("Accept: */*")
    if proxy is not None and proxy.authorization is not None and not endpoint.tls:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    lines.extend(f"{name}: {value}" for name, value in request.headers.items())
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    text = "\r\n".join(lines)
    # One look at the whole instead of one at each header; the second look is for the message alone.
    if text.count("\r\n") != len(lines) - 1 or text.count("\n") != len(lines) - 1 or "\0" in text or not text.isascii():
        raise _cannot_travel(request)
    return text.encode("ascii") + b"\r\n\r\n"


def _cannot_travel(request: Request) -> WireError:
    for name, value in request.headers.items():
        if any(character in value or character in name for character in _FORBIDDEN):
            return WireError(
                "config.secret.whitespace", f"the value of the header {name} holds a line break", phase="write"
            )
        if not value.isascii():
            position = next(index for index, character in enumerate(value) if not character.isascii())
            return WireError(
                "config.secret.non-ascii",
                f"character {position + 1} of the header {name} is not ASCII",
                "paste the value again, from its source",
                phase="write",
            )
    return WireError("config.url.bad-path", "the path holds a character that cannot travel", phase="write")


def _says_more(failure: BaseException) -> bool:
    """True for a TLS alert: it says why the write before it failed."""
    return isinstance(failure, ssl.SSLError) and not isinstance(failure, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _names_files(options: TlsOptions) -> bool:
    return bool(options.ca_file or options.ca_fingerprint or options.client_cert_file or options.client_key_file)


@contextlib.contextmanager
def _uninstrumented() -> Iterator[None]:
    """OpenTelemetry's instrumentations look away: an instrumented socket or resolver would export its own exports."""
    from opentelemetry import context

    quiet = context.get_current()
    for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"):
        quiet = context.set_value(getattr(context, name, name), True, quiet)
    # Instrumentations before 0.30 looked for the plain text.
    token = context.attach(context.set_value("suppress_instrumentation", True, quiet))
    try:
        yield
    finally:
        context.detach(token)


def _call(method: weakref.WeakMethod[Any]) -> None:
    alive = method()
    if alive is not None:
        alive()
