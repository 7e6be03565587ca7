"""A progress line on stderr that shows what is awaited and for how long; it disappears before the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from magictel.model.events import ReplayMoved, Waited
from magictel.model.finding import Rung
from magictel.reporters.humanize import span
from magictel.reporters.symbols import printable, writable

_CLEAR = "\r\x1b[2K"
_MARGIN = 3
"""Free columns at the end: a terminal appends ^C to the line, and a wrapped line is not cleared."""


class Progress:
    """A line that overwrites itself; without a stream it writes nothing. `now` returns monotonic seconds."""

    def __init__(self, stream: TextIO | None, width: int = 80, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._width = width
        self._now = now
        self._shown = False
        self._text: str | None = None
        self._since = 0.0
        self._climbs: dict[str, Rung] = {}
        self._moved: dict[str, ReplayMoved] = {}

    def show(self, waited: Waited) -> None:
        """Show `elasticsearch  health: the cluster is red  4 s of 60 s`."""
        of = "" if waited.of is None else f" of {waited.of:.0f} s"
        self._climbs.pop(waited.target, None)
        self.say(f"{waited.target}  {waited.message}", f"  {waited.seconds:.0f} s{of}")
        self._text = None

    def climb(self, target: str) -> None:
        """Note that a climb of this target begins."""
        self._climbs[target] = Rung.CONFIG
        self._await()

    def climbed(self, target: str, rung: Rung) -> None:
        """Note that a rung is done and the next one runs."""
        rungs = list(Rung)
        above = rungs.index(rung) + 1
        if above < len(rungs):
            self._climbs[target] = rungs[above]
        else:
            self._climbs.pop(target, None)
        self._await()

    def tick(self) -> None:
        """Show the elapsed time from the first full second on: `elasticsearch  health …  4 s`."""
        seconds = self._now() - self._since
        if self._text is not None and seconds >= 1:
            self._put(self._text, f" …  {seconds:.0f} s")

    def _await(self) -> None:
        under_way = [f"{target}  {rung}" for target, rung in self._climbs.items()]
        self._text, self._since = "   ".join(under_way) or None, self._now()

    def bar(self, moved: ReplayMoved) -> None:
        """Show `prod-es  ━━━━━━━╸    62 %  1.2 M points  410 k/s  rejected 3  18 s left`; for several targets a single bar."""
        if self._stream is None:
            return
        self._moved[moved.target] = moved
        every = list(self._moved.values())
        self._text = None
        self._put(_bar(moved) if len(every) == 1 else _together(every, self._width - _MARGIN), "")

    def say(self, text: str, tail: str = " …") -> None:
        """Show a sentence in the line, truncated to the terminal's width."""
        self._text, self._since = text, self._now()
        self._put(text, tail)

    def _put(self, text: str, tail: str) -> None:
        if self._stream is None:
            return
        room = max(10, self._width - _MARGIN - len(tail))
        text = printable(text.replace("\n", " "))
        line = (text if len(text) <= room else text[: room - 1] + "…") + tail
        self._write(_CLEAR + writable(line, getattr(self._stream, "encoding", None)))
        self._shown = True

    def clear(self) -> None:
        """Clear the line."""
        if self._shown:
            self._write(_CLEAR)
            self._shown = False

    def _write(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream, self._shown = None, False


_BAR = 16
_SHORT_BAR = 8
_SHORT_NAME = 12


def _bar(moved: ReplayMoved) -> str:
    parts = [moved.target]
    if moved.fraction is not None:
        parts += _part_done(moved.fraction, _BAR)
    parts += [f"{_short(moved.points)} points", f"{_short(moved.rate)}/s"]
    if moved.rejected:
        parts.append(f"rejected {moved.rejected}")
    if moved.left is not None and moved.points:  # no estimate before the first point is settled
        parts.append(f"{span(moved.left)} left")
    return "  ".join(parts)


def _together(every: list[ReplayMoved], room: int) -> str:
    """Return `━━━       31 %  18 s left  elasticsearch 44 k  6 k/s  opensearch 40 k  5 k/s`; if narrow, shorter."""
    last = every[-1]
    head = _part_done(last.fraction, _SHORT_BAR) if last.fraction is not None else []
    left = [progress.left for progress in every if progress.left is not None and progress.points]
    if left:
        head.append(f"{span(max(left))} left")
    line = ""
    for rate, name in ((True, 0), (False, 0), (False, _SHORT_NAME)):
        line = "  ".join([*head, *(_each(progress, rate, name) for progress in every)])
        if len(line) <= room:
            break
    return line


def _each(moved: ReplayMoved, rate: bool, cut: int) -> str:
    name = f"{moved.target[: cut - 1]}…" if 0 < cut < len(moved.target) else moved.target
    parts = [name, _short(moved.points)]
    if rate:
        parts.append(f"{_short(moved.rate)}/s")
    if moved.rejected:
        parts.append(f"rejected {_short(moved.rejected)}")
    return " ".join(parts)


def _part_done(fraction: float, width: int) -> list[str]:
    full = round(fraction * width)
    return ["━" * full + " " * (width - full), f"{fraction * 100:.0f} %"]


def _short(count: float) -> str:
    """Return `812`, `410 k` or `1.2 M`."""
    if count < 1_000:
        return f"{count:.0f}"
    return f"{count / 1_000:.0f} k" if count < 999_500 else f"{count / 1_000_000:.1f} M"
