"""Collections on demand: one at a time, and all who ask meanwhile get its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCollection(Generic[T]):
    """Runs `collect(seconds)` in the thread that asks first. Thread-safe."""

    def __init__(self, collect: Callable[[float], T]) -> None:
        self._collect = collect
        self._lock = threading.Lock()
        self._running: Future[T] | None = None

    def latest(self, seconds: float) -> T:
        """Return the result of the running collection, or of a new one. Raise `TimeoutError` after `seconds`, and what it raises."""
        with self._lock:
            running = self._running
            if running is None:
                mine = self._running = Future()
        if running is not None:
            return running.result(seconds)
        try:
            result = self._collect(seconds)
        except BaseException as failure:
            mine.set_exception(failure)
            raise
        else:
            mine.set_result(result)
            return result
        finally:
            with self._lock:
                self._running = None
