"""The environment of a law: exporters with its settings, their stage, and a clock on which waiting takes no time."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource

from magictel.clock import SystemClock
from magictel.conformance.law import Broken, Need
from magictel.conformance.points import collection
from magictel.conformance.stages import Stage, Write, stage_for
from magictel.conformance.under_test import Place, Subject, addresses, keeps_own_time
from magictel.model.outcome import Receipt
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import ReadBack
from magictel.plugin.page_exporter import PageExporter
from magictel.plugin.temporality import counters_are_delta
from magictel.settings.fields import Field, fields_of
from magictel.settings.model import SettingsModel
from magictel.sources.sample import as_delta
from magictel.verify.asking import ask
from magictel.verify.sample import expected_points

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
_AROUND = 120.0
"""Seconds before and after a case that enclose the times of its points."""
_QUERIES = 20
"""Queries that may exceed the short timeout that a law gives its exporter: a busy machine answers late."""
_FIXED = 90.0
"""Seconds that a person needs to fix a system error; until then delivery does not retry."""
_NO_REPLIES = "needs a backend that replies, but its destination sends no replies"


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


class Case:
    """A law on an exporter with a seed; a context manager that ends everything it created."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject = subject
        self.dice = random.Random(seed)
        self.clock = LeapingClock()
        self.logs: list[str] = []
        self.warnings: list[str] = []
        """The log messages that an operator sees by default."""
        self.printed = io.StringIO()
        self._began = self.clock.now()
        self.run_id = f"{self.dice.getrandbits(48):012x}"
        self.own_time = False
        self._stack = contextlib.ExitStack()
        self._exporters: list[Exporter[Any]] = []

    def __enter__(self) -> Case:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="magictel-")))
        self._stack.enter_context(_captured(self.logs, self.warnings))
        self._stack.enter_context(contextlib.redirect_stdout(self.printed))
        self._stack.enter_context(contextlib.redirect_stderr(self.printed))
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            for exporter in self._exporters:
                exporter.shutdown(0)
                exporter.close()  # a law may have queried the backend after its shutdown
            self._exporters.clear()

    # ---- the stage -----------------------------------------------------------------------------------------------------

    @cached_property
    def stage(self) -> Stage:
        """The destination, which listens from its first use."""
        emulator = self.subject.emulator(self.clock) if self.subject.emulator is not None else None
        self.own_time = keeps_own_time(emulator, self.clock)
        stage = stage_for(emulator, self.subject.io_faults, self.clock, self.folder)
        self._stack.callback(stage.stop)
        return stage

    def script(self, text: str) -> None:
        """Set the faults from now on."""
        self.stage.script(text)

    def away(self) -> None:
        """Reject everything from now on."""
        self.script(self.stage.faults["refuses"][0])

    def stall(self) -> None:
        """Block every write from now on, longer than any law waits."""
        self.script(self.stage.faults["waits"][0])

    def back(self) -> None:
        """Accept everything again; if a person had to fix it, let some time pass."""
        self.script("ok")
        if not self.stage.replies:
            self.clock.wait(_FIXED)

    def writes(self) -> Sequence[Write]:
        """Return the complete writes."""
        return self.stage.writes()

    # ---- the exporter ----------------------------------------------------------------------------------------------------

    def exporter(self, **settings: Any) -> Exporter[Any]:
        """Return a new exporter for this case's stage, with short time limits unless the law sets others."""
        exporter = self.unkept(**settings)
        self._exporters.append(exporter)
        return exporter

    def unkept(self, **settings: Any) -> Exporter[Any]:
        """Return an exporter like `exporter`, for a law that ends it itself."""
        stage = self.stage
        wanted = {**_QUICK, **settings}
        place = Place(stage.origin, self.folder, wanted, self.clock, stage.environment())
        return cast("Exporter[Any]", self.subject.exporter(place))  # laws on pages expect a page

    @cached_property
    def _example(self) -> Exporter[Any]:
        """An exporter that nothing is sent with, for what it declares."""
        return self.exporter()

    def lacking(self, needs: Collection[Need]) -> str | None:
        """Return why this exporter skips a law with these needs, or None if it meets all of them."""
        need = next((need for need in needs if not self._meets(need)), None)
        if need in (Need.REPLIES, Need.TOO_LARGE) and self.stage.faults.get("refuses"):
            return _NO_REPLIES
        return Need.READ_BACK.value if need is Need.STORED else need and need.value

    def _meets(self, need: Need) -> bool:
        faults = self.stage.faults
        match need:
            case Need.PUSH:
                return isinstance(self._example, Exporter)
            case Need.PAGE:
                return isinstance(self._example, PageExporter)
            case Need.BACKEND:
                return self.subject.emulator is not None or not sends_over_a_network(self._example)
            case Need.REPLIES:
                return self.stage.replies
            case Need.TOO_LARGE:
                return bool(faults.get("too-large"))
            case Need.AWAY:
                return bool(faults.get("refuses"))
            case Need.STALL:
                return bool(faults.get("waits"))
            case Need.SYSTEM:
                return bool(self.stage.errors)
            case Need.ITEMS:
                return bool(self.stage.item_errors)
            case Need.READ_BACK:
                return reads_back(self._example)
            case Need.STORED:
                return reads_back(self._example) or self.stage.stored is not None
            case Need.FORK:
                return hasattr(os, "fork")
            case Need.SECRETS:
                return any(option.secret for option in options_of(self._example))

    # ---- points and the way back ----------------------------------------------------------------------------------------------------

    def collection(self, count: int, first: int = 0, resource: Resource | None = None) -> MetricsData:
        """Return `count` ordinary points of this case, numbered from `first`, with the current time."""
        return self.preferred(collection(self.run_id, count, self.clock.now(), first, resource))

    def preferred(self, data: MetricsData) -> MetricsData:
        """Return points in the temporality that the exporter prefers."""
        return as_delta(data) if counters_are_delta(self._example) else data

    def expected(self, exporter: Exporter[Any], data: MetricsData) -> list[Expected]:
        """Return every point of a collection as the backend should show it, without withheld ones."""
        return expected_points(exporter, exporter.prepare(data))[0]

    def look(self, exporter: Exporter[Any], expected: Sequence[Expected]) -> Sequence[Seen]:
        """Return what the backend shows of this case's points, after all late writes. Raise `Broken` if it cannot be queried."""
        self._settle()
        self.clock.wait(_LONG_ENOUGH)
        query = SampleQuery(self.run_id, self._began - _AROUND, self.clock.now() + _AROUND, tuple(expected))
        for _ in range(_QUERIES):
            seen = ask(exporter.readback.seen, query)
            if not isinstance(seen, Unreadable) or not seen.code.startswith("net."):
                break
        if isinstance(seen, Unreadable):
            if seen.final or seen.code.startswith("net."):
                raise Broken(f"the backend cannot be queried: {seen.code}: {seen.message}")
            return ()
        return seen

    def accepted(self, receipt: Receipt) -> int:
        """Return the number of accepted points: delivered, or unconfirmed if the protocol has no replies."""
        return receipt.delivered if self._example.confirms else receipt.readable

    def stored(self, exporter: Exporter[Any], expected: Sequence[Expected]) -> int | None:
        """Return how many of the expected points the backend shows; without a read-back, how many points the stage has stored."""
        if reads_back(exporter):
            shown = {point.key for point in self.look(exporter, expected)}
            return sum(point.key in shown for point in expected)
        self._settle()
        return self.stage.stored

    def _settle(self) -> None:
        if not self.stage.settle(10):
            raise Broken("the exporter left a request running")


def options_of(exporter: Exporter[Any]) -> Sequence[Field]:
    """Return the options of an exporter's settings."""
    model: type[SettingsModel] = type(exporter.settings)
    return fields_of(model)


def sends_over_a_network(exporter: Exporter[Any]) -> bool:
    """Return whether it sends to an address from its settings."""
    return isinstance(exporter, HttpExporter) or bool(addresses(type(exporter.settings)))


def reads_back(exporter: Exporter[Any]) -> bool:
    """Return whether it can read points back."""
    return type(exporter.readback).seen is not ReadBack.seen


@contextlib.contextmanager
def _captured(lines: list[str], warnings: list[str]) -> Iterator[None]:
    """Capture the log of `magictel` in `lines`, and warnings and errors also in `warnings`."""

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            if record.levelno >= logging.WARNING:
                warnings.append(record.getMessage())

    logger = logging.getLogger("magictel")
    before = logger.level, logger.propagate
    handler = Capture()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
