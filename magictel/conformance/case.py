"""What one law works with: exporters made as it asks, the backend before them, and a clock on which waiting costs nothing."""

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
from magictel.conformance.io_faults import Hindrance
from magictel.conformance.requirements import Broken, Need
from magictel.conformance.timekeeping import keeps_own_time
from magictel.conformance.under_test import NOWHERE, Place, Subject, addresses
from magictel.http.wire import Request
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.sandbox.emulator import Emulator, RefusesItems
from magictel.sandbox.faults import Faults, parse_faults
from magictel.sandbox.server import Server
from magictel.settings.fields import Field, fields_of
from magictel.settings.model import ExporterSettings
from magictel.verify.read_back import expected_points

_QUICK = {
    "timeout": 2.0,
    "connect_timeout": 2.0,
    "retry_budget": 0.5,
    "backoff_initial": 0.01,
    "backoff_max": 0.05,
    "breaker_failures": 1000,
}
_LONG_ENOUGH = 30.0
"""Seconds that the clock is moved before the backend is asked: longer than anything takes to become visible."""
_MENDED = 90.0
"""Seconds that a person takes to mend what the system refuses; until then it is not asked again."""
_NO_ANSWERS = "a backend that answers, and what it writes to answers nothing"


class LeapingClock(SystemClock):
    """The machine's clock, on which a wait is over at once and the time has passed all the same."""

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
        """Leap over the wait; True if `stop` was set before."""
        if stop is not None and stop.is_set():
            return True
        with self._lock:
            self._ahead += max(0.0, seconds)
        return False


class Arrivals(deque[Request]):
    """Requests as they come in, and when by the case's clock."""

    def __init__(self, clock: LeapingClock) -> None:
        super().__init__()
        self._clock = clock
        self.times: list[float] = []

    def append(self, request: Request) -> None:
        """Take note."""
        self.times.append(self._clock.monotonic())
        super().append(request)


