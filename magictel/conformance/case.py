"""The environment of a law: exporters with its settings, their backend, and a clock on which waiting takes no time."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import tempfile
import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.clock import SystemClock
from magictel.conformance.io_faults import IoFault
from magictel.conformance.requirements import Broken, Need
from magictel.conformance.timekeeping import keeps_own_time
from magictel.conformance.under_test import NOWHERE, Place, Subject, addresses
from magictel.http.wire import Request
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import ReadBack
from magictel.sandbox.emulator import Emulator, RefusesItems
from magictel.sandbox.faults import Faults, parse_faults
from magictel.sandbox.server import Server
from magictel.settings.fields import Field, fields_of
from magictel.settings.model import ExporterSettings
from magictel.verify.read_back import expected_points

_QUICK = {
    "timeout": 30.0,
    "connect_timeout": 30.0,
    "retry_budget": 0.5,
    "backoff_initial": 0.01,
    "backoff_max": 0.05,
    "breaker_failures": 1000,
}
_LONG_ENOUGH = 30.0
"""Seconds that the clock advances before a read-back: longer than any delay of visibility."""
_MENDED = 90.0
"""Seconds that a person needs to fix a system error; until then delivery does not retry."""
_NO_ANSWERS = "a backend that replies, but its destination sends no replies"


class LeapingClock(SystemClock):
    """The machine's clock, on which a wait ends at once but advances the time."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return super().now() + self._ahead

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps back."""
        return super().monotonic() + self._ahead

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Skip the wait; return whether `stop` was set before."""
        if stop is not None and stop.is_set():
            return True
        with self._lock:
            self._ahead += max(0.0, seconds)
        return False


class ReceivedRequests(deque[Request]):
    """A record of incoming requests, with times on the case's clock."""

    def __init__(self, clock: LeapingClock) -> None:
        super().__init__()
        self._clock = clock
        self.times: list[float] = []

    def append(self, request: Request) -> None:
        """Record a request."""
        self.times.append(self._clock.monotonic())
        super().append(request)


