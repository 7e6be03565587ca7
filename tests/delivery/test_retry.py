"""What retry makes of each verdict, to the point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from magictel.encoding.payload import Payload
from magictel.model.outcome import (
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
    Unconfirmed,
)
from tests.delivery.rig import REFUSED, Rig, payload

NO = ItemVerdict("es.write.queue-full", "queue full")
BAD = ItemVerdict("es.write.mapping-type", "no such type", "field x")
VAGUE = ItemVerdict("es.write.no-verdict", "nothing was said of it", maybe_stored=True)
TWICE = ItemVerdict("es.write.duplicate", "stored before")
LOST = Unavailable("net.http.read-timeout", "no answer in time", maybe_stored=True)


@pytest.mark.parametrize(
    ("script", "counts", "reasons"),
    [
        ([Delivered()], (4, 0, 0), []),
        ([Delivered({1: TWICE})], (4, 0, 0), [Reason(TWICE.code, TWICE.message, 1, Fate.DELIVERED)]),
        ([Rejected("http.refused", "400")], (0, 4, 0), [Reason("http.refused", "400", 4, Fate.REJECTED)]),
        (
            [Partial({0: BAD, 3: BAD})],
            (2, 2, 0),
            [Reason(BAD.code, BAD.message, 2, Fate.REJECTED, "field x")],
        ),
        (
            [Partial({0: BAD}, {1: NO, 2: NO}, {3: TWICE}), Partial({0: BAD}, {1: NO})],
            (2, 2, 0),
            [
                Reason(BAD.code, BAD.message, 2, Fate.REJECTED, "field x"),
                Reason(TWICE.code, TWICE.message, 1, Fate.DELIVERED),
            ],
        ),
        (
            [Partial({}, {1: VAGUE, 2: NO}), Partial({0: BAD, 1: BAD})],
            (2, 2, 0),
            [Reason(BAD.code, BAD.message, 2, Fate.REJECTED, "field x", maybe_stored=True)],
        ),
        ([TooLarge("http.too-large", "413")] * 7, (0, 4, 0), [Reason("http.too-large", "413", 4, Fate.REJECTED)]),
        ([REFUSED] * 99, (0, 0, 4), [Reason(REFUSED.code, REFUSED.message, 4, Fate.DROPPED)]),
        ([LOST] * 99, (0, 0, 4), [Reason(LOST.code, LOST.message, 4, Fate.DROPPED, maybe_stored=True)]),
        (
            [LOST, Rejected("http.refused", "400")],
            (0, 4, 0),
            [Reason("http.refused", "400", 4, Fate.REJECTED, maybe_stored=True)],
        ),
        ([LOST, *[REFUSED] * 99], (0, 0, 4), [Reason(REFUSED.code, REFUSED.message, 4, Fate.DROPPED, maybe_stored=True)]),
    ],
    ids=[
        "delivered", "duplicate of our own", "rejected", "items rejected", "shrinks twice", "vague about an item",
        "one item is too large", "never answered", "never known", "rejected after an unknown end", "refused after an unknown end",
    ],
)  # fmt: skip
def test_every_verdict_is_counted(script: list[Outcome], counts: tuple[int, int, int], reasons: list[Reason]) -> None:
    rig = Rig(script, breaker_failures=4)
    receipt = rig.deliver(payload(4))
    assert (receipt.delivered, receipt.rejected, receipt.dropped) == counts
    assert list(receipt.reasons) == reasons
    assert receipt.balanced
    assert receipt.attempts == len(rig.attempts)
    assert receipt.bytes == sum(map(len, rig.bodies))


FOREIGN = Unconfirmed("es.write.no-verdict", "200 without item verdicts", "{}")


def test_a_success_that_does_not_confirm_is_counted_as_neither_delivered_nor_lost() -> None:
    rig = Rig([FOREIGN, Partial({0: BAD}, {1: NO}, unconfirmed={3: VAGUE})])
    receipt = rig.deliver(payload(2, "a"), payload(4, "b"))
    assert (receipt.delivered, receipt.unconfirmed, receipt.rejected, receipt.dropped) == (2, 3, 1, 0)
    assert receipt.balanced
    assert receipt.readable == 5
    unconfirmed = [reason for reason in receipt.reasons if reason.fate is Fate.UNCONFIRMED]
    assert [(reason.code, reason.count, reason.maybe_stored) for reason in unconfirmed] == [(FOREIGN.code, 3, True)]
    assert len(rig.attempts) == 3  # only the item with a full queue was sent again


def test_a_payload_whose_end_is_unknown_says_so_when_it_is_tried_again() -> None:
    rig = Rig([REFUSED, LOST, Throttled("http.throttled", "429")], breaker_failures=9)
    rig.deliver(payload())
    assert [attempt.attempted for attempt in rig.attempts] == [False, False, True, True]


def test_refused_items_are_handed_over_by_their_positions() -> None:
    rig = Rig([Partial({1: BAD, 3: BAD})])
    seen: list[tuple[list[int], ItemVerdict]] = []
    sent = replace(payload(4), at=(10, 20, 30, 40))
    from tests.delivery.rig import lot

    rig.pipeline.deliver(lot(sent), 30.0, lambda at, verdict: seen.append((list(at), verdict)))
    assert seen == [([20, 40], BAD)]


def test_a_bug_in_judge_costs_its_payload_only_and_says_that_it_is_one() -> None:
    def bug(sent: Payload, timeout: float) -> Outcome:
        raise KeyError("items")

    rig = Rig([bug])
    receipt = rig.deliver(payload(2, "a"), payload(3, "b"))
    assert (receipt.delivered, receipt.dropped) == (3, 2)
    assert [(reason.code, reason.maybe_stored) for reason in receipt.reasons] == [("internal.export", True)]
    assert "KeyError" in receipt.reasons[0].message


@pytest.mark.parametrize(
    "nonsense",
    [
        Partial({9: BAD}),
        Partial({}, {4: NO}),
        Partial({0: BAD}, {0: NO}),
        Partial({-1: BAD}),
        Partial({0: BAD}, unconfirmed={0: VAGUE}),
    ],
)
def test_verdicts_on_items_that_are_not_there_are_a_bug_and_break_no_count(nonsense: Partial) -> None:
    receipt = Rig([nonsense]).deliver(payload(4))
    assert receipt.balanced
    assert (receipt.dropped, receipt.reasons[0].code) == (4, "internal.export")


def test_a_bug_during_the_half_open_trial_does_not_keep_the_breaker_open_for_ever() -> None:
    def bug(sent: Payload, timeout: float) -> Outcome:
        raise KeyError("items")

    rig = Rig([REFUSED, bug], breaker_failures=1, breaker_cooldown=30)
    rig.export(payload(name="a"))
    rig.clock.pass_time(31)
    rig.export(payload(name="b"))
    rig.export(payload(name="c"))
    assert rig.pipeline.ledger.delivered == 2


def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    rig = Rig([Throttled("http.throttled", "429", retry_after=60.0)] * 9)
    receipt = rig.deliver(payload(2), seconds=10)
    assert (receipt.attempts, receipt.dropped, rig.clock.waits) == (1, 2, [])


def test_a_retry_is_given_no_more_time_than_is_left() -> None:
    rig = Rig([REFUSED] * 6, backoff_initial=1.0, breaker_failures=99, timeout=10.0)
    rig.deliver(payload(), seconds=6)
    assert all(attempt.timeout <= 6 - attempt.at for attempt in rig.attempts)
    assert all(attempt.timeout >= 0.05 for attempt in rig.attempts), (
        "less than that ends as perhaps stored, for nothing"
    )


def test_delivery_without_time_makes_one_attempt_and_leaves_the_rest() -> None:
    rig = Rig([REFUSED])
    receipt = rig.deliver(payload(2, "a"), payload(2, "b"), seconds=0)
    assert len(rig.attempts) == 1
    assert {(reason.code, reason.count) for reason in receipt.reasons} == {(REFUSED.code, 2), ("delivery.deadline", 2)}


def test_a_collection_larger_than_the_time_for_retries_is_sent_as_long_as_the_backend_answers() -> None:
    def steady(sent: Payload, timeout: float) -> Outcome:
        rig.clock.pass_time(0.5)
        return Delivered()

    rig = Rig([steady] * 99)
    receipt = rig.export(*(payload(name=f"{n:02d}") for n in range(30)), seconds=2.0, end=10.0)
    assert 18 <= receipt.delivered <= 20
    assert receipt.delivered + receipt.kept == 30
    assert rig.clock.monotonic() <= 10.5


def test_a_rate_limit_that_does_not_fit_gives_its_token_and_its_trial_back() -> None:
    rig = Rig([], rate_limit=0.5)
    receipt = rig.deliver(payload(name="a"), payload(name="b"), seconds=1)
    assert (receipt.delivered, receipt.dropped) == (1, 1)
    assert receipt.reasons[0].code == "delivery.rate-limit"
    rig.clock.pass_time(2)
    assert rig.deliver(payload(name="c")).delivered == 1


def test_halves_keep_order_and_the_knowledge_that_they_may_be_stored() -> None:
    rig = Rig([LOST, TooLarge("http.too-large", "413")])
    sent = payload(5)
    assert rig.deliver(sent).delivered == 5
    assert b"".join(rig.bodies[2:]) == sent.body
    assert [attempt.attempted for attempt in rig.attempts] == [False, True, True, True]


def test_items_are_found_by_their_sizes_where_the_encoder_knows_them() -> None:
    known = replace(payload(4), sizes=(8, 8, 16), points=3)
    rig = Rig([Partial({0: BAD}, {2: NO})])
    receipt = rig.deliver(known)
    assert rig.bodies[1] == known.body[16:]
    assert (receipt.delivered, receipt.rejected) == (2, 1)
