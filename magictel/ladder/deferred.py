"""A second request, sent while the first one is still unanswered, so that both end within the time of a rung."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SECOND_PROBE = 1.5
"""Maximum seconds for a second request: its peer has already accepted a connection."""
LEAST = 0.1
"""Minimum seconds for a second request: with less it would time out itself."""


def seconds_left(until: float) -> float:
    """Return the seconds for a second request until a monotonic deadline; 0.0: too little."""
    left = min(SECOND_PROBE, until - time.monotonic())
    return left if left >= LEAST else 0.0


class Meanwhile(Generic[T]):
    """A call of `ask(seconds)` in a thread when only the time of a second request is left, unless the first one ends before.

    Used as a context manager around the first request; `until` is the monotonic deadline of both.
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
        """Return the result of the second request, or None if it was not sent or not answered in time."""
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
