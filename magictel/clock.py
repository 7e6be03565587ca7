"""The one place that knows the time and can wait: everything else is handed a `Clock`."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for the backend, monotonic time for deadlines, and an interruptible wait."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; deadlines are values of it."""
        ...

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Wait, at most `seconds`; True if `stop` was set first."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()  # noqa: TID251

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Wait, at most `seconds`; True if `stop` was set first."""
        if stop is not None:
            return stop.wait(max(0.0, seconds))
        time.sleep(max(0.0, seconds))  # noqa: TID251
        return False
