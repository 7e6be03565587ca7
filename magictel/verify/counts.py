"""Points that nothing tells apart (a time-series index makes its own ids): counted for each metric, and held against what is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from magictel.model.events import Waited
from magictel.model.verification import Counted, Unreadable, Verification
from magictel.plugin.exporter import Exporter
from magictel.verify.polling import Patience, poll

_MOST_METRICS = 10_000
_SHOWN = 50


class Tally:
    """The points of one target that were delivered and have no identity.

    `noted`: how many the backend took with a note or did not confirm (it held one with their dimensions and time): where fewer are
    shown, so many may be the same point once more, and are unverified, not missing.
    """

    def __init__(self, exporter: Exporter[Any], noted: int) -> None:
        self._exporter, self._noted = exporter, noted
        self._metrics: dict[str, list[int]] = {}
        self._beyond = 0
        self._counted: list[Counted] = []
        self.trouble: Unreadable | None = None

    @property
    def points(self) -> int:
        """How many points there are."""
        return self._beyond + sum(count for count, _, _ in self._metrics.values())

    def add(self, metric: str, time: int) -> None:
        """One point more, at `time` (Unix nanoseconds). Beyond ten thousand metrics points are not counted by metric."""
        known = self._metrics.get(metric)
        if known is not None:
            known[0] += 1
            known[1], known[2] = min(known[1], time), max(known[2], time)
        elif len(self._metrics) < _MOST_METRICS:
            self._metrics[metric] = [1, time, time]
        else:
            self._beyond += 1

    def count(self, target: str, wait: Patience) -> Iterator[Waited]:
        """Ask how many are shown until none is short or time is over; and once more for doubles."""
        best = {name: Counted(name, since, until, count) for name, (count, since, until) in self._metrics.items()}
        asked: list[Counted] = []

        def short() -> list[Counted]:
            return [metric for metric in best.values() if metric.shown is None or metric.shown < metric.expected]

        def question() -> Sequence[int] | Unreadable:
            asked[:] = short() or best.values()
            return self._exporter.count(asked)

        def verdict(shown: Sequence[int]) -> bool:
            for metric, number in zip(asked, shown, strict=True):
                best[metric.metric] = replace(metric, shown=max(number, metric.shown or 0))
            return not short()

        for state in poll(question, verdict, bool, lambda _: True, wait) if best else ():
            self.trouble = state.trouble
            if not state.end:
                shown = sum(min(metric.shown or 0, metric.expected) for metric in best.values())
                told = f"{shown} of {self.points} points are counted"
                yield Waited(target, told, state.waited, wait.within)
        self._counted = list(best.values())

    def into(self, made: Verification, unnamed: int = 0) -> Verification:
        """What the points told apart gave, with the counts; where every count is exact, nothing is unverified.

        `unnamed`: so many were refused, and nobody knows which.
        """
        if not self.points:
            return made
        found = missing = unsure = refused = 0
        gone: list[str] = []
        said: list[str] = []
        forgiven = self._noted
        for one in self._counted:
            if one.shown is None:
                unsure += one.expected
                continue
            short = max(0, one.expected - one.shown)
            unseen = min(short, unnamed - refused)
            refused += unseen
            short -= unseen
            excused = min(short, forgiven)
            forgiven -= excused
            missing += short - excused
            found += one.expected - unseen - short
            if short > excused:
                gone.append(f"{one.metric} ({short - excused} of {one.expected})")
            more = max(0, one.shown - one.expected)
            unsure += excused + min(more, one.expected)
            if more or excused:
                said.append(f"{one.metric}: {one.shown} shown, {one.expected} sent")
        unasked = self.points - sum(one.expected for one in self._counted)
        told = replace(
            made,
            expected=made.expected + self.points - refused,
            unnamed=made.unnamed + refused,
            found=made.found + found,
            missing=made.missing + missing,
            unverified=made.unverified + unsure + unasked,
            missing_points=(*made.missing_points, *gone)[:_SHOWN],
            identity="point" if made.expected else "metric",
            counted=tuple(self._counted),
        )
        why = self._why(said, unasked)
        if why is None or made.code is not None or missing or made.missing or made.altered or made.duplicated:
            return told
        return replace(told, code=why.code, message=why.message, remedy=why.remedy)

    def _why(self, said: list[str], unasked: int) -> Unreadable | None:
        if self.trouble is not None:
            return self.trouble
        if said:
            names = ", ".join(said[:3]) + (", …" if len(said) > 3 else "")
            return Unreadable("verify.count", f"the backend shows another number of points in this time: {names}")
        if not unasked:
            return None
        if self._beyond:
            return Unreadable("verify.unreadable", f"{self._beyond} points are of more metrics than are counted")
        return Unreadable("verify.unsupported", "these points have nothing that tells one from another")
