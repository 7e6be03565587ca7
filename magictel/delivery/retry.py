"""Retry: one payload until it is settled, the deadline would pass, or the exporter is shutting down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from magictel.clock import Clock
from magictel.delivery.backoff import Backoff
from magictel.delivery.breaker import Breaker
from magictel.delivery.rate_limit import RateLimit
from magictel.outcome import (
    Delivered,
    Fate,
    ItemVerdict,
    Outcome,
    Partial,
    Reason,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
)
from magictel.payload import Payload



@dataclass(frozen=True, slots=True)
class Attempted:
    """The verdict on one send, and how many body bytes travelled for it."""

    outcome: Outcome
    bytes: int = 0


Attempt = Callable[[Payload, float], Attempted]
"""One send of one payload within so many seconds; never raises for expected trouble."""

_HUMAN_PAUSE = 60.0


@dataclass(slots=True)
class Settled:
    """What became of one payload: counts, reasons, and the payloads that are still undelivered with why."""

    delivered: int = 0
    rejected: int = 0
    reasons: list[Reason] = field(default_factory=list)
    left: list[tuple[Payload, str, str]] = field(default_factory=list)
    refused: list[tuple[bytes, ItemVerdict]] = field(default_factory=list)
    attempts: int = 0
    bytes: int = 0

    def add(self, other: Settled) -> None:
        """Take another settlement in."""
        self.delivered += other.delivered
        self.rejected += other.rejected
        self.attempts += other.attempts
        self.bytes += other.bytes
        self.reasons += other.reasons
        self.left += other.left
        self.refused += other.refused


@dataclass(slots=True)
class Retry:
    """The loop around attempt, rate limit and breaker. `stop` interrupts waits (shutdown)."""

    attempt: Attempt
    breaker: Breaker
    rate_limit: RateLimit
    backoff: Backoff
    clock: Clock
    attempt_timeout: float
    stop: threading.Event

    def settle(self, payload: Payload, deadline: float) -> Settled:
        """Send `payload` until nothing of it is open or the monotonic `deadline` would pass; it makes one attempt at least."""
        settled = Settled()
        failures = 0
        while True:
            outcome = self._once(payload, deadline, settled)
            after: float | None = None
            match outcome:
                case Delivered(notes):
                    settled.delivered += payload.points
                    _count(settled, notes, Fate.DELIVERED)
                    return settled
                case Rejected(code, message, _, example):
                    self._reject_all(settled, payload, ItemVerdict(code, message, example))
                    return settled
                case TooLarge(code, message):
                    if payload.points <= 1:
                        self._reject_all(settled, payload, ItemVerdict(code, message))
                        return settled
                    for half in payload.halves():
                        settled.add(self.settle(half, deadline))
                    return settled
                case Partial(rejected, retry, notes, after, human):
                    self._reject(settled, payload, rejected)
                    _count(settled, notes, Fate.DELIVERED)
                    settled.delivered += payload.points - len(rejected) - len(retry)
                    if not retry:
                        return settled
                    payload = replace(payload.only(list(retry)), attempted=True)
                    first = next(iter(retry.values()))
                    code, message = first.code, first.message
                    if human:
                        return self._hold(settled, payload, code, message)
                case Throttled(code, message, after, human):
                    if human:
                        return self._hold(settled, payload, code, message)
                case Unavailable(code, message, after, unknown):
                    payload = replace(payload, attempted=payload.attempted or unknown)
                case _:
                    assert_never(outcome)
            failures += 1
            wait = self.backoff.seconds(failures, after)
            if self.stop.is_set() or self.clock.monotonic() + wait >= deadline or self.clock.wait(wait, self.stop):
                settled.left.append((payload, code, message))
                return settled

    def _once(self, payload: Payload, deadline: float, settled: Settled) -> Outcome:
        closed = self.breaker.allow()
        if closed is not None:
            return closed
        wait = self.rate_limit.reserve()
        if wait:
            if self.clock.monotonic() + wait >= deadline or self.clock.wait(wait, self.stop):
                self.rate_limit.give_back()
                self.breaker.release()
                return Throttled("delivery.rate-limit", f"our own rate limit asks to wait {wait:.1f} s", after=wait)
        left = deadline - self.clock.monotonic()
        attempted = self.attempt(payload, max(0.001, min(self.attempt_timeout, left)))
        settled.attempts += 1
        settled.bytes += attempted.bytes
        self.breaker.record(attempted.outcome)
        return attempted.outcome

    def _hold(self, settled: Settled, payload: Payload, code: str, message: str) -> Settled:
        self.breaker.pause(_HUMAN_PAUSE, code, message)
        settled.left.append((payload, code, message))
        return settled

    @staticmethod
    def _reject(settled: Settled, payload: Payload, verdicts: Mapping[int, ItemVerdict]) -> None:
        if not verdicts:
            return
        items = payload.items()
        settled.rejected += len(verdicts)
        settled.refused += [(items[index], verdict) for index, verdict in verdicts.items()]
        _count(settled, verdicts, Fate.REJECTED)

    def _reject_all(self, settled: Settled, payload: Payload, verdict: ItemVerdict) -> None:
        self._reject(settled, payload, dict.fromkeys(range(payload.points), verdict))


def _count(settled: Settled, verdicts: Mapping[int, ItemVerdict], fate: Fate) -> None:
    counts: dict[str, tuple[ItemVerdict, int]] = {}
    for verdict in verdicts.values():
        known = counts.get(verdict.code)
        counts[verdict.code] = (known[0], known[1] + 1) if known else (verdict, 1)
    settled.reasons += [Reason(code, first.message, n, fate, first.example) for code, (first, n) in counts.items()]
