"""SIGINT and SIGTERM end a run cleanly: the operation stops, what is done so far is reported, and the exit code says which it was."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from magictel.cli import output
from magictel.cli.failure import Terminated
from magictel.events import Event
from magictel.reporters.reporter import Reporter

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def interruptible() -> None:
    """Let SIGINT interrupt, where a shell that started us in the background had it ignored: a sandbox must be stoppable."""
    with contextlib.suppress(ValueError):  # not in the main thread: somebody else's process
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Interrupts:
    """While this context lasts, the first signal interrupts the operation, never a reporter; a second one ends the process at once.

    `signal` is the number of the one that came, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._deaf = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        try:
            self._before = {number: signal.signal(number, self._came) for number in _SIGNALS}
        except ValueError:  # not in the main thread: somebody else's process
            self._before = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def drive(self, events: Iterator[Event], reporter: Reporter) -> None:
        """Feed the reporter. After a signal the operation still says how far it came, if it can."""
        told = False
        while True:
            try:
                self._deaf = False
                if self.signal is not None and not told:
                    told = True
                    event = self._stop(events)
                else:
                    event = next(events, None)
            except KeyboardInterrupt:
                if told:
                    raise
                continue  # it struck outside of the operation, which has not heard of it
            finally:
                self._deaf = True
            if event is None:
                self._deaf = False
                return
            told = told or self.signal is not None
            reporter.on(event)

    def leave(self, code: int) -> int:
        """The command's exit code. After a signal the process ends here: threads that wait for a backend are not waited for."""
        if self.signal is None:
            return code
        output.flush()
        sys.stdout.flush()
        os._exit(code)

    def _stop(self, events: Iterator[Event]) -> Event | None:
        throw = getattr(events, "throw", None)
        if throw is None:
            return None
        try:
            event: Event = throw(self._interruption())
        except StopIteration:
            return None
        return event

    def _interruption(self) -> KeyboardInterrupt:
        return Terminated() if self.signal == signal.SIGTERM else KeyboardInterrupt()

    def _came(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        if not self._deaf:
            raise self._interruption()
