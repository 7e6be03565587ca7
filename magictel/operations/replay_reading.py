"""Reading for a replay: options, the shift of timestamps, rounds, and the schedule of slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from magictel.clock import Clock
from magictel.errors import UsageError
from magictel.model.events import (
    SourceReport,
)
from magictel.sources.batching import SLICE, Gathering, Slice
from magictel.sources.errors import SourceError
from magictel.sources.filtering import Filter
from magictel.sources.recording import Batch, Recordings
from magictel.sources.times import Span

_SECOND = 1_000_000_000
_TICK = 0.2


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Options of a replay. `shift`: seconds, `keep` or `now`; `speed`: factor of the recorded speed, None for no limit.

    `deadline`: seconds for a payload; `within`: seconds until points must be visible (None: at least three times the backend's delay).
    """

    shift: float | str = "now"
    speed: float | None = None
    loop: int = 1
    from_point: int = 0
    filter: Filter = field(default_factory=lambda: Filter(()))
    deadline: float = 30.0
    timeout: float = 10.0
    force: bool = False
    verify: bool = False
    within: float | None = None
    timing: bool = False


class Reading:
    """Recordings to read: the shift of their timestamps in milliseconds, and the points of their slices.

    Determines the timestamps if needed. Raises `SourceError` and `UsageError`.
    """

    def __init__(self, recordings: Recordings, options: ReplayOptions, clock: Clock) -> None:
        self._recordings, self._options, self._clock = recordings, options, clock
        needed = options.shift == "now" or options.speed is not None or options.loop > 1
        self._span = recordings.span(options.filter if options.filter else None) if needed else Span()
        self.shift = self._shift()
        self.gathering = Gathering(options.from_point)

    def slices(self) -> Iterator[Slice]:
        """Return the slices, with the first one already read. Raise `SourceError` and `UsageError` if nothing can be sent."""
        cut = self._cut(self.gathering)
        first = next(cut, None)
        points, wanted = self.gathering.points, self._options.from_point
        if first is not None and wanted:  # series continue from what was sent before, which is read again
            self.gathering = Gathering(wanted, history=True)
            return self._cut(self.gathering)
        if first is not None:
            return chain((first,), cut)
        passing = " that matches the filter" if self._options.filter else ""
        names = ", ".join(self._recordings.names)
        skips = self._recordings.skips
        if not points and skips.lost:
            message = f"{names}: nothing can be read ({skips}): {skips.examples[0]}"
            raise SourceError("source.empty", message, None, whole=True)
        if not points:
            skipped = f" (skipped: {skips})" if skips.reasons() else ""
            raise SourceError("source.empty", f"{names} contains no point{passing}{skipped}", None, whole=True)
        if wanted > points:
            raise UsageError(
                "usage.run",
                f"--from-point {wanted}: there are {points} points" + passing.replace("matches", "match"),
                f"--from-point {points} is the end; remove it to send all",
            )
        return iter(())

    def again(self) -> Iterator[Slice]:
        """Return the same slices again."""
        return self._cut(Gathering(self._options.from_point, history=True))

    def paced(self, slices: Iterator[Slice]) -> Iterator[Slice]:
        """Yield each slice when it is due: at once, or at the recorded speed times `speed`."""
        speed = self._options.speed
        if speed is None:
            yield from slices
            return
        begin: float | None = None
        oldest = self._span.oldest + self.shift * 1_000_000 - (self._options.loop - 1) * self._period
        for piece in slices:
            if piece.sent_before:
                yield piece
                continue
            due = (piece.newest - oldest) / _SECOND / speed
            if begin is None:
                begin = self._clock.monotonic() - (due if self._options.from_point else 0.0)
            wait = begin + due - self._clock.monotonic()
            while wait > 0:
                self._clock.wait(min(wait, _TICK))
                wait = begin + due - self._clock.monotonic()
            yield piece

    def report(self) -> SourceReport:
        """Return the counts of what was read so far."""
        return SourceReport(
            tuple(self._recordings.names),
            self.gathering.points,
            self.gathering.series.value,
            self._recordings.skips.reasons(),
            self.shift / 1000,
            tuple(self._recordings.skips.examples),
            self._recordings.skips.warnings(),
        )

    @property
    def _period(self) -> int:
        """Return the nanoseconds from one round to the next."""
        return self._span.newest - self._span.oldest + _SECOND

    def _shift(self) -> int:
        """Return the shift of `now`: the last round's newest point gets its sending time, and none a later one."""
        given, span, speed = self._options.shift, self._span, self._options.speed
        if isinstance(given, float | int):
            return round(given * 1000)
        if given == "keep" or (given == "now" and not span.newest):
            return 0
        if given == "now":
            whole = span.newest - span.oldest + (self._options.loop - 1) * self._period
            takes = 0.0 if speed is None else whole / _SECOND / speed
            return int((self._clock.now() + takes) * 1000) - -(-span.newest // 1_000_000)
        raise UsageError("usage.shift", f"--shift {given}: use now, keep or a duration", "--shift now")

    def _cut(self, gathering: Gathering) -> Iterator[Slice]:
        return gathering.slices(self._rounds(), SLICE if self._options.speed is None else 1)

    def _rounds(self) -> Iterator[Batch]:
        """Yield rounds; the last one has the requested shift, the others precede it."""
        chosen = self._options.filter
        for number in range(self._options.loop):
            back = (self._options.loop - 1 - number) * self._period
            batches: Iterator[Batch] = self._recordings.batches(self.shift * 1_000_000 - back)
            yield from chosen(batches) if chosen else batches
