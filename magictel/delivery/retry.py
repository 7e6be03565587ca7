"""Retry: one payload until it is settled, the deadline would pass, or the exporter is shutting down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from magictel.clock import Clock
from magictel.delivery.backoff import Backoff
from magictel.delivery.breaker import Breaker
from magictel.delivery.outbox import Waiting
from magictel.delivery.patience import Patience
from magictel.delivery.rate_limit import RateLimit
from magictel.outcome import (
    Delivered,
    FailedAttempts,
    Fate,
    ItemVerdict,
    Outcome,
    Partial,
    Reason,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
    Unconfirmed,
)
from magictel.payload import Payload
from magictel.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Attempted:
    """The verdict on one send, and how many body bytes travelled for it.

    `status`: the reply's, where there was one. `waited`: seconds that the backend took; None: all that the attempt took.
    """

    outcome: Outcome
    bytes: int = 0
    status: int | None = None
    waited: float | None = None


Attempt = Callable[[Payload, float], Attempted]
"""One send of one payload within so many seconds; never raises for expected trouble."""

NOT_BEGUN = "delivery.deadline"
STRIKES = 3
"""Refusals after which a payload waits behind those that were only held back: it may be one that nobody can take."""
_HUMAN_PAUSE = 60.0
_LEAST = 0.05
"""Seconds: an attempt with less is not begun, since it would end as "perhaps stored" for nothing."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when, on the monotonic clock: no wait ends after `retries`; no attempt begins after `end` (never before `retries`).

    Between the two, payloads that were not tried yet still get their first attempt, unless the backend lets us wait in vain:
    a large collection may take longer than the time for retries, and a payload that is never taken must not block the others.
    A first attempt may take until `retries` or, if that is later, `patience` seconds.
    """

    end: float
    retries: float
    patience: float = 0.0

    @classmethod
    def at(cls, moment: float) -> Deadline:
        """One moment for everything."""
        return cls(moment, moment)

    def fair(self, now: float) -> Deadline:
        """Half of the time for the retries of one payload, the rest for those behind it; a first attempt may take all."""
        return Deadline(self.end, now + max(0.0, self.retries - now) / 2, max(0.0, self.end - now))


@dataclass(slots=True)
class Settled:
    """What became of one payload: counts, reasons, what is still open and why (`left`), what was given up by a bug of ours (`lost`)."""

    delivered: int = 0
    unconfirmed: int = 0
    rejected: int = 0
    reasons: list[Reason] = field(default_factory=list)
    left: list[Waiting] = field(default_factory=list)
    lost: list[Waiting] = field(default_factory=list)
    refused: list[tuple[bytes, ItemVerdict]] = field(default_factory=list)
    attempts: int = 0
    bytes: int = 0
    failed: list[FailedAttempts] = field(default_factory=list)
    waited: float = 0.0

    def add(self, other: Settled) -> None:
        """Take another settlement in."""
        self.delivered += other.delivered
        self.unconfirmed += other.unconfirmed
        self.rejected += other.rejected
        self.attempts += other.attempts
        self.bytes += other.bytes
        self.failed += other.failed
        self.waited += other.waited
        self.reasons += other.reasons
        self.left += other.left
        self.lost += other.lost
        self.refused += other.refused


@dataclass(slots=True)
class Retry:
    """The loop around attempt, rate limit and breaker.

    `stop` ends waits (shutdown): each payload then has one attempt. `closing`: the last chance, for which a backend that is only
    busy is waited for all the same.
    """

    attempt: Attempt
    breaker: Breaker
    rate_limit: RateLimit
    backoff: Backoff
    patience: Patience
    clock: Clock
    attempt_timeout: float
    stop: threading.Event
    watch: Stopwatch | None = None
    closing: bool = False

    def settle(self, payload: Payload, deadline: Deadline, *, at_least_once: bool = True) -> Settled:
        """Send `payload` until nothing of it is open or `deadline` would pass. Never raises: a bug in `judge` costs this payload only."""
        settled = Settled()
        failures = 0
        if not at_least_once and not self._may_begin(deadline):
            settled.left.append(Waiting(payload, NOT_BEGUN, "the time was over before its turn came"))
            return settled
        while True:
            try:
                outcome = self._once(payload, deadline, failures, settled)
                if self._done(outcome, payload, deadline, settled):
                    return settled
            except Exception as failure:
                self.breaker.release()
                why = f"a bug, not the backend: {type(failure).__name__}: {failure}"
                settled.lost.append(Waiting(replace(payload, attempted=True), "internal.export", why))
                return settled
            away = isinstance(outcome, Unavailable)
            payload, code, message, after, human = _open(outcome, payload)
            failures += 1
            wait = self.backoff.seconds(failures, max(after or 0.0, self.breaker.held()))
            late = self.clock.monotonic() + wait + _LEAST > deadline.retries
            stop = None if self.closing and not away else self.stop
            ended = stop is not None and stop.is_set()
            began = self.clock.monotonic()
            if human or ended or late or self._wait(wait, "away" if away else "throttled", stop, code):
                strikes = 0 if not settled.attempts else STRIKES if away else 1
                settled.left.append(Waiting(payload, code, message, strikes=strikes))
                return settled
            settled.waited += self.clock.monotonic() - began

    def _wait(self, seconds: float, why: str, stop: threading.Event | None, code: str | None = None) -> bool:
        """Wait; True when the exporter shuts down meanwhile."""
        if self.watch is None:
            return self.clock.wait(seconds, stop)
        with self.watch.wait(why, code):
            return self.clock.wait(seconds, stop)

    def _may_begin(self, deadline: Deadline) -> bool:
        now = self.clock.monotonic() + _LEAST
        return now <= deadline.retries or (now <= deadline.end and not self.patience.in_vain)

    def _once(self, payload: Payload, deadline: Deadline, failures: int, settled: Settled) -> Outcome:
        closed = self.breaker.allow()
        if closed is not None:
            return closed
        wait = self.rate_limit.reserve()
        if wait and (self.clock.monotonic() + wait + _LEAST > deadline.end or self._wait(wait, "limited", self.stop)):
            self.rate_limit.give_back()
            self.breaker.release()
            if self.stop.is_set():
                return Throttled("delivery.shutdown", "stopped before our own rate limit let it be sent")
            return Throttled("delivery.rate-limit", f"our own rate limit asks to wait {wait:.1f} s", after=wait)
        began = self.clock.monotonic()
        left = deadline.retries - began
        if not failures:
            left = max(left, min(deadline.patience, deadline.end - began))
        given = min(self.attempt_timeout, max(_LEAST, left))
        try:
            attempted = self.attempt(payload, given)
        except BaseException:
            self.breaker.release()
            raise
        outcome = attempted.outcome
        settled.attempts += 1
        settled.bytes += attempted.bytes
        settled.failed += _failed(attempted)
        self.breaker.record(outcome, settled)
        took = self.clock.monotonic() - began if attempted.waited is None else attempted.waited
        self.patience.learn(outcome, took, given)
        self._heed(outcome, payload)
        return outcome

    def _heed(self, outcome: Outcome, payload: Payload) -> None:
        """What the backend asked of one payload holds for all."""
        verdict: Throttled | Unavailable
        match outcome:
            case Partial(retry=retry, after=after, human=human) if retry:
                first = next(iter(retry.values()))
                verdict = Throttled(first.code, first.message, after, human)
            case Throttled() | Unavailable():
                verdict = outcome
            case _:
                return
        if isinstance(verdict, Throttled) and verdict.human:
            self.breaker.hold(_HUMAN_PAUSE, replace(verdict, human=False))
        elif verdict.after:
            self.breaker.hold(verdict.after, verdict)
        elif isinstance(verdict, Throttled):
            took_some = isinstance(outcome, Partial) and len(outcome.retry) < payload.points
            self.breaker.slow_down(self.backoff.pause, verdict, took_some=took_some)

    def _done(self, outcome: Outcome, payload: Payload, deadline: Deadline, settled: Settled) -> bool:
        """Count what the verdict settles; False when some of the payload is still open."""
        match outcome:
            case Delivered(notes):
                settled.delivered += payload.points
                _count(settled, notes, Fate.DELIVERED)
            case Rejected(code, message, _, example):
                _reject_all(settled, payload, ItemVerdict(code, message, example))
            case TooLarge(code, message):
                if payload.points <= 1:
                    _reject_all(settled, payload, ItemVerdict(code, message))
                else:
                    for half in payload.halves():
                        settled.add(self.settle(half, deadline, at_least_once=False))
            case Unconfirmed(code, message, example):
                verdict = ItemVerdict(code, message, example)
                _leave_unconfirmed(settled, dict.fromkeys(range(payload.points), verdict))
            case Partial(rejected, retry, notes, unconfirmed=unconfirmed):
                _check(payload, rejected, retry, unconfirmed)
                _reject(settled, payload, rejected)
                _leave_unconfirmed(settled, unconfirmed)
                _count(settled, notes, Fate.DELIVERED)
                settled.delivered += payload.points - len(rejected) - len(retry) - len(unconfirmed)
                return not retry
            case Throttled() | Unavailable():
                return False
            case _:
                assert_never(outcome)
        return True


def _failed(attempted: Attempted) -> Iterator[FailedAttempts]:
    """An attempt that left something to be sent again: under the reply's status, unless that was a success, and the code."""
    match attempted.outcome:
        case Partial(retry=retry) if retry:
            code = next(iter(retry.values())).code
        case Throttled(code) | Unavailable(code) | TooLarge(code):
            pass
        case _:
            return
    status = attempted.status
    yield FailedAttempts(code, status if status is not None and not 200 <= status < 300 else None)


