"""Verification by counts, for points that cannot be told apart (a time-series index makes its own ids): sent and shown per metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from magictel.model.events import Waited
from magictel.model.verification import Counted, Unreadable, Verification
from magictel.plugin.exporter import Exporter
from magictel.verify.polling import Patience, poll

_MOST_METRICS = 10_000
_SHOWN = 50


class Tally:
    """The delivered points of a target without identity.

    `noted`: the number that the backend accepted with a note or did not confirm (it already had one with their dimensions and time):
    up to so many missing ones may be repetitions, and are unverified, not missing.
    """

    def __init__(self, exporter: Exporter[Any], noted: int) -> None:
        self._exporter, self._noted = exporter, noted
        self._metrics: dict[str, list[int]] = {}
        self._beyond = 0
        self._counted: list[Counted] = []
        self.trouble: Unreadable | None = None

    @property
    def points(self) -> int:
        """Return the number of points."""
        return self._beyond + sum(count for count, _, _ in self._metrics.values())

    def add(self, metric: str, time: int) -> None:
        """Count a point at `time` (Unix nanoseconds). Beyond ten thousand metrics, points are not counted by metric."""
        known = self._metrics.get(metric)
        if known is not None:
            known[0] += 1
            known[1], known[2] = min(known[1], time), max(known[2], time)
        elif len(self._metrics) < _MOST_METRICS:
            self._metrics[metric] = [1, time, time]
        else:
            self._beyond += 1

    def count(self, target: str, wait: Patience) -> Iterator[Waited]:
        """Query the counts until none is short or the time is over; then once more for duplicates."""
        best = {name: Counted(name, since, until, count) for name, (count, since, until) in self._metrics.items()}
        asked: list[Counted] = []

        def short() -> list[Counted]:
            return [metric for metric in best.values() if metric.shown is None or metric.shown < metric.expected]

        def question() -> Sequence[int] | Unreadable:
            asked[:] = short() or best.values()
            return self._exporter.readback.count(asked)

        def verdict(shown: Sequence[int]) -> bool:
            for metric, number in zip(asked, shown, strict=True):
                best[metric.metric] = replace(metric, shown=max(number, metric.shown or 0))
            return not short()

        for state in poll(question, verdict, bool, lambda _: True, wait) if best else ():
            self.trouble = state.trouble
            if not state.end:
                shown = sum(min(metric.shown or 0, metric.expected) for metric in best.values())
                message = f"{shown} of {self.points} points are counted"
                yield Waited(target, message, state.waited, wait.within)
        self._counted = list(best.values())

    def into(self, verification: Verification, unnamed: int = 0) -> Verification:
        """Merge the counts into the verification of the other points; if every count is exact, nothing is unverified.

        `unnamed`: the number of rejected points that the backend did not name.
        """
        if not self.points:
            return verification
        visible = missing = unsure = refused = 0
        gone: list[str] = []
        messages: list[str] = []
        forgiven = self._noted
        for count in self._counted:
            if count.shown is None:
                unsure += count.expected
                continue
            short = max(0, count.expected - count.shown)
            unseen = min(short, unnamed - refused)
            refused += unseen
            short -= unseen
            excused = min(short, forgiven)
            forgiven -= excused
            missing += short - excused
            visible += count.expected - unseen - short
            if short > excused:
                gone.append(f"{count.metric} ({short - excused} of {count.expected})")
            more = max(0, count.shown - count.expected)
            unsure += excused + min(more, count.expected)
            if more or excused:
                messages.append(f"{count.metric}: {count.shown} shown, {count.expected} sent")
        unasked = self.points - sum(count.expected for count in self._counted)
        merged = replace(
            verification,
            expected=verification.expected + self.points - refused,
            unnamed=verification.unnamed + refused,
            found=verification.found + visible,
            missing=verification.missing + missing,
            unverified=verification.unverified + unsure + unasked,
            missing_points=(*verification.missing_points, *gone)[:_SHOWN],
            identity="point" if verification.expected else "metric",
            counted=tuple(self._counted),
        )
        why = self._why(messages, unasked)
        if (
            why is None
            or verification.code is not None
            or missing
            or verification.missing
            or verification.altered
            or verification.duplicated
        ):
            return merged
        return replace(merged, code=why.code, message=why.message, remedy=why.remedy)

    def _why(self, messages: list[str], unasked: int) -> Unreadable | None:
        if self.trouble is not None:
            return self.trouble
        if messages:
            names = ", ".join(messages[:3]) + (", …" if len(messages) > 3 else "")
            return Unreadable(
                "verify.count", f"the backend shows a different number of points in this time range: {names}"
            )
        if not unasked:
            return None
        if self._beyond:
            return Unreadable("verify.unreadable", f"{self._beyond} points exceed the number of counted metrics")
        return Unreadable("verify.unsupported", "these points cannot be told apart")