class Case:
    """One law on one exporter with one seed; a context manager that ends everything it made."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject = subject
        self.seed = seed
        self.dice = random.Random(seed)
        self.clock = LeapingClock()
        self.logs: list[str] = []
        self.warnings: list[str] = []
        """Those of the logs that an operator sees without asking for more."""
        self.printed = io.StringIO()
        self.run_id = f"{self.dice.getrandbits(48):012x}"
        self._stack = contextlib.ExitStack()
        self.own_time = False
        self._server: Server | None = None
        self._made: list[Exporter[Any]] = []
        self._hindered = contextlib.ExitStack()

    def __enter__(self) -> Case:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="magictel-")))
        self._stack.enter_context(_collected(self.logs, self.warnings))
        self._stack.enter_context(contextlib.redirect_stdout(self.printed))
        self._stack.enter_context(contextlib.redirect_stderr(self.printed))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for exporter in self._made:
                exporter.shutdown(0)
                exporter.close()  # a law may have asked the backend after its shutdown
        finally:
            self._made.clear()
            with self._stack, self._hindered:
                if self._server is not None:
                    self._server.stop()

    # ---- the backend ---------------------------------------------------------------------------------------------------

    @property
    def served(self) -> bool:
        """True where there is a backend to script."""
        return self.subject.emulator is not None

    @property
    def server(self) -> Server:
        """The server around the emulator, started at first use."""
        if self._server is None:
            assert self.subject.emulator is not None
            emulator = self.subject.emulator(self.clock)
            self.own_time = keeps_own_time(emulator, self.clock)
            self._server = Server(emulator, record=True)
            self._server.requests = Arrivals(self.clock)
            self._server.start()
        return self._server

    @property
    def emulator(self) -> Emulator:
        """The backend itself."""
        return self.server.emulator

    def script(self, text: str) -> Faults:
        """From now on the backend does this, write by write."""
        self.server.faults = parse_faults(text)
        return self.server.faults

    def hindrances(self, kind: str = "refuses") -> list[Hindrance]:
        """What of this kind can hinder an exporter that writes to this system."""
        return [one for one in self.subject.hindrances if one.kind == kind]

    def hinder(self, hindrance: Hindrance) -> None:
        """From now on the system hinders it so."""
        self._hindered.close()
        self._hindered.enter_context(hindrance.begin(self.folder))

    def away(self) -> None:
        """From now on nobody takes anything."""
        if self.served:
            self.script("503 forever")
        else:
            self.hinder(self.hindrances()[0])

    def stall(self) -> None:
        """From now on what is sent or written is let wait, longer than any law gives."""
        if self.served:
            self.script("slow 6 forever")
        else:
            self.hinder(self.hindrances("waits")[0])

    def back(self) -> None:
        """From now on everything is taken again; where a person had to mend it, some time has passed."""
        if self.served:
            self.script("ok")
        else:
            self._hindered.close()
            self.clock.wait(_MENDED)

    def writes(self) -> list[tuple[float, Request]]:
        """The writes that came in whole, each with its time by the case's clock."""
        requests = self.server.requests
        assert isinstance(requests, Arrivals)
        return [pair for pair in zip(requests.times, requests, strict=False) if self.emulator.is_write(pair[1])]

    # ---- the exporter ----------------------------------------------------------------------------------------------------

    def exporter(self, **settings: Any) -> Exporter[Any]:
        """A fresh exporter for this case's backend, with quick settings unless the law says otherwise."""
        made = self.unkept(**settings)
        self._made.append(made)
        return made

    def unkept(self, **settings: Any) -> Exporter[Any]:
        """Like `exporter`, for a law that ends it itself."""
        origin = self.server.origin if self.served else NOWHERE
        environment = self.emulator.environment(origin) if self.served else {}
        wanted = {**_QUICK, **settings}
        return self.subject.exporter(Place(origin, self.folder, wanted, self.clock, environment))

    def lacking(self, needs: Collection[Need]) -> str | None:
        """The first of these needs that is not met, in words that are true of this exporter."""
        for need in needs:
            held = True
            match need:
                case Need.BACKEND:
                    held = self.served or not sends_over_a_network(self.exporter())
                case Need.SERVER:
                    held = self.served
                case Need.AWAY:
                    held = self.served or bool(self.hindrances())
                case Need.STALL:
                    held = self.served or bool(self.hindrances("waits"))
                case Need.SYSTEM:
                    held = bool(self.hindrances())
                case Need.ITEMS:
                    held = self.served and isinstance(self.emulator, RefusesItems)
                case Need.READ_BACK:
                    held = reads_back(self.exporter())
                case Need.FORK:
                    held = hasattr(os, "fork")
                case Need.SECRETS:
                    held = any(one.secret for one in options_of(self.exporter()))
            if not held:
                return _NO_ANSWERS if need is Need.SERVER and self.hindrances() else need.value
        return None

    # ---- the way back ----------------------------------------------------------------------------------------------------

    def expected(self, exporter: Exporter[Any], data: MetricsData) -> list[Expected]:
        """Every point of a collection as the backend should show it; withheld ones are not among them."""
        return expected_points(exporter, exporter.prepare(data))[0]

    def look(self, exporter: Exporter[Any], expected: Sequence[Expected]) -> Sequence[Seen]:
        """What the backend shows of this case's points, once all late writes have landed. Raises `Broken` where it cannot be asked."""
        if self.served and not self.server.settle(10):
            raise Broken("the exporter left a request under way")
        self.clock.wait(_LONG_ENOUGH)
        now = self.clock.now()
        seen = exporter.seen(SampleQuery(self.run_id, now - 86_400, now + 86_400, tuple(expected)))
        if isinstance(seen, Unreadable):
            if seen.final:
                raise Broken(f"the backend could not be asked: {seen.code}: {seen.message}")
            return ()
        return seen


def options_of(exporter: Exporter[Any]) -> Sequence[Field]:
    """The options of an exporter's settings."""
    model: type[ExporterSettings] = type(exporter.settings)
    return fields_of(model)


def sends_over_a_network(exporter: Exporter[Any]) -> bool:
    """True where it sends to an address that is among its settings."""
    return isinstance(exporter, HttpExporter) or bool(addresses(type(exporter.settings)))


def reads_back(exporter: Exporter[Any]) -> bool:
    """True where it has a way to ask what the backend holds."""
    if isinstance(exporter, HttpExporter):
        return type(exporter).read_back is not HttpExporter.read_back
    return type(exporter).seen is not Exporter.seen


@contextlib.contextmanager
def _collected(lines: list[str], warnings: list[str]) -> Iterator[None]:
    """What is logged under `magictel` goes into `lines`, warnings and errors into `warnings` too, and nowhere else."""

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