def _open(outcome: Outcome, payload: Payload) -> tuple[Payload, str, str, float | None, bool]:
    """What is still to be sent, and why: (payload, code, message, after, human)."""
    match outcome:
        case Partial(_, retry, _, after, human):
            first = next(iter(retry.values()))
            attempted = payload.attempted or any(one.unknown for one in retry.values())
            return replace(payload.only(list(retry)), attempted=attempted), first.code, first.message, after, human
        case Throttled(code, message, after, human):
            return payload, code, message, after, human
        case Unavailable(code, message, after, unknown):
            return replace(payload, attempted=payload.attempted or unknown), code, message, after, False
        case _:
            raise AssertionError(outcome)


def _check(payload: Payload, *verdicts: Mapping[int, ItemVerdict]) -> None:
    """Before anything is counted: verdicts must speak of items that there are, each once."""
    items = payload.items()
    if len(items) != payload.points:
        raise ValueError(f"the payload splits into {len(items)} items, not {payload.points}")
    indices = [index for part in verdicts for index in part]
    if len(set(indices)) != len(indices) or not all(0 <= index < len(items) for index in indices):
        raise ValueError("verdicts on items that are not in the payload, or two on one")


def _reject(settled: Settled, payload: Payload, verdicts: Mapping[int, ItemVerdict]) -> None:
    if not verdicts:
        return
    items = payload.items()
    settled.refused += [(items[index], verdict) for index, verdict in verdicts.items()]
    settled.rejected += len(verdicts)
    _count(settled, verdicts, Fate.REJECTED, unknown=payload.attempted)


def _leave_unconfirmed(settled: Settled, verdicts: Mapping[int, ItemVerdict]) -> None:
    settled.unconfirmed += len(verdicts)
    _count(settled, verdicts, Fate.UNCONFIRMED, unknown=True)


def _reject_all(settled: Settled, payload: Payload, verdict: ItemVerdict) -> None:
    _reject(settled, payload, dict.fromkeys(range(payload.points), verdict))


def _count(settled: Settled, verdicts: Mapping[int, ItemVerdict], fate: Fate, *, unknown: bool = False) -> None:
    counts: dict[str, tuple[ItemVerdict, int]] = {}
    for verdict in verdicts.values():
        known = counts.get(verdict.code)
        counts[verdict.code] = (known[0], known[1] + 1) if known else (verdict, 1)
    settled.reasons += [
        Reason(code, first.message, n, fate, first.example, unknown) for code, (first, n) in counts.items()
    ]
