"""HTTP/1.1 with httpx over pooled connections: the transport of delivery, probes and read-back, and the only module that uses httpx.

httpx parses addresses; its httpcore implements the protocol, the pool and the proxies. `httpx.Client` is not used: cookies, redirects
and its decoding are not wanted, and it is more than half of the cost of a small export. The sockets are our own (`sockets`): a
diagnosis needs the failed phase, whether anything was sent, the first bytes received, and a deadline for the whole exchange, all
of which a library hides.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
import urllib.parse
import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from magictel.http.wire import Reply, Request
from magictel.model.observer import Observer
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, ProxyRefused, proxy_for
from magictel.net.tls import TlsOptions, ssl_context
from magictel.secrets.redactor import Redactor
from magictel.transports.decompress import decoded
from magictel.transports.errors import ExchangeProgress, classify
from magictel.transports.exchange_log import log_failure, log_reply, log_request
from magictel.transports.headers import folded, must_travel, travelling
from magictel.transports.http_errors import HeaderTooLarge, NotHttp, ProtocolError, ReplyTooLarge, Truncated
from magictel.transports.log_redaction import redacted_logs
from magictel.transports.sockets import CurrentExchange, SocketBackend, SocketStream

if TYPE_CHECKING:
    import httpcore

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXCHANGE_FAILURES = (OSError, ProtocolError, ProxyRefused, EOFError)
_BODY_LIMIT = 64 * 1024 * 1024
_HEADER_LIMIT = 64 * 1024
_MOST_ROUTES = 256
_MOST_IDLE = 8


class _Route(msgspec.Struct, frozen=True):
    """A parsed address: `host` is the header of that name."""

    endpoint: Endpoint
    proxy: Proxy | None
    origin: str
    url: httpcore.URL
    host: bytes


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
        body_limit: int = _BODY_LIMIT,
        observer: Observer | None = None,
    ) -> None:
        self._tls = tls or TlsOptions()
        self._context: ssl.SSLContext | None = ssl_context(self._tls) if _names_files(self._tls) else None
        self._proxy = proxy
        self._trust_env = trust_env
        self._environment: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
        self._redact = redact or Redactor()
        self._keepalive = keepalive
        self._body_limit = body_limit
        self._observer = observer or Observer()
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
        with uninstrumented(), redacted_logs(self._redact):
            pool = None
            try:
                pool = self._pool(route)
                self._exchange.begin(progress, time.monotonic() + timeout, route.endpoint, route.proxy)
                try:
                    return self._send(pool, route, request, progress, timeout)
                except _EXCHANGE_FAILURES as failure:
                    # The peer may close an idle connection at the moment it is used: repeat requests that only read.
                    kept = not self._exchange.fresh and not progress.received and not isinstance(failure, TimeoutError)
                    if not kept or not progress.asks:
                        raise
                return self._send(pool, route, request, progress, timeout)
            except _EXCHANGE_FAILURES as failure:
                error = classify(failure, progress, self._redact)
                log_failure(request, error.code, error.message, self._redact)
                raise error from None
            finally:
                if pool is not None:
                    self._close_forgotten(pool)

    def prepare(self, urls: Iterable[str]) -> None:
        """Create what sends to these addresses reuse: routes, pools, the TLS context. Open no connection. Raise `SettingsError`."""
        import_all()
        for url in urls:
            self._pool(self._route(url))

    def close(self) -> None:
        """Close pooled connections; may be called twice. A later send opens new ones."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()

    def _close_forgotten(self, pool: httpcore.ConnectionPool) -> None:
        """Close the connection of this thread if `close` left its pool behind while it was opened."""
        opened, self._exchange.opened = self._exchange.opened, None
        if opened is None:
            return
        with self._lock:
            forgotten = pool not in self._pools.values()
        if forgotten:
            opened.close()

    def _send(
        self, pool: httpcore.ConnectionPool, route: _Route, request: Request, progress: ExchangeProgress, timeout: float
    ) -> Reply:
        import httpcore

        started = time.monotonic()
        asked = httpcore.Request(
            request.method, route.url, headers=travelling(request, route.host), content=request.body
        )
        listener = self._observer.listener()
        if listener is not None:
            asked.extensions = {"trace": listener}
        try:
            answered = pool.handle_request(asked)
            progress.limit = timeout
            try:
                headers = folded(answered.headers)
                body = self._body(answered, headers)
            except ProtocolError:
                stream = answered.extensions.get("network_stream")
                if isinstance(stream, SocketStream):
                    stream.spoil()
                raise
            finally:
                answered.close()
        except httpcore.ProxyError as failure:
            status = str(failure).partition(" ")[0]
            raise ProxyRefused(int(status) if status.isdigit() else 0) from None
        except httpcore.RemoteProtocolError as failure:
            raise _protocol_error(progress, str(failure)) from None
        except httpcore.LocalProtocolError:
            raise ProtocolError("the request is not valid") from None
        if answered.status == 407 and progress.proxy is not None:
            progress.phase = "proxy"
            raise ProxyRefused(407)
        reply = Reply(answered.status, headers, body, time.monotonic() - started)
        log_reply(request, reply, self._redact)
        return reply

    def _body(self, answered: httpcore.Response, headers: Mapping[str, str]) -> bytes:
        """Return the decompressed body, with a size limit."""
        if sum([len(name) + len(value) + 4 for name, value in answered.headers]) > _HEADER_LIMIT:
            raise HeaderTooLarge
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._body_limit:
            raise ReplyTooLarge(self._body_limit)
        pieces: list[bytes] = []
        size = 0
        for piece in cast(Iterable[bytes], answered.stream):
            size += len(piece)
            if size > self._body_limit:
                raise ReplyTooLarge(self._body_limit)
            pieces.append(piece)
        return decoded(b"".join(pieces), headers.get("content-encoding", ""), self._body_limit)

    def _pool(self, route: _Route) -> httpcore.ConnectionPool:
        tls, proxy = route.endpoint.tls, route.proxy
        if tls and self._context is None:
            self._context = ssl_context(self._tls)
        key = (tls, str(proxy) if proxy else "")
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._make_pool(proxy)
            return pool

    def _make_pool(self, proxy: Proxy | None) -> httpcore.ConnectionPool:
        import httpcore

        options: dict[str, Any] = {
            "ssl_context": self._context,
            "max_connections": None,
            "max_keepalive_connections": _MOST_IDLE,
            "keepalive_expiry": self._keepalive,
            "network_backend": self._backend,
        }
        if proxy is None:
            return httpcore.ConnectionPool(**options)
        headers = [(b"Proxy-Authorization", proxy.authorization.reveal().encode())] if proxy.authorization else []
        return httpcore.HTTPProxy(proxy_url=f"http://{proxy}", proxy_headers=headers, **options)

    def _route(self, url: str) -> _Route:
        known = self._routes.get(url)
        if known is not None:
            return known
        import httpcore
        import httpx

        parts = urllib.parse.urlsplit(url)
        key = (parts.scheme, parts.netloc)
        peer = self._peers.get(key)
        if peer is None:
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
            endpoint = Endpoint(parts.scheme, parts.hostname or "", port)
            proxy = proxy_for(endpoint, self._proxy, trust_env=self._trust_env, environment=self._environment)
            peer = self._peers[key] = (endpoint, proxy)
        read = httpx.URL(url)
        asked = httpcore.URL(scheme=read.raw_scheme, host=read.raw_host, port=read.port, target=read.raw_path)
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        route = self._routes[url] = _Route(*peer, peer[0].origin, asked, read.netloc)
        return route

    def _start_life(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[tuple[bool, str], httpcore.ConnectionPool] = {}
        # The finalizer references the pools, so they are never garbage before their transport: the collector finds no open socket.
        self._forgotten = weakref.finalize(self, _close, self._pools)
        self._forgotten.atexit = False

    def _after_fork(self) -> None:
        """Drop the child's copies of the parent's sockets without writing to them."""
        self._forgotten.detach()
        self._inherited = self._pools
        self._start_life()


def import_all() -> None:
    """Import modules that only a send needs, to keep the command line's start-up fast."""
    import encodings.idna  # imported by `socket.getaddrinfo`

    import httpcore
    import httpx

    import magictel.catalogue.plugins  # a port of another protocol may be one that their pages know
    import magictel.transports.instrumentation

    del encodings, httpcore, httpx, magictel


def _close(pools: dict[tuple[bool, str], httpcore.ConnectionPool]) -> None:
    for pool in pools.values():
        pool.close()


def _protocol_error(progress: ExchangeProgress, message: str) -> BaseException:
    """Return the specific error for httpcore's generic exception, from the bytes seen on the socket."""
    if progress.broken is not None and not progress.received:
        return progress.broken
    if not progress.received:
        return EOFError("no answer")
    if not progress.first_bytes.startswith(b"HTTP/1."):
        return NotHttp("no status line")
    if progress.received >= _HEADER_LIMIT and "too long" in message:
        return HeaderTooLarge()
    if "peer closed" in message or "disconnected" in message:
        return Truncated(f"{progress.received} bytes received")
    return NotHttp("no reply of HTTP/1.1")


def _names_files(options: TlsOptions) -> bool:
    return bool(options.ca_file or options.ca_fingerprint or options.client_cert_file or options.client_key_file)


def _call(method: weakref.WeakMethod[Any]) -> None:
    alive = method()
    if alive is not None:
        alive()
