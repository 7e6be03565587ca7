"""Points without an identity are counted until none is short: a count that was asked for too early proves no loss."""

from __future__ import annotations

from typing import Any

from magictel.model.verification import Counted
from magictel.verify.counts import Tally
from magictel.verify.polling import Patience
from tests.fake_clock import FakeClock


class Slow:
    """Takes a minute for each count, and counts nothing in the first."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked = 0
        self.readback = self

    def count(self, metrics: list[Counted]) -> list[int]:
        self.clock.wait(60.0)
        self.asked += 1
        return [metric.expected if self.asked > 1 else 0 for metric in metrics]


def test_a_count_that_began_before_the_time_was_over_is_not_the_last() -> None:
    clock = FakeClock()
    exporter: Any = Slow(clock)
    tally = Tally(exporter, 0)
    tally.add("orders", 1)
    list(tally.count("t", Patience(clock, clock.monotonic(), 5.0, 1.0, 0.25)))
    assert exporter.asked > 1
    assert tally._counted[0].shown == 1
