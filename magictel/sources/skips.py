"""What of a recording is not sent, and why: counted by reason, with an example of each, so that points + skipped = all there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from magictel.model import validity
from magictel.model.events import SkippedReason
from magictel.model.validity import Problem
from magictel.sources.errors import SourceError

LOST_THRESHOLD = "zeroThreshold of an exponential histogram is not sent"
REPEATED_KEY = "two attributes of a point have one key: the last is sent"
UNREADABLE_IDENTIFIER = "an exemplar's traceId or spanId is neither hex nor base64"
_EXAMPLES = 3


@dataclass(slots=True)
class Skips:
    """The count of one recording. `go_on`: what cannot be read is counted; else its `SourceError` is raised."""

    go_on: bool = False
    ended: int = 0
    """Points whose series had ended: they have no value."""
    impossible: int = 0
    """Points that cannot be."""
    broken: int = 0
    """Lines that cannot be read."""
    examples: list[str] = field(default_factory=list)
    other_signals: Counter[str] = field(default_factory=Counter)
    """Lines of other signals, by the member that says so (`resourceSpans`)."""
    doubts: Counter[str] = field(default_factory=Counter)
    """Points that are sent and probably not as they were meant, by what is odd about them."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.reasons()))

    def clear(self) -> None:
        """Begin anew."""
        self.ended = self.impossible = self.broken = 0
        self.examples.clear()
        self.other_signals.clear()
        self.doubts.clear()

    def line(self, failure: SourceError) -> None:
        """A line cannot be read. Raises its error, unless errors are counted."""
        if failure.whole:
            raise failure
        self.record(lambda: failure)

    def record(self, error: Callable[[], SourceError]) -> None:
        """A line, or one of the records on it, cannot be read. `error` is called only where it is shown: to find a column takes time."""
        self.broken += 1
        self._show(error)

    def point(self, error: Callable[[], SourceError]) -> None:
        """A point cannot be, on a line that can be read."""
        self.impossible += 1
        self._show(error)

    def _show(self, error: Callable[[], SourceError]) -> None:
        if not self.go_on:
            raise error()
        if len(self.examples) < _EXAMPLES:
            self.examples.append(error().message)

    @property
    def lost(self) -> int:
        """Lines and points that could not be read."""
        return self.broken + self.impossible

    @property
    def clean(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.lost or self.reasons() or self.warnings())

    def reasons(self) -> tuple[SkippedReason, ...]:
        """Every reason with its count."""
        reasons = [
            SkippedReason("broken-line", self.broken, "line", "cannot be read", lost=True),
            SkippedReason("impossible-point", self.impossible, "point", "impossible", lost=True),
            SkippedReason("ended", self.ended, "point", "ended series (no recorded value)"),
        ]
        for member, lines in self.other_signals.items():
            reasons.append(SkippedReason("other-signal", lines, "line", f"{member}, not metrics"))
        return tuple(reason for reason in reasons if reason.count)

    def warnings(self) -> tuple[str, ...]:
        """What is sent, and probably not as it was meant."""
        return tuple(f"{doubt} ({count} point{'s' * (count > 1)})" for doubt, count in self.doubts.items())


class LineNotes:
    """What the points of one line are: gathered while it is decoded, and counted once it is known to be readable."""

    def __init__(self) -> None:
        self.ended = 0
        self.problems: list[tuple[str, str, Problem]] = []
        self.doubts: Counter[str] = Counter()

    def possible(self, path: str, name: str, problem: Problem | None, time: int, start: int) -> bool:
        """Whether a point at a path, of the metric `name`, can be sent; its times' problem counts first, then its own."""
        problem = validity.time(time, start) or problem
        if problem is not None:
            self.problems.append((path, name, problem))
            return False
        unit = validity.mistaken_unit(time)
        if unit is not None:
            self.doubts[f"times in 1970: written in {unit}? OTLP has nanoseconds"] += 1
        return True

    def settle(self, skips: Skips, error: Callable[[str, str, Problem], SourceError]) -> None:
        """Count all. Raises the error of the first point that cannot be, unless errors are counted."""
        for path, name, problem in self.problems:
            skips.point(lambda path=path, name=name, problem=problem: error(path, name, problem))  # type: ignore[misc]
        skips.ended += self.ended
        skips.doubts.update(self.doubts)
