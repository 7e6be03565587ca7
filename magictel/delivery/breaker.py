"""A circuit breaker: after several attempts in a row that nobody answered, stop asking for a while.

429 and item errors do not trip it: the backend is alive. What the backend asked for (Retry-After) is another matter: `hold`
keeps every attempt back until then, whichever payload was refused, and across exports. A backend that is busy and names no time
(`slow_down`) is left alone for longer with each refusal in a row, and then asked by one request at a time until it takes one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from magictel.clock import Clock
from magictel.model.outcome import Outcome, Partial, Throttled, Unavailable

LONGEST_HOLD = 300.0
"""Seconds: a proxy's mistaken date must not silence an exporter for a day."""


class Breaker:
    """Closed, open for `cooldown` seconds after `failures` in a row, then half-open: one attempt decides. 0 failures: never opens.

    The failures must be of two payloads at least (unless one is enough): one that nobody can take must not stop all the others.
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
        """None: go ahead. Else the verdict that stands for the attempt: the time left, under the code that began it."""
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
                return Unavailable(self._reason.code, self._reason.message)  # somebody is finding out: ask again soon
            self._trial = True
            return None

    def release(self) -> None:
        """Give back a half-open trial that was not made."""
        with self._lock:
            self._trial = False

    def record(self, outcome: Outcome, of: object = None) -> None:
        """Learn from an attempt that was made; `of` is the same object for attempts on one payload (None: on another each time)."""
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
        """Keep every attempt back for `seconds` (at most `LONGEST_HOLD`): the backend asked for it, or waiting alone will not help."""
        with self._lock:
            self._hold(seconds, verdict)

    def slow_down(self, pause: Callable[[int], float], verdict: Throttled, *, took_some: bool = False) -> None:
        """Keep every attempt back for `pause(refusals in a row)` seconds: the backend is busy, and named no time.

        Refusals of requests that were under way together count once; so do those of a backend that took some of the items.
        """
        with self._lock:
            if self._hold_verdict is not None and self._clock.monotonic() < self._hold_until:
                return
            self._refusals = 1 if took_some else self._refusals + 1
            self._busy = verdict
            self._hold(pause(self._refusals), verdict)

    def hold_left(self) -> float:
        """Seconds for which every attempt is still kept back."""
        with self._lock:
            return 0.0 if self._hold_verdict is None else max(0.0, self._hold_until - self._clock.monotonic())

    def _hold(self, seconds: float, verdict: Throttled | Unavailable) -> None:
        until = self._clock.monotonic() + min(seconds, LONGEST_HOLD)
        if until > self._hold_until or self._hold_verdict is None:
            self._hold_verdict, self._hold_until = verdict, until
