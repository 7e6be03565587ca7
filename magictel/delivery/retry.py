"""Retry: send one payload until it is settled, the deadline would pass, or the exporter is shutting down."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import assert_never

import msgspec

from magictel.clock import Clock
from magictel.delivery.attempt import Attempt, Attempted
from magictel.delivery.attempt_timeout import AdaptiveTimeout
from magictel.delivery.backoff import Backoff
from magictel.delivery.circuit_breaker import Breaker
from magictel.delivery.deadline import Deadline
from magictel.delivery.outbox import Pending
from magictel.delivery.rate_limit import RateLimit
from magictel.delivery.settlement import Settlement
from magictel.encoding.payload import Payload, Split
from magictel.model.observer import Observer
from magictel.model.outcome import (
    Delivered,
    FailedAttempts,
    Fate,
    ItemVerdict,
    Outcome,
    Partial,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
    Unconfirmed,
)

NOT_BEGUN = "delivery.deadline"
STRIKES = 3
"""Refusals after which a payload goes behind those that only wait: the backend may never accept it."""
_HUMAN_PAUSE = 60.0
_NO_REASON = ItemVerdict("delivery.refused", "the backend rejected points and gave no reason")
_LEAST = 0.05
"""Seconds: no attempt begins with less, since it would time out and its points may be stored."""


class Retry(msgspec.Struct):
    """Loops over attempt, rate limit and breaker.

    `stop` ends waits (shutdown): each payload then gets one attempt. `closing`: the last attempts, which still wait for a
    busy backend.
    """

    attempt: Attempt
    breaker: Breaker
    rate_limit: RateLimit
    backoff: Backoff
    patience: AdaptiveTimeout
    clock: Clock
    attempt_timeout: float
    stop: threading.Event
    split: Split
    observer: Observer
    closing: bool = False

    def settle(self, payload: Payload, deadline: Deadline, *, at_least_once: bool = True) -> Settlement:
        """Send `payload` until all of it is settled or `deadline` would pass. Never raises: a bug in `judge` affects this payload only."""
        settled = Settlement()
        failures = 0
        if not at_least_once and not self._may_begin(deadline):
            settled.left.append(Pending(payload, NOT_BEGUN, "the deadline passed before it was sent"))
            return settled
        while True:
            try:
                outcome = self._once(payload, deadline, failures, settled)
                if self._done(outcome, payload, deadline, settled):
                    return settled
            except Exception as failure:
                self.breaker.release()
                why = f"a bug, not the backend: {type(failure).__name__}: {failure}"
                settled.lost.append(Pending(replace(payload, attempted=True), "internal.export", why))
                return settled
            away = isinstance(outcome, Unavailable) and not outcome.needs_operator
            payload, code, message, after, human = _open(outcome, payload, self.split)
            failures += 1
            wait = self.backoff.seconds(failures, max(after or 0.0, self.breaker.hold_left()))
            late = self.clock.monotonic() + wait + _LEAST > deadline.retries
            stop = None if self.closing and not away else self.stop
            ended = stop is not None and stop.is_set()
            began = self.clock.monotonic()
            if human or ended or late or self._wait(wait, "away" if away else "throttled", stop, code):
                strikes = 0 if not settled.attempts else STRIKES if away else 1
                settled.left.append(Pending(payload, code, message, strikes=strikes))
                return settled
            settled.waited += self.clock.monotonic() - began

    def _wait(self, seconds: float, why: str, stop: threading.Event | None, code: str | None = None) -> bool:
        """Wait; return True if the exporter shuts down meanwhile."""
        with self.observer.step(why, code):
            return self.clock.wait(seconds, stop)

    def _may_begin(self, deadline: Deadline) -> bool:
        now = self.clock.monotonic() + _LEAST
        return now <= deadline.retries or (now <= deadline.end and not self.patience.timed_out)

    def _once(self, payload: Payload, deadline: Deadline, failures: int, settled: Settlement) -> Outcome:
        closed = self.breaker.allow()
        if closed is not None:
            return closed
        wait = self.rate_limit.reserve()
        if wait and (self.clock.monotonic() + wait + _LEAST > deadline.end or self._wait(wait, "limited", self.stop)):
            self.rate_limit.give_back()
            self.breaker.release()
            if self.stop.is_set():
                return Throttled("delivery.shutdown", "shut down before the rate limit allowed to send it")
            return Throttled(
                "delivery.rate-limit",
                f"the exporter's own rate limit requires a wait of {wait:.1f} s",
                retry_after=wait,
            )
        began = self.clock.monotonic()
        left = deadline.retries - began
        if not failures:
            left = max(left, min(deadline.patience, deadline.end - began))
        given = min(self.attempt_timeout, max(_LEAST, left))
        if payload.attempted:
            settled.repeated += payload.points
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
        self._apply_backend_hold(outcome, payload)
        return outcome

    def _apply_backend_hold(self, outcome: Outcome, payload: Payload) -> None:
        """Apply a wait that the backend requested for one payload to all."""
        verdict: Throttled | Unavailable
        match outcome:
            case Partial(retry=retry, retry_after=after, needs_operator=human) if retry:
                first = next(iter(retry.values()))
                verdict = Throttled(first.code, first.message, after, human)
            case Throttled() | Unavailable():
                verdict = outcome
            case _:
                return
        if isinstance(verdict, Throttled) and verdict.needs_operator:
            self.breaker.hold(_HUMAN_PAUSE, msgspec.structs.replace(verdict, needs_operator=False))
        elif isinstance(verdict, Unavailable) and verdict.needs_operator:
            self.breaker.hold(_HUMAN_PAUSE, verdict)  # no delivery waits until an operator fixes the credentials
        elif verdict.retry_after:
            self.breaker.hold(verdict.retry_after, verdict)
        elif isinstance(verdict, Throttled):
            took_some = isinstance(outcome, Partial) and len(outcome.retry) < payload.points
            self.breaker.slow_down(self.backoff.pause, verdict, took_some=took_some)

    def _done(self, outcome: Outcome, payload: Payload, deadline: Deadline, settled: Settlement) -> bool:
        """Count what the verdict settles; return False if some of the payload is still open."""
        match outcome:
            case Delivered(notes, warning):
                settled.delivered += payload.points
                settled.note(notes, Fate.DELIVERED)
                if warning is not None:
                    settled.warn(payload, warning)
            case Rejected(code, message, _, example, maybe_stored):
                tried = replace(payload, attempted=payload.attempted or maybe_stored)
                settled.reject(tried, _all(payload, ItemVerdict(code, message, example)))
            case TooLarge(code, message):
                if payload.points <= 1:
                    settled.reject(payload, _all(payload, ItemVerdict(code, message)))
                else:
                    for half in payload.cut(self.split).halves():
                        settled.add(self.settle(half, deadline, at_least_once=False))
            case Unconfirmed(code, message, example):
                settled.leave_all_unconfirmed(payload, ItemVerdict(code, message, example))
            case Partial(rejected, retry, notes, unconfirmed=unconfirmed, unnamed=unnamed, why=why):
                _check(payload.cut(self.split), rejected, retry, unconfirmed)
                others = payload.points - len(rejected) - len(retry) - len(unconfirmed)
                unnamed = max(0, min(unnamed, others))  # a backend may count something other than points
                settled.reject(payload, rejected)
                settled.leave_unconfirmed(unconfirmed)
                settled.note(notes, Fate.DELIVERED)
                settled.delivered += others - unnamed
                if unnamed:
                    settled.reject_unnamed(payload, unnamed, why or _NO_REASON)
                return not retry
            case Throttled() | Unavailable():
                return False
            case _:
                assert_never(outcome)
        return True


def _failed(attempted: Attempted) -> Iterator[FailedAttempts]:
    """Return the reason of an attempt that left items to retry: the reply's status, unless it was a success, and the code."""
    match attempted.outcome:
        case Partial(retry=retry) if retry:
            code = next(iter(retry.values())).code
        case Throttled(code) | Unavailable(code) | TooLarge(code):
            pass
        case _:
            return
    status = attempted.status
    yield FailedAttempts(code, status if status is not None and not 200 <= status < 300 else None)