class Case:
    """A law on an exporter with a seed; a context manager that ends everything it created."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject = subject
        self.seed = seed
        self.dice = random.Random(seed)
        self.clock = LeapingClock()
        self.logs: list[str] = []
        self.warnings: list[str] = []
        """Return the log messages that an operator sees by default."""
        self.printed = io.StringIO()
        self.run_id = f"{self.dice.getrandbits(48):012x}"
        self._stack = contextlib.ExitStack()
        self.own_time = False
        self._server: Server | None = None
        self._exporters: list[Exporter[Any]] = []
        self._hindered = contextlib.ExitStack()

    def __enter__(self) -> Case:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="magictel-")))
        self._stack.enter_context(_collected(self.logs, self.warnings))
        self._stack.enter_context(contextlib.redirect_stdout(self.printed))
        self._stack.enter_context(contextlib.redirect_stderr(self.printed))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for exporter in self._exporters:
                exporter.shutdown(0)
                exporter.close()  # a law may have queried the backend after its shutdown
        finally:
            self._exporters.clear()
            with self._stack, self._hindered:
                if self._server is not None:
                    self._server.stop()

    # ---- the backend ---------------------------------------------------------------------------------------------------

    @property
    def served(self) -> bool:
        """Return whether there is a backend to script."""
        return self.subject.emulator is not None

    @property
    def server(self) -> Server:
        """Return the server of the emulator, started on first use."""
        if self._server is None:
            assert self.subject.emulator is not None
            emulator = self.subject.emulator(self.clock)
            self.own_time = keeps_own_time(emulator, self.clock)
            self._server = Server(emulator, record=True)
            self._server.requests = ReceivedRequests(self.clock)
            self._server.start()
        return self._server

    @property
    def emulator(self) -> Emulator:
        """Return the emulator."""
        return self.server.emulator

    def script(self, text: str) -> Faults:
        """Set the backend's faults from now on, write by write."""
        self.server.faults = parse_faults(text)
        return self.server.faults

    def io_faults(self, kind: str = "refuses") -> list[IoFault]:
        """Return the I/O faults of this kind for the exporter."""
        return [io_fault for io_fault in self.subject.io_faults if io_fault.kind == kind]

    def hinder(self, io_fault: IoFault) -> None:
        """Begin an I/O fault."""
        self._hindered.close()
        self._hindered.enter_context(io_fault.begin(self.folder))

    def away(self) -> None:
        """Reject everything from now on."""
        if self.served:
            self.script("503 forever")
        else:
            self.hinder(self.io_faults()[0])

    def stall(self) -> None:
        """Block every request or write from now on, longer than any law waits."""
        if self.served:
            self.script("slow 60 forever")
        else:
            self.hinder(self.io_faults("waits")[0])

    def back(self) -> None:
        """Accept everything again; if a person had to fix it, let some time pass."""
        if self.served:
            self.script("ok")
        else:
            self._hindered.close()
            self.clock.wait(_MENDED)

    def writes(self) -> list[tuple[float, Request]]:
        """Return the complete writes, with times on the case's clock."""
        requests = self.server.requests
        assert isinstance(requests, ReceivedRequests)
        return [pair for pair in zip(requests.times, requests, strict=False) if self.emulator.is_write(pair[1])]

    # ---- the exporter ----------------------------------------------------------------------------------------------------

    def exporter(self, **settings: Any) -> Exporter[Any]:
        """Return a new exporter for this case's backend, with short time limits unless the law sets others."""
        exporter = self.unkept(**settings)
        self._exporters.append(exporter)
        return exporter

    def unkept(self, **settings: Any) -> Exporter[Any]:
        """Return an exporter like `exporter`, for a law that ends it itself."""
        origin = self.server.origin if self.served else NOWHERE
        environment = self.emulator.environment(origin) if self.served else {}
        wanted = {**_QUICK, **settings}
        return self.subject.exporter(Place(origin, self.folder, wanted, self.clock, environment))

    def lacking(self, needs: Collection[Need]) -> str | None:
        """Return the first unmet need as a message for this exporter."""
        for need in needs:
            met = True
            match need:
                case Need.BACKEND:
                    met = self.served or not sends_over_a_network(self.exporter())
                case Need.SERVER:
                    met = self.served
                case Need.AWAY:
                    met = self.served or bool(self.io_faults())
                case Need.STALL:
                    met = self.served or bool(self.io_faults("waits"))
                case Need.SYSTEM:
                    met = bool(self.io_faults())
                case Need.ITEMS:
                    met = self.served and isinstance(self.emulator, RefusesItems)
                case Need.READ_BACK:
                    met = reads_back(self.exporter())
                case Need.FORK:
                    met = hasattr(os, "fork")
                case Need.SECRETS:
                    met = any(option.secret for option in options_of(self.exporter()))
            if not met:
                return _NO_ANSWERS if need is Need.SERVER and self.io_faults() else need.value
        return None

    # ---- the way back ----------------------------------------------------------------------------------------------------

    def expected(self, exporter: Exporter[Any], data: MetricsData) -> list[Expected]:
        """Return every point of a collection as the backend should show it, without withheld ones."""
        return expected_points(exporter, exporter.prepare(data))[0]

    def look(self, exporter: Exporter[Any], expected: Sequence[Expected]) -> Sequence[Seen]:
        """Return what the backend shows of this case's points, after all late writes. Raise `Broken` if it cannot be queried."""
        if self.served and not self.server.settle(10):
            raise Broken("the exporter left a request running")
        self.clock.wait(_LONG_ENOUGH)
        now = self.clock.now()
        seen = exporter.readback.seen(SampleQuery(self.run_id, now - 86_400, now + 86_400, tuple(expected)))
        if isinstance(seen, Unreadable):
            if seen.final:
                raise Broken(f"the backend cannot be queried: {seen.code}: {seen.message}")
            return ()
        return seen


def options_of(exporter: Exporter[Any]) -> Sequence[Field]:
    """Return the options of an exporter's settings."""
    model: type[ExporterSettings] = type(exporter.settings)
    return fields_of(model)


def sends_over_a_network(exporter: Exporter[Any]) -> bool:
    """Return whether it sends to an address from its settings."""
    return isinstance(exporter, HttpExporter) or bool(addresses(type(exporter.settings)))


def reads_back(exporter: Exporter[Any]) -> bool:
    """Return whether it can read points back."""
    return type(exporter.readback).seen is not ReadBack.seen


@contextlib.contextmanager
def _collected(lines: list[str], warnings: list[str]) -> Iterator[None]:
    """Capture the log of `magictel` in `lines`, and warnings and errors also in `warnings`."""

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            if record.levelno >= logging.WARNING:
                warnings.append(record.getMessage())

    logger = logging.getLogger("magictel")
    before = logger.level, logger.propagate
    handler = Collect()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
