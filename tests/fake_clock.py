"""A clock that moves only when something waits on it, or when a test moves it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class FakeClock:
    """`wait` advances time at once and is recorded in `waits`; `on_wait` is called before (to set `stop` in the middle of a wait)."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self._passed = 0.0
        self._lock = threading.Lock()
        self.waits: list[float] = []
        self.on_wait: Callable[[float], None] = lambda seconds: None

    def now(self) -> float:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        self.on_wait(seconds)
        if stop is not None and stop.is_set():
            return True
        with self._lock:
            self.waits.append(seconds)
            self._passed += max(0.0, seconds)
        return False

    def pass_time(self, seconds: float) -> None:
        with self._lock:
            self._passed += seconds
