"""A backend that refuses everything for a long time: few requests, exact counts, and a quick recovery in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from magictel.delivery.backoff import Backoff
from magictel.delivery.circuit_breaker import Breaker
from magictel.encoding.payload import Payload
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial, Throttled, Unavailable
from tests.delivery.rig import Rig, payload
from tests.fake_clock import FakeClock

BUSY = Throttled("http.throttled", "429")
FAILING = Unavailable("http.server-error", "503")
RESET = Unavailable("net.http.reset", "the connection was reset", maybe_stored=True)
EVERY = 60.0
EXPORTS = 60

Backend = Callable[[Payload], Outcome]


def items_refused(sent: Payload) -> Outcome:
    return Partial({}, {number: ItemVerdict("es.write.queue-full", "429") for number in range(sent.points)})


def alternating() -> Backend:
    verdicts = [BUSY, FAILING, RESET] * 9_999
    return lambda sent: verdicts.pop()


STORMS: dict[str, Callable[[], Backend]] = {
    "429": lambda: lambda sent: BUSY,
    "429 for every item": lambda: items_refused,
    "503": lambda: lambda sent: FAILING,
    "reset": lambda: lambda sent: RESET,
    "all of them in turn": alternating,
}


class Storm:
    """Exports at the usual pace; `backend` may be changed meanwhile."""

    def __init__(self, backend: Backend, **settings: object) -> None:
        self.backend = backend
        self.rig = Rig([lambda sent, timeout: self.backend(sent)] * 99_999, **settings)
        self.exports = 0

    def export(self) -> int:
        """One export of two points; how many requests it made."""
        before = len(self.rig.attempts)
        self.rig.export(payload(2, f"{self.exports:04d}-"), end=30.0)
        self.exports += 1
        ledger = self.rig.pipeline.ledger
        assert ledger.balanced
        assert ledger.sent == 2 * self.exports
        self.rig.clock.pass_time(EVERY)
        return len(self.rig.attempts) - before


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("storm", STORMS)
def test_however_much_waits_an_export_makes_few_requests(storm: str, in_flight: int) -> None:
    over = Storm(STORMS[storm](), in_flight=in_flight)
    asked = [over.export() for _ in range(EXPORTS)]
    assert max(asked) <= 8 + in_flight, asked
    assert max(asked[6:]) <= 2 + in_flight, asked
    assert sum(asked) <= 4 * EXPORTS
    ledger = over.rig.pipeline.ledger
    assert (ledger.kept, ledger.delivered, ledger.dropped) == (2 * EXPORTS, 0, 0)
    assert ledger.attempts == len(over.rig.attempts)
    assert sum(attempts.count for attempts in ledger.failed) == ledger.attempts
    over.rig.pipeline.close()


@pytest.mark.parametrize("storm", ["429", "503", "reset"])
def test_when_it_is_over_all_that_waited_arrives_in_two_exports_in_order(storm: str) -> None:
    over = Storm(STORMS[storm]())
    for _ in range(50):
        over.export()
    count = len(over.rig.attempts)
    over.backend = lambda sent: Delivered()
    over.export()
    over.export()
    ledger = over.rig.pipeline.ledger
    assert (ledger.sent, ledger.delivered, ledger.kept) == (104, 104, 0)
    names = [attempt.body[:4] for attempt in over.rig.attempts[count:]]
    # Those that were tried meanwhile come after those that were only held back; each group, and what is new, in order.
    tried = {attempt.body[:4] for attempt in over.rig.attempts[:count]}
    untried = [name for name in names if name not in tried]
    assert untried == sorted(untried)
    assert len(names) == len(set(names)) == 52


def test_where_order_matters_nothing_overtakes_in_a_storm_or_after_it() -> None:
    over = Storm(lambda sent: BUSY, in_order=True)
    for _ in range(50):
        over.export()
    over.backend = lambda sent: Delivered()
    count = len(over.rig.attempts)
    over.export()
    assert over.rig.pipeline.ledger.delivered == 102
    names = [attempt.body[:4] for attempt in over.rig.attempts[count:]]
    assert names == sorted(names)


def test_a_backend_that_takes_one_request_in_three_is_drained() -> None:
    count = 0

    def limited(sent: Payload) -> Outcome:
        nonlocal count
        count += 1
        return Delivered() if count % 3 == 0 else BUSY

    over = Storm(lambda sent: BUSY)
    for _ in range(20):
        over.export()
    over.backend = limited
    for _ in range(60):
        over.export()
    ledger = over.rig.pipeline.ledger
    assert (ledger.sent, ledger.dropped) == (160, 0)
    assert ledger.delivered >= 120, ledger


def test_one_payload_that_is_always_refused_as_too_many_does_not_hold_up_the_others_for_ever() -> None:
    over = Storm(lambda sent: BUSY if sent.body.startswith(b"0000") else Delivered())
    for _ in range(20):
        over.export()
    assert over.rig.pipeline.ledger.kept <= 4


def test_requests_that_are_refused_together_slow_down_once() -> None:
    clock = FakeClock()
    breaker = Breaker(5, 30.0, clock)
    backoff = Backoff(1.0, 64.0)
    for _ in range(8):
        breaker.slow_down(backoff.pause, BUSY)
    assert 0.5 <= breaker.hold_left() <= 1.0
    clock.pass_time(1.0)
    assert breaker.allow() is None, "one finds out"
    assert breaker.allow() == BUSY, "the others wait for what it finds"
    breaker.record(BUSY)
    breaker.slow_down(backoff.pause, BUSY)
    assert 1.0 <= breaker.hold_left() <= 2.0
    clock.pass_time(2.0)
    assert breaker.allow() is None
    breaker.record(Delivered())
    assert [breaker.allow() for _ in range(3)] == [None] * 3
    breaker.slow_down(backoff.pause, BUSY)
    assert breaker.hold_left() <= 1.0, "it begins anew"
