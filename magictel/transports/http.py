"""HTTP/1.1 on httpx over pooled connections: the transport of delivery, probes and read-backs alike, and the only file that knows httpx.

httpx and its httpcore do the protocol, the pool and the proxies. The sockets below them are ours (`network`): which phase failed,
whether anything was sent, the first bytes that came instead of an answer, and one deadline over the whole exchange are lost behind
a library, and are what a diagnosis is made of.
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
from typing import TYPE_CHECKING, Any

from magictel.errors import WireError
from magictel.proxy import Proxy, ProxyRefused, proxy_for
from magictel.secrets import Redactor
from magictel.tls import TlsOptions, ssl_context
from magictel.transports.encoding import decoded
from magictel.transports.network import Backend, Exchange
from magictel.transports.protocol import HeaderTooLarge, NotHttp, ProtocolError, ReplyTooLarge, Truncated
from magictel.transports.quiet import redacted_logs
from magictel.transports.symptoms import Progress, classify
from magictel.wire import Endpoint, Reply, Request

if TYPE_CHECKING:
    import httpx

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXCHANGE_FAILURES = (OSError, ProtocolError, ProxyRefused, EOFError)
_FORBIDDEN = ("\r", "\n", "\0")
_BODY_LIMIT = 64 * 1024 * 1024
_HEADER_LIMIT = 64 * 1024


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
        self._exchange = Exchange()
        self._backend = Backend(self._tls, connect_timeout, self._exchange)
        self._routes: dict[tuple[str, str], tuple[Endpoint, Proxy | None]] = {}
        self._start_life()
        forked = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: _call(forked))

    def send(self, request: Request, timeout: float) -> Reply:
        """Return the complete reply or raise `WireError`; never longer than `timeout` seconds, however slowly the bytes trickle."""
        deadline = time.monotonic() + timeout
        endpoint, proxy = self._route(request.url)
        progress = Progress(endpoint.origin, proxy, client_certificate=bool(self._tls.client_cert_file), limit=timeout)
        _must_travel(request)
        with _uninstrumented(), redacted_logs(self._redact):
            try:
                client = self._client(endpoint, proxy)
                self._exchange.begin(progress, deadline, endpoint, proxy)
                try:
                    return self._send(client, request, progress, timeout)
                except _EXCHANGE_FAILURES:
                    # The peer may close an idle connection in the very moment we use it: ask again where asking changes nothing.
                    if self._exchange.fresh or progress.received or request.method not in _REPEATABLE:
                        raise
                return self._send(client, request, progress, timeout)
            except _EXCHANGE_FAILURES as failure:
                raise classify(failure, progress, self._redact) from None

    def close(self) -> None:
        """Close pooled connections; may be called twice. A later send makes new ones."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def proxy(self, endpoint: Endpoint) -> Proxy | None:
        """The proxy that stands before an endpoint, or None."""
        return proxy_for(endpoint, self._proxy, trust_env=self._trust_env, environment=self._environment)

    def _send(self, client: httpx.Client, request: Request, progress: Progress, timeout: float) -> Reply:
        import httpcore

        started = time.monotonic()
        try:
            reply = client.send(
                client.build_request(
                    request.method, request.url, headers=dict(request.headers), content=request.body or None
                ),
                stream=True,
            )
            progress.limit = timeout
            try:
                body = self._body(reply)
            finally:
                reply.close()
        except httpcore.ProxyError as failure:
            status = str(failure).partition(" ")[0]
            raise ProxyRefused(int(status) if status.isdigit() else 0) from None
        except httpcore.RemoteProtocolError as failure:
            raise _protocol_error(progress, str(failure)) from None
        except httpcore.LocalProtocolError:
            raise ProtocolError("the request cannot travel") from None
        if reply.status_code == 407 and progress.proxy is not None:
            progress.phase = "proxy"
            raise ProxyRefused(407)
        return Reply(reply.status_code, _headers(reply), body, time.monotonic() - started)

    def _body(self, reply: httpx.Response) -> bytes:
        """The decompressed body, bounded before it is in memory."""
        if sum(len(name) + len(value) + 4 for name, value in reply.headers.raw) > _HEADER_LIMIT:
            raise HeaderTooLarge
        declared = reply.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._body_limit:
            raise ReplyTooLarge(self._body_limit)
        pieces: list[bytes] = []
        size = 0
        for piece in reply.iter_raw():
            size += len(piece)
            if size > self._body_limit:
                raise ReplyTooLarge(self._body_limit)
            pieces.append(piece)
        return decoded(b"".join(pieces), reply.headers.get("content-encoding", ""), self._body_limit)

    def _client(self, endpoint: Endpoint, proxy: Proxy | None) -> httpx.Client:
        if endpoint.tls and self._context is None:
            self._context = ssl_context(self._tls)
        key = (endpoint.tls, str(proxy) if proxy else "")
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                client = self._clients[key] = self._make_client(proxy)
            return client

    def _make_client(self, proxy: Proxy | None) -> httpx.Client:
        import httpcore
        import httpx

        options: dict[str, Any] = {
            "ssl_context": self._context,
            "max_connections": None,
            "max_keepalive_connections": self._max_idle,
            "keepalive_expiry": self._keepalive,
            "network_backend": self._backend,
        }
        if proxy is None:
            pool = httpcore.ConnectionPool(**options)
        else:
            headers = [(b"Proxy-Authorization", proxy.authorization.encode())] if proxy.authorization else []
            pool = httpcore.HTTPProxy(proxy_url=f"http://{proxy}", proxy_headers=headers, **options)

        class Pool(httpx.BaseTransport):
            """What `httpx.HTTPTransport` does, over a pool whose sockets are ours."""

            def handle_request(self, request: httpx.Request) -> httpx.Response:
                url = request.url
                asked = httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
                answered = pool.handle_request(asked)
                return httpx.Response(
                    answered.status, headers=answered.headers, stream=_Pieces(answered), extensions=answered.extensions
                )

            def close(self) -> None:
                pool.close()

        class _Pieces(httpx.SyncByteStream):
            def __init__(self, answered: Any) -> None:
                self._answered = answered

            def __iter__(self) -> Iterator[bytes]:
                yield from self._answered.stream

            def close(self) -> None:
                self._answered.close()

        client = httpx.Client(transport=Pool(), trust_env=False, follow_redirects=False, timeout=None)
        client.headers = httpx.Headers({"Accept": "*/*"})
        return client

    def _route(self, url: str) -> tuple[Endpoint, Proxy | None]:
        parts = urllib.parse.urlsplit(url)
        key = (parts.scheme, parts.netloc)
        route = self._routes.get(key)
        if route is None:
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
            endpoint = Endpoint(parts.scheme, parts.hostname or "", port)
            route = self._routes[key] = (endpoint, self.proxy(endpoint))
        return route

    def _start_life(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[tuple[bool, str], httpx.Client] = {}

    def _after_fork(self) -> None:
        """The parent goes on using its sockets: the child drops its copies without a word on them."""
        self._inherited = self._clients
        self._start_life()


def _protocol_error(progress: Progress, said: str) -> BaseException:
    """What httpcore's one exception for everything means, from what was seen on the socket."""
    if progress.broken is not None and not progress.received:
        return progress.broken
    if not progress.received:
        return EOFError("no answer")
    if not progress.first_bytes.startswith(b"HTTP/1."):
        return NotHttp("no status line")
    if progress.received >= _HEADER_LIMIT and "too long" in said:
        return HeaderTooLarge()
    if "peer closed" in said or "disconnected" in said:
        return Truncated(f"{progress.received} bytes came")
    return NotHttp("no reply of HTTP/1.1")


def _headers(reply: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


def _must_travel(request: Request) -> None:
    """Raises `WireError` for a header that cannot travel: it names the header and never shows the value."""
    for name, value in request.headers.items():
        if any(character in value or character in name for character in _FORBIDDEN):
            raise WireError(
                "config.secret.whitespace", f"the value of the header {name} holds a line break", phase="write"
            )
        if not value.isascii():
            position = next(index for index, character in enumerate(value) if not character.isascii())
            raise WireError(
                "config.secret.non-ascii",
                f"character {position + 1} of the header {name} is not ASCII",
                "paste the value again, from its source",
                phase="write",
            )
    if not request.url.isascii() or any(character in request.url for character in _FORBIDDEN):
        raise WireError("config.url.bad-path", "the path holds a character that cannot travel", phase="write")


def _names_files(options: TlsOptions) -> bool:
    return bool(options.ca_file or options.ca_fingerprint or options.client_cert_file or options.client_key_file)


@contextlib.contextmanager
def _uninstrumented() -> Iterator[None]:
    """OpenTelemetry's instrumentations look away: an instrumented httpx would export its own exports."""
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
