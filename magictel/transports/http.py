"""HTTP/1.1 over kept connections: the transport of delivery, probes and read-back.

The protocol is our own (`http1`, over `sockets`): a diagnosis needs the failed phase, whether anything was sent, the first bytes
received, and a deadline for the whole exchange, all of which a library hides. Cookies, redirects and a library's own decoding are
not wanted, and a library was half of the cost of a small export.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import time
import urllib.parse
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from magictel.http.wire import Reply, Request
from magictel.model.timing import Stopwatch
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, ProxyRefused, proxy_for
from magictel.net.tls import TlsOptions, ssl_context
from magictel.secrets.redactor import Redactor
from magictel.transports.decompress import decoded
from magictel.transports.errors import ExchangeProgress, classify
from magictel.transports.exchange_log import log_failure, log_reply, log_request
from magictel.transports.headers import folded, must_travel, travelling
from magictel.transports.http1 import ReplyReader, write_request
from magictel.transports.http_errors import ProtocolError
from magictel.transports.idle_connections import IdleConnections
from magictel.transports.sockets import CurrentExchange, SocketBackend, SocketStream

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXCHANGE_FAILURES = (OSError, ProtocolError, ProxyRefused, EOFError)
_BODY_LIMIT = 64 * 1024 * 1024
_SAFE_IN_TARGET = "!$%&'()*+,-./:;=?@[]_~"
_MOST_ROUTES = 256


@dataclass(frozen=True, slots=True)
class _Route:
    """A parsed address: `target` is the request's, `host` the header of that name."""

    endpoint: Endpoint
    proxy: Proxy | None
    origin: str
    target: bytes
    host: bytes
    proxy_headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def key(self) -> Hashable:
        """Return what routes that share connections have in common."""
        if self.proxy is not None and not self.endpoint.tls:
            return self.proxy
        return self.proxy, self.endpoint.host, self.endpoint.port, self.endpoint.tls


class HttpTransport:
    """`magictel.http.wire.Transport` over HTTP/1.1. Thread-safe; a forked child opens its own connections; redirects are not followed.

    `proxy` None: the environment's, if `trust_env`; an empty text: none. `environment` None: the process's own.
    Raise `SettingsError` at once for unusable TLS files.
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
        body_limit: int = _BODY_LIMIT,
    ) -> None:
        self._tls = tls or TlsOptions()
        self._context: ssl.SSLContext | None = ssl_context(self._tls) if _names_files(self._tls) else None
        self._proxy = proxy
        self._trust_env = trust_env
        self._environment: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
        self._redact = redact or Redactor()
        self._keepalive = keepalive
        self._max_idle = max_idle
        self._body_limit = body_limit
        self.stopwatch: Stopwatch | None = None
        """Receives every exchange, if set."""
        self._exchange = CurrentExchange()
        self._backend = SocketBackend(self._tls, connect_timeout, self._exchange)
        self._peers: dict[tuple[str, str], tuple[Endpoint, Proxy | None]] = {}
        self._routes: dict[str, _Route] = {}
        self._start_life()
        forked = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: _call(forked))

    def send(self, request: Request, timeout: float) -> Reply:
        """Return the complete reply or raise `WireError`.

        Wait for the peer no longer than `timeout` seconds, however slowly the bytes arrive; imports and set-up of the first send do
        not count.
        """
        from magictel.transports.instrumentation import uninstrumented

        must_travel(request)
        route = self._route(request.url)
        progress = ExchangeProgress(
            route.origin,
            route.proxy,
            client_certificate=bool(self._tls.client_cert_file),
            limit=timeout,
            asks=request.method in _REPEATABLE,
        )
        log_request(request, self._redact)
        with uninstrumented():
            try:
                self._prepare(route)
                self._exchange.begin(progress, time.monotonic() + timeout, route.endpoint, route.proxy)
                try:
                    return self._send(route, request, progress, timeout)
                except _EXCHANGE_FAILURES as failure:
                    # The peer may close an idle connection at the moment it is used: repeat requests that only read.
                    kept = not self._exchange.fresh and not progress.received and not isinstance(failure, TimeoutError)
                    if not kept or not progress.asks:
                        raise
                return self._send(route, request, progress, timeout)
            except _EXCHANGE_FAILURES as failure:
                error = classify(failure, progress, self._redact)
                log_failure(request, error.code, error.message, self._redact)
                raise error from None

    def prepare(self, urls: Iterable[str]) -> None:
        """Create what sends to these addresses reuse: routes, the TLS context. Open no connection. Raise `SettingsError`."""
        import_all()
        for url in urls:
            self._prepare(self._route(url))

    def close(self) -> None:
        """Close idle connections; may be called twice. A later send opens new ones."""
        self._idle.close()

    def proxy(self, endpoint: Endpoint) -> Proxy | None:
        """Return the proxy for an endpoint, or None."""
        return proxy_for(endpoint, self._proxy, trust_env=self._trust_env, environment=self._environment)

    def _send(self, route: _Route, request: Request, progress: ExchangeProgress, timeout: float) -> Reply:
        started = time.monotonic()
        hear = _deaf if self.stopwatch is None else self.stopwatch.tracer()
        stream = self._idle.take(route.key) or self._connect(route, hear)
        kept = False
        try:
            hear("http1.send_request_headers.started", None)
            headers = [*travelling(request, route.host), *route.proxy_headers]
            write_request(stream, request.method, route.target, headers, request.body)
            progress.limit = timeout
            reader = ReplyReader(stream)
            try:
                head = reader.head()
            except BaseException:
                hear("http1.receive_response_headers.failed", None)
                raise
            hear("http1.receive_response_headers.complete", None)
            raw = reader.body(*head, request.method, self._body_limit)
            if raw.status == 407 and progress.proxy is not None:
                progress.phase = "proxy"
                raise ProxyRefused(407)
            said = folded(raw.headers)
            body = decoded(raw.body, said.get("content-encoding", ""), self._body_limit)
            kept = raw.kept
        finally:
            if kept:
                self._idle.give(route.key, stream)
            else:
                stream.close()
            hear("http1.response_closed.complete", None)
        reply = Reply(raw.status, said, body, time.monotonic() - started)
        log_reply(request, reply, self._redact)
        return reply

    def _connect(self, route: _Route, hear: Callable[[str, Any], None]) -> SocketStream:
        """A connection on which the backend can be asked, through the proxy's tunnel where there is one."""
        peer = route.proxy or route.endpoint
        with _heard(hear, "connect_tcp"):
            stream = self._backend.connect_tcp(peer.host, peer.port)
        if not route.endpoint.tls:
            return stream
        try:
            if route.proxy is not None:
                _open_tunnel(stream, route.endpoint, route.proxy)
            assert self._context is not None
            with _heard(hear, "start_tls"):
                return stream.start_tls(self._context, route.endpoint.host)
        except BaseException:
            stream.close()
            raise

    def _prepare(self, route: _Route) -> None:
        if route.endpoint.tls and self._context is None:
            self._context = ssl_context(self._tls)

    def _route(self, url: str) -> _Route:
        known = self._routes.get(url)
        if known is not None:
            return known
        parts = urllib.parse.urlsplit(url)
        key = (parts.scheme, parts.netloc)
        peer = self._peers.get(key)
        if peer is None:
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
            endpoint = Endpoint(parts.scheme, parts.hostname or "", port)
            peer = self._peers[key] = (endpoint, self.proxy(endpoint))
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        route = self._routes[url] = _read_route(*peer, parts)
        return route

    def _start_life(self) -> None:
        self._idle = IdleConnections(self._keepalive, self._max_idle)
        # The finalizer keeps the idle connections alive as long as the transport: the collector finds no open socket.
        self._forgotten = weakref.finalize(self, self._idle.close)
        self._forgotten.atexit = False

    def _after_fork(self) -> None:
        """Drop the child's copies of the parent's sockets without writing to them."""
        self._forgotten.detach()
        self._inherited = self._idle
        self._start_life()


