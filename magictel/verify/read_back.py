"""Reads a sample back: asks the backend until it shows every point, and compares."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from magictel.clock import Clock
from magictel.model.events import Event, Waited
from magictel.model.metrics import Series
from magictel.model.outcome import Receipt
from magictel.model.verification import Expected, SampleQuery, Unreadable, Verification, verify
from magictel.plugin.exporter import Exporter
from magictel.sources.sample import Sample
from magictel.verify.asking import ask
from magictel.verify.visibility import POLL, too_slow, wait_time


def expected_points(exporter: Exporter[Any], run: Sample) -> list[Expected]:
    """Return every point that is not withheld, as the backend should show it."""
    expected = []
    for group in exporter.prepared(run.data):
        for point in group.points:
            shown = exporter.expect(Series(group.stream, point.attributes or {}), point)
            if shown is not None:
                expected.append(shown)
    return expected


def read_back(
    exporter: Exporter[Any],
    target: str,
    run: Sample,
    expected: list[Expected],
    gone: Collection[str | None],
    receipt: Receipt,
    within: float | None,
    clock: Clock,
    tell: Callable[[Event], None],
) -> Verification:
    """Query until every expected point is shown, or `within` seconds are over (None: at least three times the backend's delay).

    Points in `gone` were refused or given up: some may have arrived, and none is missing. What `receipt` counts as refused without a name
    may be any of those expected.
    """
    accepted = clock.monotonic()
    query = SampleQuery(run.run_id, run.since, run.until, tuple(expected))
    unnamed = receipt.unnamed
    delivered = max(0, len(expected) - unnamed)
    delay = ask(exporter.visible_delay)
    if isinstance(delay, Unreadable):
        return _unverified(delivered, delay)
    within = wait_time(delay, within)
    slow = too_slow(delay, within, "magictel send-sample")
    if slow is not None:
        return _unverified(delivered, slow)
    trouble: Unreadable | None = None
    answered = False
    visible: float | None = None
    best = Verification(len(expected), 0, len(expected), missing_points=tuple(point.point for point in expected))
    best = best.excusing(unnamed)
    while True:
        shown = ask(exporter.seen, query)
        waited = clock.monotonic() - accepted
        if isinstance(shown, Unreadable):
            trouble = shown
        else:
            answered = True
            others = [point for point in shown if point.key not in gone]
            best = verify(expected, others, exporter.declared).excusing(unnamed)
            if not best.missing:
                if visible is not None or not (
                    best.altered or best.unverified or best.duplicated or receipt.attempts > 1
                ):
                    return replace(best, time_to_visible=waited if visible is None else visible)
                # A point may be shown before all of it is, and its second copy after the first: look once more.
                visible = waited
                clock.wait(max(delay, POLL))
                continue
        if waited >= within or (trouble is not None and not answered and trouble.final):
            break
        tell(Waited(target, f"{best.found} of {best.expected} points are visible", waited, within))
        clock.wait(min(POLL, max(0.01, within - waited)))
    if not answered and trouble is not None:
        return _unverified(delivered, trouble)
    return best


def _unverified(expected: int, why: Unreadable) -> Verification:
    return Verification(expected, unverified=expected, code=why.code, message=why.message, remedy=why.remedy)
