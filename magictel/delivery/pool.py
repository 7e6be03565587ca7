"""Threads for payloads sent in parallel (`in_flight` above 1), created at first use.

Daemon threads, not a `ThreadPoolExecutor`: that one accepts no work while the interpreter exits, which is when the
SDK sends its last collection, and it would make the process wait for an attempt that hangs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Pool:
    """A pool of at most `size` threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[Any], Any], Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Apply `work` to each item and yield results in order; the caller's thread iterates as threads become free."""
        window: deque[Future[R]] = deque()
        for item in items:
            if len(window) >= self._size:
                yield window.popleft().result()
            window.append(self._begin(work, item))
        while window:
            yield window.popleft().result()

    def close(self) -> None:
        """Let the threads end, each after its current item; later work runs in the caller's thread."""
        self._closed = True
        threads, self._threads = self._threads, []
        for _ in threads:
            self._queue.put(None)

    def _begin(self, work: Callable[[T], R], item: T) -> Future[R]:
        future: Future[R] = Future()
        if self._closed:
            _do(future, work, item)
            return future
        if len(self._threads) < self._size:
            thread = threading.Thread(target=_serve, args=(self._queue,), name="magictel", daemon=True)
            try:
                thread.start()
                self._threads.append(thread)
            except RuntimeError:  # the interpreter is ending: no new thread may start
                if not self._threads:
                    _do(future, work, item)
                    return future
        self._queue.put((future, work, item))
        return future


def _serve(queue: SimpleQueue[tuple[Future[Any], Callable[[Any], Any], Any] | None]) -> None:
    while (job := queue.get()) is not None:
        _do(*job)
        del job


def _do(future: Future[R], work: Callable[[T], R], item: T) -> None:
    try:
        future.set_result(work(item))
    except BaseException as failure:  # raised again where the result is read
        future.set_exception(failure)
