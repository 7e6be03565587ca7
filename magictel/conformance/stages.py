"""Stages: the backend, file or stream of a law, on which faults are scripted. Laws know nothing else of an exporter's destination."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from magictel.clock import Clock
from magictel.conformance.io_faults import IoFault
from magictel.http.wire import Request
from magictel.sandbox.datagrams import DatagramServer
from magictel.sandbox.emulator import DatagramEmulator, Emulator, RefusesItems
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.server import Server

NOWHERE = "http://127.0.0.1:9"
"""The address for exporters without an emulator. No law sends anything to it."""
Effect = Literal["refuses", "partly", "waits", "too-large", "passes"]
"""What a fault does: writes are rejected, partly stored, blocked, rejected as too large, or fail for a moment."""
_CHANGES = frozenset({"PUT", "DELETE", "PATCH"})


@dataclass(frozen=True, slots=True)
class Write:
    """A complete write as it arrived, even if a fault rejected it. `time`: seconds on the law's clock; `name`: for messages."""

    time: float
    name: str
    body: bytes
    headers: Mapping[str, str]


class Stage:
    """A destination with scripted faults: subclasses define what they can do, beginning with `script` and `faults`.

    An emulator that is none of a backend with HTTP or datagrams (gRPC, Kafka) is a stage itself: it listens as soon as it is created.
    """

    origin = NOWHERE
    """The destination: `scheme://host:port`."""
    replies = False
    """Whether it replies to writes with the statuses of HTTP: `script` then understands all of `magictel sandbox --fault`."""
    faults: Mapping[Effect, Sequence[str]] = MappingProxyType({})
    """The scripts for each effect that can be simulated; all but `passes` last until the next script."""
    errors: Mapping[str, int] = MappingProxyType({})
    """The scripts of `faults` that are errors of the operating system, with their errno; 0 for one that is no `OSError`."""
    item_errors: Sequence[str] = ()
    """The errors that it can report for single items; empty without a result per item."""

    @property
    def stored(self) -> int | None:
        """The number of stored points; None if it is not known."""
        return None

    def environment(self) -> Mapping[str, str]:
        """Return the variables that point the exporter here."""
        return {}

    def script(self, text: str) -> None:
        """Set the faults from now on; `ok` ends them."""

    def writes(self) -> Sequence[Write]:
        """Return all writes in the order of arrival, including those that a fault rejected."""
        return ()

    def reply_has_body(self) -> bool:
        """Return whether the reply to the first write has a body, which can be truncated."""
        return True

    def side_effects(self) -> Sequence[str]:
        """Return the names of requests that changed something and were no writes of points."""
        return ()

    def settle(self, timeout: float) -> bool:
        """Wait until late writes are stored; return False after `timeout` seconds."""
        return True

    def stop(self) -> None:
        """End all faults and stop listening."""


class HttpStage(Stage):
    """The sandbox's server around an emulator."""

    replies = True

    def __init__(self, emulator: Emulator, clock: Clock) -> None:
        self._emulator = emulator
        self._server = Server(emulator, record=True)
        self._server.requests = self._requests = _Requests(clock)
        self._server.start()
        self.origin = self._server.origin
        self.item_errors = emulator.item_errors if isinstance(emulator, RefusesItems) else ()
        partial = ("partial 30% mixed", "partial 100% mixed") if self.item_errors else ()
        passing = (
            "429 x2",
            "503",
            "500",
            "504",
            "reset",
            "reset-after",
            "close",
            "truncated",
            "too-large",
            "slow 0.01",
        )
        self.faults = {
            "refuses": ("503 forever", "429 retry-after=3600 forever"),
            "waits": ("slow 60 forever",),
            "too-large": ("too-large forever",),
            "passes": (*passing, "ok", *partial),
        }

    def environment(self) -> Mapping[str, str]:
        """Return the emulator's variables."""
        return self._emulator.environment(self.origin)

    def script(self, text: str) -> None:
        """Set the server's faults, write by write."""
        self._server.faults = parse_faults(text)

    def writes(self) -> Sequence[Write]:
        """Return the requests that store points."""
        return [
            Write(time, f"{request.method} {request.path}", request.body, request.headers)
            for time, request in zip(self._requests.times, self._requests, strict=False)
            if self._emulator.is_write(request)
        ]

    def reply_has_body(self) -> bool:
        """Let the emulator answer the first write again."""
        first = next(request for request in self._requests if self._emulator.is_write(request))
        return bool(self._emulator.handle(first).body)

    def side_effects(self) -> Sequence[str]:
        """Return the requests whose method changes something."""
        return [f"{request.method} {request.path}" for request in self._requests if request.method in _CHANGES]

    def settle(self, timeout: float) -> bool:
        """Let slow requests be stored at once."""
        return self._server.settle(timeout)

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()


