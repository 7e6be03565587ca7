"""Skipped points and lines of a recording, counted by reason with an example each, so that points + skipped = total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from magictel.model import validity
from magictel.model.events import SkippedReason
from magictel.model.validity import Problem
from magictel.sources.errors import SourceError

LOST_THRESHOLD = "zeroThreshold of an exponential histogram is not sent"
REPEATED_KEY = "two attributes of a point have the same key: the last one is sent"
UNREADABLE_IDENTIFIER = "an exemplar's traceId or spanId is neither hex nor base64"
_EXAMPLES = 3


@dataclass(slots=True)
class Skips:
    """The counts of a recording. `go_on`: count broken lines; otherwise raise their `SourceError`."""

    go_on: bool = False
    ended: int = 0
    """Points whose series had ended: they have no value."""
    impossible: int = 0
    """Invalid points."""
    broken: int = 0
    """Broken lines."""
    examples: list[str] = field(default_factory=list)
    other_signals: Counter[str] = field(default_factory=Counter)
    """Lines of other signals, by their member (`resourceSpans`)."""
    doubts: Counter[str] = field(default_factory=Counter)
    """Points that are sent but look wrong, by the reason."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.reasons()))

    def clear(self) -> None:
        """Reset all counts."""
        self.ended = self.impossible = self.broken = 0
        self.examples.clear()
        self.other_signals.clear()
        self.doubts.clear()

    def line(self, failure: SourceError) -> None:
        """Count a broken line, or raise its error."""
        if failure.whole:
            raise failure
        self.record(lambda: failure)

    def record(self, error: Callable[[], SourceError]) -> None:
        """Count a broken line or record, or raise its error. `error` is called only if it is shown, because it searches for the column."""
        self.broken += 1
        self._show(error)

    def point(self, error: Callable[[], SourceError]) -> None:
        """Count an invalid point on a valid line, or raise its error."""
        self.impossible += 1
        self._show(error)

    def _show(self, error: Callable[[], SourceError]) -> None:
        if not self.go_on:
            raise error()
        if len(self.examples) < _EXAMPLES:
            self.examples.append(error().message)

    @property
    def lost(self) -> int:
        """Return the number of broken lines and invalid points."""
        return self.broken + self.impossible

    @property
    def clean(self) -> bool:
        """Return whether nothing was skipped."""
        return not (self.lost or self.reasons() or self.warnings())

    def reasons(self) -> tuple[SkippedReason, ...]:
        """Return every reason with its count."""
        reasons = [
            SkippedReason("broken-line", self.broken, "line", "cannot be parsed", lost=True),
            SkippedReason("impossible-point", self.impossible, "point", "impossible", lost=True),
            SkippedReason("ended", self.ended, "point", "ended series (no recorded value)"),
        ]
        for member, lines in self.other_signals.items():
            reasons.append(SkippedReason("other-signal", lines, "line", f"{member}, not metrics"))
        return tuple(reason for reason in reasons if reason.count)

    def warnings(self) -> tuple[str, ...]:
        """Return messages about points that are sent but look wrong."""
        return tuple(f"{doubt} ({count} point{'s' * (count > 1)})" for doubt, count in self.doubts.items())


class LineNotes:
    """The counts of a line's points: collected during decoding, and counted if the whole line is valid."""

    def __init__(self) -> None:
        self.ended = 0
        self.problems: list[tuple[str, str, Problem]] = []
        self.doubts: Counter[str] = Counter()

    def possible(self, path: str, name: str, problem: Problem | None, time: int, start: int) -> bool:
        """Return whether to send a point of the metric `name` at a path; a problem with its times counts before its own."""
        problem = validity.time(time, start) or problem
        if problem is not None:
            self.problems.append((path, name, problem))
            return False
        unit = validity.mistaken_unit(time)
        if unit is not None:
            self.doubts[f"times in 1970: written in {unit}? OTLP has nanoseconds"] += 1
        return True

    def settle(self, skips: Skips, error: Callable[[str, str, Problem], SourceError]) -> None:
        """Count everything, or raise the error of the first invalid point."""
        for path, name, problem in self.problems:
            skips.point(lambda path=path, name=name, problem=problem: error(path, name, problem))  # type: ignore[misc]
        skips.ended += self.ended
        skips.doubts.update(self.doubts)
