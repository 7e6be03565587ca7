"""The pipeline's ledger: whose points waited, what a bug or an interrupt costs, order, closing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from magictel.delivery.batch import Batch
from magictel.encoding.payload import Payload
from magictel.model.outcome import Delivered, Fate, Outcome, Reason, Throttled, Unavailable
from tests.delivery.rig import REFUSED, Rig, lot, payload


def test_what_waits_leads_the_next_export() -> None:
    rig = Rig([REFUSED], retry_budget=0)
    first = rig.export(payload(2, "a"), seconds=0)
    assert (first.kept, rig.pipeline.ledger.kept) == (2, 2)
    second = rig.export(payload(3, "b"))
    assert (second.sent, second.delivered) == (3, 3), "a receipt speaks of its own lot"
    assert rig.bodies[1:] == [payload(2, "a").body, payload(3, "b").body]
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.delivered, ledger.kept) == (5, 5, 0)


def test_dropped_for_want_of_room_counts_for_the_lot_that_was_pushed_out() -> None:
    rig = Rig([REFUSED] * 9, outbox_points=3, breaker_failures=1, breaker_cooldown=999)
    assert rig.export(payload(2, "a")).kept == 2
    second = rig.export(payload(2, "b"))
    assert (second.kept, second.dropped) == (2, 0), "a's points were pushed out, not its own"
    third = rig.export(payload(2, "c"), payload(2, "d"))
    assert (third.kept, third.dropped) == (2, 2), "its own first payload was pushed out"
    assert third.balanced
    ledger = rig.pipeline.ledger
    assert (ledger.kept, ledger.dropped, ledger.balanced) == (2, 6, True)
    full = next(reason for reason in ledger.reasons if reason.code == "delivery.outbox-full")
    assert (full.count, full.fate) == (6, Fate.DROPPED)
    assert REFUSED.message in full.message


def test_the_ledger_holds_while_what_waited_is_being_sent() -> None:
    seen = []

    def look(sent: Payload, timeout: float) -> Outcome:
        seen.append(rig.pipeline.ledger)
        return Delivered()

    rig = Rig([REFUSED, look, look])
    rig.export(payload(2, "a"), seconds=0)
    rig.export(payload(3, "b"))
    assert [(ledger.sent, ledger.kept, ledger.delivered, ledger.balanced) for ledger in seen] == [
        (2, 2, 0, True),
        (2, 0, 2, True),
    ]
    assert [reason.code for reason in seen[0].reasons] == [REFUSED.code]


def test_an_encoder_s_bug_loses_no_count() -> None:
    def bug() -> Iterator[Payload]:
        yield payload(2, "a")
        raise ZeroDivisionError("odd point")

    rig = Rig()
    receipt = rig.pipeline.deliver(Batch(bug(), 7), 30.0)
    assert (receipt.delivered, receipt.dropped, receipt.balanced) == (2, 5, True)
    assert receipt.reasons[0].code == "internal.export"
    assert "ZeroDivisionError" in receipt.reasons[0].message


def test_points_the_encoder_silently_left_out_are_named() -> None:
    receipt = Rig().pipeline.deliver(Batch([payload(2)], 3), 30.0)
    assert (receipt.dropped, receipt.reasons[0].code, receipt.balanced) == (1, "internal.export", True)


def test_withheld_points_are_counted_with_their_reasons() -> None:
    why = [Reason("es.value.nan", "NaN has no place here", 1, Fate.WITHHELD, "cpu") for _ in range(3)]
    receipt = Rig().pipeline.deliver(Batch([*why, payload(2)], 5), 30.0)
    assert (receipt.delivered, receipt.withheld, receipt.balanced) == (2, 3, True)
    assert receipt.reasons == (Reason("es.value.nan", "NaN has no place here", 3, Fate.WITHHELD, "cpu"),)


@pytest.mark.parametrize("in_flight", [1, 3])
def test_an_interrupt_is_counted_and_passed_on(in_flight: int) -> None:
    def interrupt(sent: Payload, timeout: float) -> Outcome:
        raise KeyboardInterrupt

    rig = Rig([Delivered(), interrupt], in_flight=in_flight)
    with pytest.raises(KeyboardInterrupt):
        rig.deliver(*(payload(2, name) for name in "abc"))
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.balanced) == (6, True)
    assert ledger.dropped >= 2
    rig.pipeline.close()


def test_an_interrupt_while_what_waited_is_sent_counts_it_once() -> None:
    def interrupt(sent: Payload, timeout: float) -> Outcome:
        raise KeyboardInterrupt

    rig = Rig([REFUSED, interrupt])
    rig.export(payload(2, "a"), seconds=0)
    with pytest.raises(KeyboardInterrupt):
        rig.pipeline.drain(30.0)
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.kept, ledger.dropped, ledger.balanced) == (2, 0, 2, True)


def test_where_order_matters_nothing_overtakes_what_waits() -> None:
    rig = Rig([REFUSED, REFUSED, Delivered()], in_order=True, in_flight=4, breaker_failures=99)
    rig.export(payload(1, "a"), payload(1, "b"), seconds=0)
    rig.clock.pass_time(10)
    rig.export(payload(1, "c"), seconds=0)
    assert rig.bodies == [payload(1, "a").body] * 2
    assert [pending.payload.body[:1] for pending in rig.pipeline.outbox.waiting] == [b"a", b"b", b"c"]
    rig.clock.pass_time(10)
    rig.export(payload(1, "d"))
    assert rig.bodies[2:] == [payload(1, name).body for name in "abcd"]


def test_where_order_does_not_matter_a_payload_nobody_can_take_blocks_no_other() -> None:
    def poison(sent: Payload, timeout: float) -> Outcome:
        return Unavailable("http.server-error", "500") if sent.body.startswith(b"a") else Delivered()

    rig = Rig([poison] * 999, backoff_initial=0.5)
    for name in "abcdefgh":
        rig.export(payload(1, name))
        rig.clock.pass_time(40)
    assert rig.pipeline.ledger.delivered >= 6
    assert rig.pipeline.ledger.kept <= 2, "the poison, and at most the newest that was held back by it"


def test_what_is_under_way_when_the_pipeline_closes_is_counted_when_it_ends() -> None:
    def closing(sent: Payload, timeout: float) -> Outcome:
        rig.pipeline.close()
        return REFUSED

    rig = Rig([REFUSED, closing])
    rig.export(payload(2, "a"), seconds=0)
    receipt = rig.export(payload(3, "b"))
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.kept, ledger.balanced) == (5, 0, True)
    assert rig.pipeline.outbox.points == 0
    assert receipt.balanced
    assert all(
        reason.code == REFUSED.code for reason in ledger.reasons if reason.fate is Fate.DROPPED and reason.count == 2
    )


def test_closing_names_what_was_left_and_twice_is_once() -> None:
    rig = Rig([REFUSED] * 9)
    rig.export(payload(4), seconds=0)
    assert rig.pipeline.close().dropped == 4
    assert rig.pipeline.close().dropped == 0
    assert (rig.pipeline.ledger.dropped, rig.pipeline.ledger.balanced) == (4, True)


def test_side_by_side_nothing_is_lost_or_counted_twice() -> None:
    lock = threading.Lock()
    seen: list[bytes] = []

    def take(sent: Payload, timeout: float) -> Outcome:
        with lock:
            seen.append(sent.body)
        return Delivered()

    rig = Rig([take] * 200, in_flight=8)
    receipt = rig.deliver(*(payload(2, f"{number:03d}") for number in range(100)))
    assert (receipt.delivered, receipt.attempts) == (200, 100)
    assert sorted(seen) == sorted(payload(2, f"{number:03d}").body for number in range(100))
    rig.pipeline.close()


def test_what_a_backend_says_back_is_redacted_everywhere() -> None:
    rig = Rig([Unavailable("http.server-error", "500: you sent hunter2")] * 99)
    rig.pipeline._ledger._redact = lambda text: text.replace("hunter2", "***")
    kept = rig.export(payload())
    assert kept.reasons[0].message == "500: you sent ***"
    assert "hunter2" not in repr(rig.pipeline.ledger)
    assert "hunter2" not in repr(rig.pipeline.close())


def test_dropping_a_lot_counts_every_point_without_encoding_it() -> None:
    rig = Rig()
    receipt = rig.pipeline.drop(lot(payload(3)), "config.required", "no url")
    assert (receipt.sent, receipt.dropped, rig.attempts) == (3, 3, [])
    assert rig.pipeline.ledger.reasons == receipt.reasons


@pytest.mark.parametrize("in_flight", [1, 2])
def test_a_delivery_gives_each_payload_its_turn_before_one_takes_all_the_time(in_flight: int) -> None:
    def poison(sent: Payload, timeout: float) -> Outcome:
        return Unavailable("http.server-error", "500") if sent.body.startswith(b"a") else Delivered()

    rig = Rig([poison] * 999, breaker_failures=999, in_flight=in_flight)
    receipt = rig.deliver(*(payload(2, name) for name in "abcdef"), seconds=30)
    assert (receipt.delivered, receipt.dropped, receipt.balanced) == (10, 2, True)
    assert [reason.code for reason in receipt.reasons] == ["http.server-error"]
    assert rig.clock.monotonic() < 30
    rig.pipeline.close()


def test_what_is_open_after_its_turn_has_the_time_that_is_left() -> None:
    rig = Rig([Throttled("http.throttled", "429", retry_after=20.0)])
    receipt = rig.deliver(payload(2, "a"), payload(2, "b"), seconds=30)
    assert (receipt.delivered, receipt.attempts) == (4, 3)
    assert rig.times == [0.0, 20.0, 20.0]
    assert rig.pipeline.ledger == receipt


def test_a_first_attempt_may_take_all_the_time_there_is() -> None:
    rig = Rig([], timeout=60.0)
    rig.deliver(payload(), seconds=8)
    assert [attempt.timeout for attempt in rig.attempts] == [8.0]


def test_an_interrupt_in_the_second_turn_is_counted_once() -> None:
    def interrupt(sent: Payload, timeout: float) -> Outcome:
        raise KeyboardInterrupt

    rig = Rig([Throttled("http.throttled", "429", retry_after=20.0), Delivered(), interrupt])
    with pytest.raises(KeyboardInterrupt):
        rig.deliver(payload(2, "a"), payload(2, "b"), seconds=30)
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.delivered, ledger.dropped, ledger.kept) == (4, 2, 2, 0)
