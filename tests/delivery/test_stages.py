"""Each stage of delivery does something that is seen, and is no longer seen when the stage is taken out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from magictel.encoding.payload import Payload
from magictel.model.outcome import Delivered, Fate, ItemVerdict, Partial, Receipt, Throttled, TooLarge, Unavailable
from tests.delivery.rig import REFUSED, Rig, payload

NO = ItemVerdict("es.write.queue-full", "queue full")
BAD = ItemVerdict("es.write.mapping-type", "no such type", "field x")


def a_failed_attempt_is_repeated(without: list[str]) -> None:
    rig = Rig([REFUSED, REFUSED], without, breaker_failures=9)
    receipt = rig.deliver(payload(3))
    assert (receipt.delivered, receipt.attempts, receipt.bytes) == (3, 3, 3 * 24)


def waits_are_random_below_a_doubling_ceiling(without: list[str]) -> None:
    rig = Rig([REFUSED] * 6, without, backoff_initial=1.0, backoff_max=8.0, breaker_failures=99)
    rig.deliver(payload(), seconds=100)
    waits = rig.clock.waits
    assert len(waits) == 6
    assert all(0 < wait <= ceiling for wait, ceiling in zip(waits, (1, 2, 4, 8, 8, 8), strict=True))
    assert len({wait / ceiling for wait, ceiling in zip(waits, (1, 2, 4, 8, 8, 8), strict=True)}) == 6


def the_backend_s_own_wait_is_kept(without: list[str]) -> None:
    rig = Rig([Throttled("http.throttled", "429", retry_after=7.0)], without)
    rig.deliver(payload())
    assert rig.times[1] >= 7.0


def no_wait_passes_the_deadline_and_one_attempt_is_made(without: list[str]) -> None:
    rig = Rig([REFUSED] * 50, without, breaker_failures=999, backoff_initial=4.0)
    receipt = rig.deliver(payload(2), seconds=9.0)
    assert 1 <= receipt.attempts < 50
    assert rig.clock.monotonic() < 9.0
    assert (receipt.dropped, receipt.kept) == (2, 0)


def an_open_breaker_asks_nobody(without: list[str]) -> None:
    rig = Rig([REFUSED] * 99, without, breaker_failures=3, breaker_cooldown=60)
    for name in "abc":
        rig.export(payload(name=name), seconds=0)
    assert rig.bodies == [payload(name=name).body for name in "aab"]
    rig.clock.pass_time(61)
    rig.export(payload(name="d"), seconds=0)
    assert len(rig.attempts) == 4, "half-open: one attempt decides"


def requests_keep_to_the_rate(without: list[str]) -> None:
    rig = Rig([], without, rate_limit=2.0)
    rig.deliver(*(payload(name=str(number)) for number in range(8)))
    assert [round(at, 6) for at in rig.times] == [0, 0, 0.5, 1, 1.5, 2, 2.5, 3]


def the_outbox_drops_the_oldest_and_counts(without: list[str]) -> None:
    rig = Rig([REFUSED] * 99, without, outbox_points=5, breaker_failures=1, breaker_cooldown=1000)
    for name in "abc":
        rig.export(payload(2, name))
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.kept, ledger.dropped) == (6, 4, 2)
    assert [pending.payload.body[:1] for pending in rig.pipeline.outbox.waiting] == [b"b", b"c"]


def a_payload_that_is_too_large_is_halved(without: list[str]) -> None:
    rig = Rig([_at_most(2)] * 99, without)
    receipt = rig.deliver(payload(7))
    assert (receipt.delivered, receipt.rejected) == (7, 0)
    assert [len(body) // 8 for body in rig.bodies] == [7, 3, 1, 2, 4, 2, 2]


def only_what_may_be_repeated_is_repeated(without: list[str]) -> None:
    rig = Rig([Partial({0: BAD}, {2: NO, 3: NO})], without)
    receipt = rig.deliver(payload(4))
    assert rig.bodies[1] == payload(4).body[16:32]
    assert (receipt.delivered, receipt.rejected) == (3, 1)


def when_only_a_person_can_help_everything_pauses(without: list[str]) -> None:
    rig = Rig([Throttled("es.write.flood-stage", "disk full", needs_operator=True)] * 99, without)
    rig.export(payload(name="a"))
    rig.export(payload(name="b"))
    assert len(rig.attempts) == 1
    rig.clock.pass_time(60)
    rig.export(payload(name="c"))
    assert len(rig.attempts) == 2


def what_one_payload_is_told_holds_for_the_next_export(without: list[str]) -> None:
    rig = Rig([Throttled("http.throttled", "429", retry_after=120.0)], without)
    rig.export(payload(name="a"))
    rig.clock.pass_time(10)
    rig.export(payload(name="b"))
    assert len(rig.attempts) == 1
    rig.clock.pass_time(111)
    rig.export(payload(name="c"))
    assert rig.bodies[1:] == [payload(name=name).body for name in "abc"], "what waited leads"


def a_backend_that_is_busy_gets_few_requests_however_much_waits(without: list[str]) -> None:
    rig = Rig([Throttled("http.throttled", "429")] * 999, without)
    asked = []
    for number in range(40):
        before = len(rig.attempts)
        rig.export(payload(name=f"{number:02d}"))
        asked.append(len(rig.attempts) - before)
        rig.clock.pass_time(60)
    assert max(asked) <= 6, asked
    assert max(asked[5:]) <= 2, asked


def several_payloads_are_under_way_at_once(without: list[str]) -> None:
    import threading

    together = threading.Barrier(3)

    def meet(sent: Payload, timeout: float) -> Delivered:
        together.wait(0.5 if without else 100)  # raises when not all three come
        return Delivered()

    rig = Rig([meet] * 3, without, in_flight=3)
    assert rig.deliver(*(payload(name=str(number)) for number in range(3))).delivered == 3
    rig.pipeline.close()


def shutdown_ends_a_wait(without: list[str]) -> None:
    rig = Rig([REFUSED] * 99, without, breaker_failures=99, backoff_initial=5.0)
    rig.clock.on_wait = lambda seconds: rig.pipeline.stop.set()
    receipt = rig.deliver(payload(2))
    assert (receipt.attempts, receipt.dropped) == (1, 2)
    assert rig.clock.monotonic() == 0


def a_slow_backend_gets_more_time_with_each_try(without: list[str]) -> None:
    def slow(sent: Payload, timeout: float) -> Unavailable:
        rig.clock.pass_time(timeout)
        return Unavailable("net.http.read-timeout", "no answer in time", maybe_stored=True)

    rig = Rig([slow, slow], without, timeout=10.0, retry_budget=2.0)
    for name in "abc":
        rig.export(payload(name=name), end=30.0)
    rig.export(payload(name="d"), end=30.0)
    assert [attempt.timeout for attempt in rig.attempts] == [2.0, 4.0, 8.0, 8.0, 8.0, 10.0]


STAGES: dict[str, Callable[[list[str]], None]] = {
    "retry": a_failed_attempt_is_repeated,
    "backoff": waits_are_random_below_a_doubling_ceiling,
    "retry-after": the_backend_s_own_wait_is_kept,
    "deadline": no_wait_passes_the_deadline_and_one_attempt_is_made,
    "breaker": an_open_breaker_asks_nobody,
    "rate limit": requests_keep_to_the_rate,
    "outbox": the_outbox_drops_the_oldest_and_counts,
    "halving": a_payload_that_is_too_large_is_halved,
    "shrinking": only_what_may_be_repeated_is_repeated,
    "human": when_only_a_person_can_help_everything_pauses,
    "hold": what_one_payload_is_told_holds_for_the_next_export,
    "slow down": a_backend_that_is_busy_gets_few_requests_however_much_waits,
    "in-flight": several_payloads_are_under_way_at_once,
    "stop": shutdown_ends_a_wait,
    "patience": a_slow_backend_gets_more_time_with_each_try,
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_does_its_work(stage: str) -> None:
    STAGES[stage]([])


@pytest.mark.parametrize("stage", STAGES)
def test_without_the_stage_its_test_fails(stage: str) -> None:
    with pytest.raises(AssertionError):
        STAGES[stage]([stage])


def _at_most(points: int) -> Callable[[Payload, float], Delivered | TooLarge]:
    def answer(sent: Payload, timeout: float) -> Delivered | TooLarge:
        return Delivered() if sent.points <= points else TooLarge("http.too-large", "413")

    return answer


def test_every_receipt_of_these_scenes_is_balanced() -> None:
    """The scenes above look at single numbers; here the identity is held after each export of a long bad day."""
    steps = [REFUSED, Partial({0: BAD}, {1: NO}), Throttled("t", "429"), TooLarge("l", "413"), REFUSED] * 8
    rig = Rig(steps, outbox_points=9, breaker_failures=2, breaker_cooldown=1)
    total = Receipt()
    for number in range(30):
        total += rig.export(payload(4, f"{number:02d}x"))
        rig.clock.pass_time(2)
        assert total.balanced
        assert rig.pipeline.ledger.balanced
        assert rig.pipeline.ledger.kept == rig.pipeline.outbox.points
        assert (
            sum(reason.count for reason in rig.pipeline.ledger.reasons if reason.fate is Fate.KEPT)
            == rig.pipeline.outbox.points
        )
    assert rig.pipeline.ledger.sent == 120
    rig.pipeline.close()
    assert rig.pipeline.ledger.balanced
    assert rig.pipeline.ledger.kept == 0
