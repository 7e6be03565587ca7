"""Laws on counts: results per item, repeats, and a ledger that matches the stored points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Need, points, require
from magictel.conformance.laws.faults import fates
from magictel.model.outcome import Fate, ItemVerdict, Receipt
from magictel.verify.sample import expected_points

LAWS = LawRegistry(Need.PUSH)


@LAWS.law("partial.items", Need.ITEMS, Need.READ_BACK)
def items(case: Case) -> None:
    """With a partial reply, each item has its own result."""
    exporter = case.exporter()
    total = Receipt()
    expected = []
    for turn, kind in enumerate(case.stage.item_errors):
        case.script(f"partial 40% {kind} x1")
        data = case.collection(10, first=10 * turn)
        total += exporter.deliver(data, seconds=300.0)
        expected += case.expected(exporter, data)
        case.clock.wait(120.0)
    stored = case.stored(exporter, expected)
    counted = points(total.delivered, "counts", "count")
    require(total.balanced, "the receipt of a partial reply does not add up")
    require(
        total.delivered == stored,
        f"{counted} as delivered, but the backend shows {stored}, after partial replies",
    )


@LAWS.law("partial.blame", Need.ITEMS, Need.READ_BACK)
def blames(case: Case) -> None:
    """The items that a partial reply blames are those that the backend lacks."""
    exporter = case.exporter()
    for turn, kind in enumerate(case.stage.item_errors):
        case.script(f"partial 40% {kind} x1")
        prepared = exporter.prepare(case.collection(10, first=10 * turn))
        refused: set[int] = set()

        def blame(positions: Sequence[int], _: ItemVerdict, to: set[int] = refused) -> None:
            to.update(positions)

        exporter.deliver(prepared, seconds=300.0, on_refused=blame)
        case.clock.wait(120.0)
        expected, blamed = expected_points(exporter, prepared, refused)
        wrongly = {point.key for point in case.look(exporter, expected)}.intersection(blamed)
        require(not wrongly, f"after {kind} {points(len(wrongly), 'is', 'are')} blamed, but the backend stored them")


@LAWS.law("partial.only-refused", Need.ITEMS)
def only_refused(case: Case) -> None:
    """After a partial reply, only rejected items are sent again."""
    for turn, kind in enumerate(case.stage.item_errors):
        case.script(f"partial 5% {kind} x1")
        before = len(case.writes())
        data = case.collection(40, first=40 * turn)
        case.exporter().deliver(data, seconds=300.0)
        sizes = [len(write.body) for write in case.writes()[before:]]
        require(
            len(sizes) < 2 or sizes[1] <= 0.7 * sizes[0],
            f"after {kind} for a twentieth of the items, a request of the same size was sent again",
        )


@LAWS.law("ids.no-duplicates", Need.REPLIES, Need.READ_BACK)
def no_duplicates(case: Case) -> None:
    """A request whose reply was lost after storage is not stored twice."""
    case.script("reset-after, then truncated")
    exporter = case.exporter()
    data = case.collection(9)
    exporter.deliver(data)
    counted = Counter(point.key for point in case.look(exporter, case.expected(exporter, data)))
    twice = sum(count > 1 for count in counted.values())
    require(not twice, f"{points(twice, 'is', 'are')} shown more than once after lost replies")


@LAWS.law("ledger.identity", Need.AWAY, Need.STORED)
def identity(case: Case) -> None:
    """The ledger matches the stored points, whatever fails."""
    exporter = case.exporter(max_batch_points=case.dice.choice((4, 9, 100)), timeout=0.3)
    expected: list[Any] = []
    sent = 0
    for _ in range(6):
        _mishap(case)
        size = case.dice.randint(1, 12)
        data = case.collection(size, first=sent)
        sent += size
        expected += case.expected(exporter, data)
        if case.dice.random() < 0.5:
            exporter.export(data, timeout_millis=2000)
        else:
            exporter.deliver(data, seconds=2.0)
        case.clock.wait(61.0)
    case.back()
    exporter.shutdown(3000)
    ledger = exporter.ledger
    delivered = case.accepted(ledger)
    stored = case.stored(exporter, expected) or 0
    unsettled = [
        fate for fate in Fate if fate is not Fate.DELIVERED and (exporter.confirms or fate is not Fate.UNCONFIRMED)
    ]
    unknown = sum(reason.count for reason in ledger.reasons if reason.maybe_stored and reason.fate in unsettled)
    counted = points(delivered, "counts", "count")
    require(ledger.balanced, f"the ledger does not add up: {fates(ledger)} of {ledger.sent}")
    require(ledger.sent == sent, f"{points(sent, 'was', 'were')} sent, the ledger says {ledger.sent}")
    require(ledger.kept == 0, f"{points(ledger.kept, 'counts', 'count')} as kept after shutdown")
    require(
        delivered <= stored <= delivered + unknown,
        f"{counted} as delivered (and {unknown} possibly stored), but the backend shows {stored}",
    )


def _mishap(case: Case) -> None:
    """Set random faults: some that pass by themselves, or one of those that last, or none."""
    passing = case.stage.faults.get("passes", ())
    if passing:
        case.script(", then ".join(case.dice.choice(passing) for _ in range(case.dice.randint(1, 3))))
        return
    case.back()
    case.script(case.dice.choice(["ok", *case.stage.faults["refuses"]]))
