"""A second question, asked while the first one is still silent, so that both end within the time of one rung."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SECOND_PROBE = 1.5
"""Seconds that a second question gets at most: it asks a peer that has taken a connection before."""
LEAST = 0.1
"""Seconds below which a second question is not begun: it would end in a time-out of its own."""


def seconds_left(until: float) -> float:
    """What is left for a second question until a moment of the monotonic clock; 0.0: too little to ask at all."""
    left = min(SECOND_PROBE, until - time.monotonic())
    return left if left >= LEAST else 0.0


class Meanwhile(Generic[T]):
    """Asks `ask(seconds)` in a thread once only the time of a second question is left; not at all where the first ends before.

    As a context manager around the first question; `until` is a moment of the monotonic clock, by which both have ended.
    """

    def __init__(self, ask: Callable[[float], T], until: float) -> None:
        self._ask = ask
        self._until = until
        self._over = threading.Event()
        self._answers: list[T] = []
        self._thread = threading.Thread(target=self._run, name="magictel-second-probe", daemon=True)

    def __enter__(self) -> Meanwhile[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def answer(self) -> T | None:
        """What the second question found out; None: it was not asked, or not answered in time."""
        self._over.set()
        self._thread.join(max(LEAST, self._until - time.monotonic()))
        return self._answers[0] if self._answers else None

    def _run(self) -> None:
        left = self._until - time.monotonic()
        if self._over.wait(max(left / 2, left - SECOND_PROBE)):
            return
        seconds = seconds_left(self._until)
        if seconds:
            self._answers.append(self._ask(seconds))
