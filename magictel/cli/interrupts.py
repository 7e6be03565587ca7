"""Clean end of a run on SIGINT and SIGTERM: stop the operation, report the results so far, and set the exit code."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from magictel.cli import output, signals
from magictel.model.events import Event
from magictel.reporters.formats import Reporter


class Interrupts:
    """A context in which the first signal interrupts the operation, never a reporter; a second one ends the process at once.

    `signal` is the number of the received signal, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._deaf = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = signals.listen(self._came)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signals.unlisten(self._before)

    def drive(self, events: Iterator[Event], reporter: Reporter) -> None:
        """Pass the events to the reporter. After a signal, the operation may still yield its results so far."""
        stopping = False
        while True:
            try:
                self._deaf = False
                if self.signal is not None and not stopping:
                    stopping = True
                    event = self._stop(events)
                else:
                    event = next(events, None)
            except KeyboardInterrupt:
                if stopping:
                    raise
                continue  # the signal came outside of the operation, which does not know of it yet
            finally:
                self._deaf = True
            if event is None:
                self._deaf = False
                return
            stopping = stopping or self.signal is not None
            reporter.on(event)

    def leave(self, code: int) -> int:
        """Return the command's exit code. After a signal, end the process here, without waiting for threads."""
        if self.signal is None:
            return code
        output.flush()
        os._exit(code)

    def _stop(self, events: Iterator[Event]) -> Event | None:
        throw = getattr(events, "throw", None)
        if throw is None:
            return None
        try:
            event: Event = throw(signals.interruption(self.signal or signal.SIGINT))
        except StopIteration:
            return None
        return event

    def _came(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        if signals.first(number, frame) and not self._deaf:
            raise signals.interruption(number)
