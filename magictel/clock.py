"""The only module that reads the time and waits: all other code uses a `Clock`."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for the backend, monotonic time for deadlines, and an interruptible wait."""

    def now(self) -> float:
        """Return the seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return monotonic seconds; deadlines are values of this clock."""
        ...

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Wait for at most `seconds`; return whether `stop` was set first."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return the seconds since the Unix epoch."""
        return time.time()  # noqa: TID251

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Wait for at most `seconds`; return whether `stop` was set first."""
        if stop is not None:
            return stop.wait(max(0.0, seconds))
        time.sleep(max(0.0, seconds))  # noqa: TID251
        return False