class _Requests(deque[Request]):
    """The server's record of requests, with their times on the law's clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.times: list[float] = []

    def append(self, request: Request) -> None:
        self.times.append(self._clock.monotonic())
        super().append(request)


class SystemStage(Stage):
    """A file or a stream: a script is the name of an I/O fault. Without I/O faults, a destination that nothing is sent to."""

    def __init__(self, io_faults: Sequence[IoFault], folder: Path) -> None:
        self._folder = folder
        self._io_faults = {io_fault.name: io_fault for io_fault in io_faults}
        self._active = contextlib.ExitStack()
        kinds: tuple[Effect, ...] = ("refuses", "partly", "waits")
        self.faults = {kind: [io_fault.name for io_fault in io_faults if io_fault.kind == kind] for kind in kinds}
        self.errors = {name: self._io_faults[name].error for name in self.faults["refuses"]}

    def script(self, text: str) -> None:
        """End the I/O fault and begin the one with this name."""
        self._active.close()
        if text != "ok":
            self._active.enter_context(self._io_faults[text].begin(self._folder))

    def stop(self) -> None:
        """End the I/O fault."""
        self._active.close()


class DatagramStage(Stage):
    """An agent that receives datagrams. Faults are what the system replies to a send: UDP itself has no replies."""

    errors = MappingProxyType(
        {
            "an unreachable network": errno.ENETUNREACH,
            "a full send buffer": errno.ENOBUFS,
            "a firewall": errno.EPERM,
        }
    )
    faults = MappingProxyType(
        {
            "refuses": tuple(errors),
            "waits": ("a send buffer that stays full",),
            "too-large": ("too-large forever",),
        }
    )

    def __init__(self, emulator: DatagramEmulator, clock: Clock) -> None:
        self._emulator = emulator
        self._clock = clock
        self._server = DatagramServer(emulator).start()
        self.origin = self._server.origin
        self._writes: list[Write] = []
        self._lock = threading.Lock()
        self._fault, self._times, self._ended = "ok", 0, threading.Event()
        self._watch = contextlib.ExitStack()
        self._watch.enter_context(_watched_sends(self._server.port, self._sending))

    @property
    def stored(self) -> int | None:
        """The emulator's count of points."""
        return self._emulator.stored

    def environment(self) -> Mapping[str, str]:
        """Return the emulator's variables."""
        return self._emulator.environment(self.origin)

    def script(self, text: str) -> None:
        """Set a fault, or `too-large`; ` xN` ends it after N sends."""
        parts = re.fullmatch(r"(.+?)(?: x(\d+)| forever)?", text)
        assert parts is not None
        with self._lock:
            self._ended.set()
            self._fault, self._times, self._ended = parts[1], int(parts[2] or 0), threading.Event()

    def writes(self) -> Sequence[Write]:
        """Return the datagrams that are not empty."""
        with self._lock:
            return list(self._writes)

    def settle(self, timeout: float) -> bool:
        """Wait until the emulator has received all datagrams."""
        return self._server.settle(timeout)

    def stop(self) -> None:
        """Stop the server and release blocked sends."""
        self.script("ok")
        self._watch.close()
        self._server.stop()

    def _sending(self, sender: socket.socket, body: bytes) -> None:
        """Record a send, and raise or wait as the script says."""
        with self._lock:
            if body:
                self._writes.append(Write(self._clock.monotonic(), f"a datagram of {len(body)} bytes", body, {}))
            fault, ended = self._fault, self._ended
            if self._times:
                self._times -= 1
                self._fault = self._fault if self._times else "ok"
        if fault in self.faults["waits"] and not ended.wait(sender.gettimeout()):
            raise TimeoutError("timed out")
        number = errno.EMSGSIZE if fault == "too-large" else self.errors.get(fault)
        if number is not None:
            raise OSError(number, os.strerror(number))


def stage_for(
    emulator: Emulator | DatagramEmulator | Stage | None, io_faults: Sequence[IoFault], clock: Clock, folder: Path
) -> Stage:
    """Return the stage of an emulator, or that of a file or stream if it is None."""
    if isinstance(emulator, Stage):
        return emulator
    if isinstance(emulator, DatagramEmulator):
        return DatagramStage(emulator, clock)
    if emulator is None:
        return SystemStage(io_faults, folder)
    return HttpStage(emulator, clock)


@contextlib.contextmanager
def _watched_sends(port: int, sending: Callable[[socket.socket, bytes], None]) -> Iterator[None]:
    """Call `sending` before each datagram that this process sends to a port."""
    names = ("send", "sendall", "sendto", "sendmsg")

    def watched(plain: Callable[..., Any]) -> Callable[..., Any]:
        def send(sender: socket.socket, data: Any, *rest: Any) -> Any:
            if sender.type == socket.SOCK_DGRAM and _port(sender, rest) == port:
                sending(sender, b"".join(data) if plain.__name__ == "sendmsg" else bytes(data))
            return plain(sender, data, *rest)

        return send

    for name in names:
        setattr(socket.socket, name, watched(getattr(socket.socket, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(socket.socket, name)


def _port(sender: socket.socket, rest: Sequence[Any]) -> int | None:
    """Return the port of a datagram's destination: the last argument, or that of the connected socket."""
    try:
        address = rest[-1] if rest and isinstance(rest[-1], tuple) else sender.getpeername()
    except OSError:
        return None
    return address[1] if isinstance(address, tuple) else None
