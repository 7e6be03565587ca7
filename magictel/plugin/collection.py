"""Collections on demand: one at a time, shared by all callers that ask while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCollection(Generic[T]):
    """Runs `collect` in a thread of its own, so that no caller waits longer than it wants. Thread-safe."""

    def __init__(self, collect: Callable[[], T]) -> None:
        self._collect = collect
        self._lock = threading.Lock()
        self._running: Future[T] | None = None

    def latest(self, seconds: float) -> T:
        """Return the result of the running collection, or of a new one. Raise `TimeoutError` after `seconds`, and what it raises."""
        with self._lock:
            running = self._running
            if running is None:
                running = Future()
                threading.Thread(target=self._run, args=(running,), name="magictel-page-collect", daemon=True).start()
                self._running = running
        return running.result(seconds)

    def _run(self, running: Future[T]) -> None:
        try:
            settle = partial(running.set_result, self._collect())
        except BaseException as failure:
            settle = partial(running.set_exception, failure)
        with self._lock:
            self._running = None  # later callers get a new one
        settle()
