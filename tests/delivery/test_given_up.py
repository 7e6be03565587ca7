"""What is given up is reported exactly once, with the positions of its points, whatever way it went."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from magictel.delivery.batch import Batch
from magictel.encoding.payload import Payload
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial, Rejected, TooLarge, Unavailable
from tests.delivery.rig import REFUSED, Rig, payload


def batch(number: int, *counts: int) -> Batch:
    """Payloads of so many points; all points of the collection `number` have positions of their own."""
    starts = [0, *itertools.accumulate(counts)]
    parts = [
        replace(payload(count, f"{number}-"), at=range(start, start + count), batch=number)
        for count, start in zip(counts, starts, strict=False)
    ]
    return Batch(parts, sum(counts))


def positions(rig: Rig) -> Counter[tuple[int, int]]:
    return Counter((gone.batch, position) for gone in rig.given_up for position in gone.positions)


def interrupt(sent: Payload, timeout: float) -> Outcome:
    raise KeyboardInterrupt


def bug(sent: Payload, timeout: float) -> Outcome:
    raise ValueError


def step(dice: random.Random) -> Any:
    busy = ItemVerdict("x.busy", "later")
    return dice.choice(
        [
            Delivered(),
            REFUSED,
            Unavailable("x.cut", "cut", maybe_stored=True),
            TooLarge("x.large", "large"),
            Rejected("x.bad", "bad"),
            lambda sent, _: Partial({}, {0: busy}),
            lambda sent, _: Partial(retry=dict.fromkeys(range(sent.points), busy)),
            bug,
        ]
    )


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_each_point_that_counts_as_dropped_is_reported_once(seed: int, in_order: bool, in_flight: int) -> None:
    dice = random.Random(seed)
    script = [step(dice) for _ in range(dice.randint(5, 60))]
    rig = Rig(script, in_flight=in_flight, in_order=in_order, outbox_points=12, retry_budget=0.2, breaker_failures=3)
    for number in range(1, 8):
        lot = batch(number, *(dice.randint(1, 6) for _ in range(dice.randint(1, 4))))
        now = rig.clock.monotonic()
        if dice.random() < 0.5:
            rig.pipeline.deliver(lot, now + 1.0)
        else:
            rig.pipeline.export(lot, now + 0.2, now + 1.0)
        rig.clock.wait(dice.choice([0.0, 40.0]))
    rig.pipeline.close()
    ledger = rig.pipeline.ledger
    assert ledger.balanced
    assert ledger.kept == 0
    reported = positions(rig)
    assert set(reported.values()) <= {1}
    assert sum(reported.values()) == ledger.dropped


def test_what_an_export_pushes_out_itself_is_reported_once() -> None:
    rig = Rig([REFUSED] * 9, outbox_points=3, breaker_failures=1, breaker_cooldown=999)
    rig.pipeline.export(batch(1, 2, 2), rig.clock.monotonic())
    assert positions(rig) == {(1, 0): 1, (1, 1): 1}


def test_what_was_being_tried_again_at_an_interrupt_is_reported_and_perhaps_stored() -> None:
    rig = Rig([REFUSED, REFUSED, interrupt], breaker_failures=99)
    rig.pipeline.export(batch(1, 2, 3), rig.clock.monotonic())
    with pytest.raises(KeyboardInterrupt):
        rig.pipeline.export(batch(2, 1), rig.clock.monotonic() + 1)
    assert positions(rig) == dict.fromkeys([(1, at) for at in range(5)], 1)
    assert all(gone.attempted for gone in rig.given_up)


def test_what_was_being_sent_at_an_interrupt_is_reported_as_perhaps_stored() -> None:
    rig = Rig([Delivered(), interrupt])
    with pytest.raises(KeyboardInterrupt):
        rig.pipeline.deliver(batch(1, 2, 3), rig.clock.monotonic() + 1)
    assert positions(rig) == dict.fromkeys([(1, at) for at in (2, 3, 4)], 1)
    assert all(gone.attempted for gone in rig.given_up)
    assert rig.pipeline.ledger.dropped == 3


def test_a_listener_that_fails_costs_nothing() -> None:
    rig = Rig([REFUSED] * 9)

    def fails(gone: Payload) -> None:
        raise ValueError

    rig.pipeline._given_up = fails
    assert rig.deliver(payload(2), seconds=0.1).dropped == 2
