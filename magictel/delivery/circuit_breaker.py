"""A circuit breaker: after several attempts in a row without an answer, pause.

429 and item errors do not trip it: the backend is alive. For Retry-After there is `hold`: it delays every attempt until then,
whichever payload was refused, and across exports. A busy backend that names no time (`slow_down`) gets a longer pause with each
refusal in a row, and then one request at a time until it accepts one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec.structs import replace

from magictel.clock import Clock
from magictel.model.outcome import Outcome, Partial, Throttled, Unavailable

LONGEST_HOLD = 300.0
"""Seconds: a wrong date from a proxy must not stop an exporter for a day."""


class Breaker:
    """Closed, open for `cooldown` seconds after `failures` in a row, then half-open: one attempt decides. 0 failures: never opens.

    The failures must be of two payloads at least (unless one is enough): a payload that always fails must not block the others.
    """

    def __init__(self, failures: int, cooldown: float, clock: Clock) -> None:
        self._limit = failures
        self._cooldown = cooldown
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._payloads = 0
        self._latest: object = None
        self._open_until = 0.0
        self._trial = False
        self._reason: Unavailable | None = None
        self._hold_until = 0.0
        self._hold_verdict: Throttled | Unavailable | None = None
        self._refusals = 0
        self._busy: Throttled | None = None

    def allow(self) -> Throttled | Unavailable | None:
        """Return None to let an attempt through, else its verdict: the time left, with the code that opened the circuit."""
        with self._lock:
            now = self._clock.monotonic()
            if self._hold_verdict is not None:
                if now < self._hold_until:
                    return replace(self._hold_verdict, retry_after=self._hold_until - now)
                self._hold_verdict = None
            if self._reason is None:
                if self._busy is not None and self._trial:
                    return self._busy
                self._trial = self._busy is not None
                return None
            if now < self._open_until:
                return Unavailable(self._reason.code, self._reason.message, retry_after=self._open_until - now)
            if self._trial:
                return Unavailable(
                    self._reason.code, self._reason.message
                )  # another attempt is the trial: ask again soon
            self._trial = True
            return None

    @property
    def state(self) -> str:
        """Return `closed`, `open` (nothing is sent), or `half-open` (the next attempt decides)."""
        with self._lock:
            if self._reason is None:
                return "closed"
            return "open" if self._clock.monotonic() < self._open_until else "half-open"

    def pause_left(self) -> float:
        """Return the seconds for which nothing is sent: the circuit is open, or the backend requested it."""
        with self._lock:
            now = self._clock.monotonic()
            requested = 0.0 if self._hold_verdict is None else self._hold_until - now
            return max(0.0, requested, 0.0 if self._reason is None else self._open_until - now)

    def release(self) -> None:
        """Release a half-open trial that was not used."""
        with self._lock:
            self._trial = False

    def record(self, outcome: Outcome, of: object = None) -> None:
        """Record the result of an attempt; `of` is the same object for attempts on one payload (None: another each time)."""
        with self._lock:
            self._trial = False
            if not isinstance(outcome, Throttled | Unavailable) and not (
                isinstance(outcome, Partial) and outcome.retry
            ):
                self._refusals, self._busy = 0, None
            if not isinstance(outcome, Unavailable) or outcome.needs_operator:
                self._failed, self._payloads, self._latest, self._reason = 0, 0, None, None
                return
            self._failed += 1
            if of is None or of is not self._latest:
                self._payloads += 1
            self._latest = of
            enough = self._failed >= self._limit and self._payloads >= min(2, self._limit)
            if self._limit and (enough or self._reason is not None):
                self._reason = outcome
                self._open_until = self._clock.monotonic() + self._cooldown

    def hold(self, seconds: float, verdict: Throttled | Unavailable) -> None:
        """Delay every attempt for `seconds` (at most `LONGEST_HOLD`): the backend requested it, or an operator has to act."""
        with self._lock:
            self._hold(seconds, verdict)

    def slow_down(self, pause: Callable[[int], float], verdict: Throttled, *, took_some: bool = False) -> None:
        """Delay every attempt for `pause(refusals in a row)` seconds: the backend is busy, and named no time.

        Refusals of concurrent requests count once; so do those of a backend that accepted some of the items.
        """
        with self._lock:
            if self._hold_verdict is not None and self._clock.monotonic() < self._hold_until:
                return
            self._refusals = 1 if took_some else self._refusals + 1
            self._busy = verdict
            self._hold(pause(self._refusals), verdict)

    def hold_left(self) -> float:
        """Seconds for which every attempt is still delayed."""
        with self._lock:
            return 0.0 if self._hold_verdict is None else max(0.0, self._hold_until - self._clock.monotonic())

    def _hold(self, seconds: float, verdict: Throttled | Unavailable) -> None:
        until = self._clock.monotonic() + min(seconds, LONGEST_HOLD)
        if until > self._hold_until or self._hold_verdict is None:
            self._hold_verdict, self._hold_until = verdict, until
