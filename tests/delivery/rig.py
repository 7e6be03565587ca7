"""A pipeline on a fake clock whose attempts follow a script; any of its stages can be taken out."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from magictel.delivery.attempt import Attempted
from magictel.delivery.attempt_timeout import AdaptiveTimeout
from magictel.delivery.backoff import Backoff
from magictel.delivery.batch import Batch
from magictel.delivery.circuit_breaker import Breaker
from magictel.delivery.deadline import Deadline
from magictel.delivery.outbox import Outbox
from magictel.delivery.pipeline import Pipeline
from magictel.delivery.rate_limit import RateLimit
from magictel.delivery.retry import Retry
from magictel.encoding.payload import Payload
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable
from magictel.settings.model import ExporterSettings
from tests.fake_clock import FakeClock

Step = Outcome | Callable[[Payload, float], Outcome]
REFUSED = Unavailable("net.tcp.refused", "nobody listens")


def payload(points: int = 1, name: str = "p", size: int = 8) -> Payload:
    """Items of a fixed size that carry their number, so that a split needs no lengths."""
    items = [f"{name}{number}".encode().ljust(size, b".") for number in range(points)]
    return Payload(b"".join(items), points)


def split(body: bytes) -> list[bytes]:
    """Into items of the usual size."""
    return [body[at : at + 8] for at in range(0, len(body), 8)]


def lot(*payloads: Payload) -> Batch:
    return Batch(payloads, sum(payload.points for payload in payloads))


@dataclass(frozen=True)
class Attempt:
    """An attempt that was made: when (monotonic), with what, how long it might have taken."""

    at: float
    body: bytes
    timeout: float
    attempted: bool


class Rig:
    """`script` answers attempt after attempt, then everything is delivered; `without` names the stages to take out."""

    def __init__(self, script: Iterable[Step] = (), without: Sequence[str] = (), **settings: Any) -> None:
        self.clock = FakeClock()
        self.script = list(script)
        self.attempts: list[Attempt] = []
        self.given_up: list[Payload] = []
        self.without = without
        self._lock = threading.Lock()
        if "in-flight" in without:
            settings["in_flight"] = 1
        in_order = bool(settings.pop("in_order", False))
        self.settings = ExporterSettings(**settings)
        self.pipeline = Pipeline(
            self._attempt,
            self.settings,
            self.clock,
            random.Random(7),
            in_order=in_order,
            split=split,
            given_up=self.given_up.append,
        )
        self._take_out()

    def deliver(self, *payloads: Payload, seconds: float = 30.0) -> Any:
        return self.pipeline.deliver(lot(*payloads), self.clock.monotonic() + seconds)

    def export(self, *payloads: Payload, seconds: float = 2.0, end: float = 10.0) -> Any:
        now = self.clock.monotonic()
        return self.pipeline.export(lot(*payloads), now + seconds, now + end)

    @property
    def bodies(self) -> list[bytes]:
        return [attempt.body for attempt in self.attempts]

    @property
    def times(self) -> list[float]:
        return [attempt.at for attempt in self.attempts]

    def _attempt(self, sent: Payload, timeout: float) -> Attempted:
        with self._lock:
            self.attempts.append(Attempt(self.clock.monotonic(), sent.body, timeout, sent.attempted))
            step = self.script.pop(0) if self.script else Delivered()
        outcome = step(sent, timeout) if callable(step) else step
        return Attempted(self._dulled(outcome), len(sent.body))

    def _dulled(self, outcome: Outcome) -> Outcome:
        """What a pipeline that lacks the handling of a verdict would make of it."""
        match outcome:
            case TooLarge(code, message) if "halving" in self.without:
                return Rejected(code, message)
            case Partial(retry=retry) if retry and "shrinking" in self.without:
                first = next(iter(retry.values()))
                return Throttled(first.code, first.message)
            case Throttled() | Partial() if "human" in self.without:
                return replace(outcome, needs_operator=False)
        return outcome

    def _take_out(self) -> None:
        retry = self.pipeline._retry
        for stage in self.without:
            match stage:
                case "backoff":
                    retry.backoff = _Never(0.0, 0.0)
                case "retry-after":
                    retry.backoff = _Deaf(retry.backoff.initial, retry.backoff.most, retry.backoff.random)
                    retry.breaker = self.pipeline._breaker = _Restless(*self._breaker())
                case "hold":
                    retry.breaker = self.pipeline._breaker = _Restless(*self._breaker())
                case "slow down":
                    retry.breaker = self.pipeline._breaker = _Hasty(*self._breaker())
                case "breaker":
                    retry.breaker = self.pipeline._breaker = Breaker(0, 0.0, self.clock)
                case "rate limit":
                    retry.rate_limit = RateLimit(0.0, self.clock)
                case "deadline":
                    self.pipeline._retry = _Timeless(*(getattr(retry, name) for name in Retry.__struct_fields__))
                case "outbox":
                    self.pipeline.outbox = Outbox(10**9, 10**9)
                case "patience":
                    retry.patience = self.pipeline._patience = _Even(self.settings.timeout, self.settings.timeout)
                case "stop":
                    retry.stop = threading.Event()
                case "retry":
                    retry.backoff = _Never(1e9, 1e9)

    def _breaker(self) -> tuple[int, float, FakeClock]:
        return self.settings.breaker_failures, self.settings.breaker_cooldown, self.clock


class _Never(Backoff):
    def seconds(self, failures: int, after: float | None = None) -> float:
        return self.initial


class _Deaf(Backoff):
    def seconds(self, failures: int, after: float | None = None) -> float:
        return super().seconds(failures)


class _Restless(Breaker):
    def hold(self, seconds: float, verdict: Throttled | Unavailable) -> None:
        pass


class _Hasty(Breaker):
    def slow_down(self, pause: Any, verdict: Throttled, *, took_some: bool = False) -> None:
        pass


class _Timeless(Retry):
    def settle(self, payload: Payload, deadline: Deadline, *, at_least_once: bool = True) -> Any:
        # Bounded all the same, or a test without the stage would never end.
        return super().settle(payload, Deadline.at(self.clock.monotonic() + 500.0), at_least_once=at_least_once)


class _Even(AdaptiveTimeout):
    def learn(self, outcome: Outcome, took: float, given: float) -> None:
        pass
