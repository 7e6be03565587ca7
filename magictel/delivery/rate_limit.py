"""A token bucket that limits requests per second."""

from __future__ import annotations

import threading

from magictel.clock import Clock


class RateLimit:
    """At most `rate` requests per second, with a burst of the same size (at least one). A rate of 0 is unlimited."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = self._burst
        self._seen = clock.monotonic()

    def reserve(self) -> float:
        """Take a token and return how many seconds to wait before using it (0.0: at once)."""
        if self._rate <= 0:
            return 0.0
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._seen) * self._rate)
            self._seen = now
            self._tokens -= 1.0
            return max(0.0, -self._tokens / self._rate)

    def give_back(self) -> None:
        """Return a reserved token that was not used (the wait would have passed the deadline)."""
        with self._lock:
            self._tokens = min(self._burst, self._tokens + 1.0)
