"""A clock that stands still until it is moved."""

from __future__ import annotations

import threading


class StillClock:
    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.seconds = now

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        self.seconds += seconds
        return stop.is_set() if stop else False

    def move(self, seconds: float) -> None:
        self.seconds += seconds
