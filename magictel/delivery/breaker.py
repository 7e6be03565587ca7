"""A circuit breaker: after several attempts in a row that nobody answered, stop asking for a while.

429 and item errors do not trip it: the backend is alive. `pause` holds all attempts when only a person can help.
"""

from __future__ import annotations

import threading

from magictel.clock import Clock
from magictel.outcome import Outcome, Unavailable


class Breaker:
    """Closed, open for `cooldown` seconds after `failures` in a row, then half-open: one attempt decides. 0 failures: never opens."""

    def __init__(self, failures: int, cooldown: float, clock: Clock) -> None:
        self._limit = failures
        self._cooldown = cooldown
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._open_until = 0.0
        self._trial = False
        self._reason: Unavailable | None = None

    def allow(self) -> Unavailable | None:
        """None: go ahead. Else the verdict that stands for the attempt: the cool-down left, under the code that opened it."""
        with self._lock:
            left = self._open_until - self._clock.monotonic()
            if self._reason is None:
                return None
            if left <= 0 and not self._trial:
                self._trial = True
                return None
            wait = left if left > 0 else self._cooldown
            return Unavailable(self._reason.code, self._reason.message, after=wait)

    def release(self) -> None:
        """Give back a half-open trial that was not made."""
        with self._lock:
            self._trial = False

    def record(self, outcome: Outcome) -> None:
        """Learn from an attempt that was made."""
        with self._lock:
            self._trial = False
            if not isinstance(outcome, Unavailable):
                self._failed, self._reason = 0, None
                return
            self._failed += 1
            if self._limit and (self._failed >= self._limit or self._reason is not None):
                self._reason = outcome
                self._open_until = self._clock.monotonic() + self._cooldown

    def pause(self, seconds: float, code: str, message: str) -> None:
        """Hold every attempt for `seconds`: the backend answered that waiting alone will not help."""
        with self._lock:
            self._reason = Unavailable(code, message)
            self._open_until = self._clock.monotonic() + seconds
            self._trial = False
