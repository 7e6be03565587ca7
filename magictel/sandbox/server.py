"""An HTTP/1.1 server around an emulator: raw sockets, because faults need them. One thread per connection, keep-alive, TCP_NODELAY."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self

from magictel.clock import Clock, SystemClock
from magictel.errors import UsageError
from magictel.http.wire import Reply, Request
from magictel.sandbox.emulator import Discards, Emulator, Refuses, RefusesItems
from magictel.sandbox.endpoints import text_reply
from magictel.sandbox.faults import Fault, Faults
from magictel.sandbox.http1 import Connection, MalformedRequest

_EXPIRED = Path(__file__).with_name("expired.pem")
"""Certificate and key, self-signed for localhost, valid in January 2020 only."""
_POLL = 0.02
_IDLE = 60.0


class Server:
    """Serves one emulator at `origin` (`scheme://host:port`) until stopped; a context manager.

    `faults` strike requests in their order. With `record`, `requests` keeps every complete request (the last 10 000). `seen` is
    called with each write and the status of its reply, None where none was sent.
    """

    def __init__(
        self,
        emulator: Emulator,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        ssl_context: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        record: bool = False,
        seen: Callable[[Request, int | None], None] | None = None,
    ) -> None:
        self.emulator = emulator
        self.faults = faults or Faults([])
        self.host = host
        self.port = port
        self.requests: deque[Request] = deque(maxlen=10_000 if record else 0)
        self.connections = 0
        self._seen = seen
        self._ssl = ssl_context or (_expired_certificate() if self.faults.expired else None)
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._idle = threading.Condition()
        self._pending = 0
        self._listener: socket.socket | None = None
        self._threads: set[threading.Thread] = set()
        self._open: set[socket.socket] = set()
        _check(self.faults, emulator)

    @property
    def ca_file(self) -> str | None:
        """The CA file that a client must trust, if the server uses the sandbox's own certificate."""
        return str(_EXPIRED) if self.faults.expired else None

    @property
    def origin(self) -> str:
        """The address of the server: `scheme://host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._ssl else 'http'}://{host}:{self.port}"

    def start(self) -> Self:
        """Listen and serve; afterwards `port` is the real one. Raise `OSError`, `OverflowError`."""
        if self.port > 65_535:  # `create_server` would leave its socket open
            raise OverflowError
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = self._listener = socket.create_server((self.host, self.port), family=family, backlog=256)
        self.port = listener.getsockname()[1]
        self._stop.clear()
        self._spawn(self._accept, listener)
        return self

    def stop(self) -> None:
        """Close every connection; hanging requests end without being stored. May be called twice."""
        self._stop.set()
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._idle:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5.0)

    def __enter__(self) -> Self:
        return self if self._listener is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def settle(self, timeout: float = 10.0) -> bool:
        """End slow and hanging faults now and wait until no request is in progress; return False after `timeout` seconds."""
        self._hurry.set()
        try:
            with self._idle:
                return self._idle.wait_for(lambda: self._pending == 0, timeout)
        finally:
            self._hurry.clear()

    def _spawn(self, target: Callable[[socket.socket], None], connection: socket.socket) -> None:
        def run() -> None:
            try:
                target(connection)
            finally:
                with self._idle:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"sandbox-{self.emulator.name}", daemon=True)
        with self._idle:  # `stop` joins what it finds: a thread that has not started cannot be joined
            self._threads.add(thread)
            thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._idle:
                self._open.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, plain: socket.socket) -> None:
        connection: socket.socket = plain
        try:
            connection.settimeout(_IDLE)
            if self._ssl is not None:
                connection = self._ssl.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                with self._idle:
                    self._open.discard(plain)
                    self._open.add(connection)
                connection.do_handshake()
            http = Connection(connection, "https" if self._ssl else "http", f"{self.host}:{self.port}")
            try:
                while not self._stop.is_set() and (request := http.next()) is not None:
                    if not self._answer(connection, http, request):
                        break
            except MalformedRequest as problem:
                connection.sendall(http.encode(text_reply(str(problem), 400), close=True))
        except (OSError, ValueError):
            pass  # the client went away, or never spoke TLS
        finally:
            with self._idle:
                self._open.discard(plain)
                self._open.discard(connection)
            connection.close()
            plain.close()

    def _answer(self, connection: socket.socket, http: Connection, request: Request) -> bool:
        """Answer a request; return False if the connection must be closed."""
        self.requests.append(request)
        with self._under_way():
            is_write = self.emulator.is_write(request)
            fault = self.faults.strike(is_write=is_write)
            truncated = fault is not None and fault.kind == "truncated"
            try:
                reply = self.emulator.handle(request) if fault is None else self._suffer(connection, request, fault)
            except OSError:
                raise
            except Exception as bug:
                # An emulator's bug must be seen on both sides: the client gets a 500, the thread its traceback.
                connection.sendall(http.encode(text_reply(repr(bug), 500), close=True))
                raise
            if self._seen is not None and is_write:
                self._seen(request, None if reply is None or truncated else reply.status)
            if reply is None:
                return False
        if truncated:
            whole = http.encode(reply, close=True)
            connection.sendall(whole[: max(len(whole) - 7, whole.index(b"\r\n\r\n") + 4)])
            return False
        connection.sendall(http.encode(reply))
        return not http.ended

    def _suffer(self, connection: socket.socket, request: Request, fault: Fault) -> Reply | None:
        """Return the reply under a fault, None if the connection must be closed without one."""
        match fault.kind:
            case "status":
                return self._refusal(fault)
            case "too-large":
                return Reply(413)
            case "wrong-json":
                return Reply(200, {"content-type": "application/json"}, b'{"status":"ok"}')
            case "partial" if isinstance(self.emulator, RefusesItems):
                item_error = fault.item_error or self.emulator.item_errors[0]
                return self.emulator.handle_partially(request, fault.share, item_error)
            case "discard" if isinstance(self.emulator, Discards):
                return self.emulator.discard(request, fault.item_error or self.emulator.reasons[0])
            case "slow" if not self._pause(connection, fault.seconds, until_gone=False):
                return None
            case "slow" | "truncated":
                return self.emulator.handle(request)
            case "hang" if not self._pause(connection, None, until_gone=True):
                return None
            case "hang" | "reset-after":
                self.emulator.handle(request)
        if fault.kind.startswith("reset"):  # the close that follows then sends RST, not FIN
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return None

    def _refusal(self, fault: Fault) -> Reply:
        reply = Reply(fault.status)
        if fault.body is not None:
            types = {b"{": "application/json", b"[": "application/json", b"<": "text/html"}
            media = types.get(fault.body.lstrip()[:1], "text/plain")
            reply = Reply(fault.status, {"content-type": media}, fault.body)
        elif isinstance(self.emulator, Refuses):
            reply = self.emulator.refusal(fault.status)
        if fault.retry_after is None:
            return reply
        kind, colon, seconds = fault.retry_after.partition("date:")
        wait = formatdate(self._clock.now() + float(seconds), usegmt=True) if colon and not kind else fault.retry_after
        return Reply(reply.status, {**reply.headers, "retry-after": wait}, reply.body)

    def _pause(self, connection: socket.socket, seconds: float | None, *, until_gone: bool) -> bool:
        """Wait; return False if the server was stopped."""
        end = None if seconds is None else self._clock.monotonic() + seconds
        while not self._stop.is_set():
            left = _POLL if end is None else min(_POLL, end - self._clock.monotonic())
            if left <= 0 or self._hurry.is_set() or (until_gone and _gone(connection)):
                break
            self._clock.wait(left, self._stop)
        return not self._stop.is_set()

    @contextlib.contextmanager
    def _under_way(self) -> Iterator[None]:
        with self._idle:
            self._pending += 1
        try:
            yield
        finally:
            with self._idle:
                self._pending -= 1
                self._idle.notify_all()


def _check(faults: Faults, emulator: Emulator) -> None:
    for step in faults.steps:
        if step.kind == "discard":
            reasons = emulator.reasons if isinstance(emulator, Discards) else ()
            if not reasons or step.item_error not in {None, *reasons}:
                why = (
                    f"{emulator.name} discards nothing for such a reason"
                    if reasons
                    else f"{emulator.name} reports no discarded requests"
                )
                raise UsageError("sandbox.fault-script", why, f"it has: {', '.join(reasons)}" if reasons else None)
        if step.kind != "partial":
            continue
        if not isinstance(emulator, RefusesItems):
            raise UsageError(
                "sandbox.fault-script", f"{emulator.name} does not judge single items, so 'partial' cannot apply", None
            )
        if step.item_error not in {None, "mixed", *emulator.item_errors}:
            raise UsageError(
                "sandbox.fault-script",
                f"wrong fault at {step.item_error!r}: {emulator.name} has no such item error",
                f"it has: mixed, {', '.join(emulator.item_errors)}",
            )


def _expired_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_EXPIRED)
    return context


def _gone(connection: socket.socket) -> bool:
    try:
        if not select.select([connection], [], [], 0)[0]:
            return False
        return isinstance(connection, ssl.SSLSocket) or connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True