def _open(outcome: Outcome, payload: Payload, split: Split) -> tuple[Payload, str, str, float | None, bool]:
    """Return what is still to be sent, and why: (payload, code, message, retry_after, needs_operator)."""
    match outcome:
        case Partial(_, retry, _, after, human):
            first = next(iter(retry.values()))
            attempted = payload.attempted or any(verdict.maybe_stored for verdict in retry.values())
            return replace(payload.cut(split).only(retry), attempted=attempted), first.code, first.message, after, human
        case Throttled(code, message, after, human):
            return payload, code, message, after, human
        case Unavailable(code, message, after, unknown, human):
            return replace(payload, attempted=payload.attempted or unknown), code, message, after, human
        case _:
            raise AssertionError(outcome)


def _all(payload: Payload, verdict: ItemVerdict) -> dict[int, ItemVerdict]:
    """Return the same verdict for every item."""
    return dict.fromkeys(range(payload.points), verdict)


def _check(payload: Payload, *verdicts: Mapping[int, ItemVerdict]) -> None:
    """Check verdicts before anything is counted: each is on an existing item, and no item has two."""
    items = len(payload.sizes or ())
    if items != payload.points:
        raise ValueError(f"the payload splits into {items} items, not {payload.points}")
    indices = [index for part in verdicts for index in part]
    if len(set(indices)) != len(indices) or not all(0 <= index < items for index in indices):
        raise ValueError("verdicts on items that are not in the payload, or two on one")