def _read_route(endpoint: Endpoint, proxy: Proxy | None, parts: urllib.parse.SplitResult) -> _Route:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    if endpoint.port != _DEFAULT_PORTS[endpoint.scheme]:
        host = f"{host}:{endpoint.port}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = urllib.parse.quote(target, _SAFE_IN_TARGET)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if proxy is not None and not endpoint.tls:
        target = f"{endpoint.scheme}://{host}{target}"
        headers = _proxy_headers(proxy)
    return _Route(endpoint, proxy, endpoint.origin, target.encode("ascii"), host.encode("ascii"), headers)


def _proxy_headers(proxy: Proxy) -> tuple[tuple[bytes, bytes], ...]:
    if proxy.authorization is None:
        return ()
    return ((b"Proxy-Authorization", proxy.authorization.reveal().encode("ascii")),)


def _open_tunnel(stream: SocketStream, endpoint: Endpoint, proxy: Proxy) -> None:
    """Ask the proxy for a tunnel; raises `ProxyRefused`."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    target = f"{host}:{endpoint.port}".encode("ascii")
    write_request(stream, "CONNECT", target, [(b"Host", target), *_proxy_headers(proxy)])
    status, _, _ = ReplyReader(stream).head()
    if not 200 <= status < 300:
        raise ProxyRefused(status)


@contextlib.contextmanager
def _heard(hear: Callable[[str, Any], None], step: str) -> Iterator[None]:
    hear(f"connection.{step}.started", None)
    try:
        yield
    except BaseException:
        hear(f"connection.{step}.failed", None)
        raise
    hear(f"connection.{step}.complete", None)


def _deaf(event: str, details: Any) -> None:
    """Nobody measures."""


def import_all() -> None:
    """Import modules that only a send needs, to keep the command line's start-up fast."""
    import encodings.idna  # imported by `socket.getaddrinfo`
    import html  # for a page instead of a reply

    import magictel.transports.instrumentation

    del encodings, html, magictel


def _names_files(options: TlsOptions) -> bool:
    return bool(options.ca_file or options.ca_fingerprint or options.client_cert_file or options.client_key_file)


def _call(method: weakref.WeakMethod[Any]) -> None:
    alive = method()
    if alive is not None:
        alive()
