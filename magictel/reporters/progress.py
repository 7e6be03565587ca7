"""One line on stderr that says what is awaited, and is gone before the result comes."""

from __future__ import annotations

from typing import TextIO

from magictel.events import ReplayMoved, Waited
from magictel.reporters.figures import span
from magictel.reporters.signs import printable, writable

_CLEAR = "\r\x1b[2K"


class Progress:
    """A line that is written over; with no stream it says nothing."""

    def __init__(self, stream: TextIO | None, width: int = 80) -> None:
        self._stream = stream
        self._width = width
        self._shown = False
        self._bars: dict[str, str] = {}

    def show(self, waited: Waited) -> None:
        """`elasticsearch  health: the cluster is red  4 s of 60 s`."""
        of = "" if waited.of is None else f" of {waited.of:.0f} s"
        self.say(f"{waited.target}  {waited.message}", f"  {waited.seconds:.0f} s{of}")

    def bar(self, moved: ReplayMoved) -> None:
        """`prod-es  ━━━━━━━╸    62 %  1.2 M points  410 k/s  rejected 3  18 s left`; a part for each target."""
        if self._stream is None:
            return
        self._bars[moved.target] = _bar(moved)
        self.say(" | ".join(self._bars.values()), "")

    def say(self, text: str, tail: str = " …") -> None:
        """Put a sentence into the line, cut to the terminal's width."""
        if self._stream is None:
            return
        room = max(10, self._width - 1 - len(tail))
        text = printable(text.replace("\n", " "))
        line = (text if len(text) <= room else text[: room - 1] + "…") + tail
        self._write(_CLEAR + writable(line, getattr(self._stream, "encoding", None)))
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
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


def _bar(moved: ReplayMoved) -> str:
    parts = [moved.target]
    if moved.fraction is not None:
        full = round(moved.fraction * _BAR)
        parts += ["━" * full + " " * (_BAR - full), f"{moved.fraction * 100:.0f} %"]
    parts += [f"{_short(moved.points)} points", f"{_short(moved.rate)}/s"]
    if moved.rejected:
        parts.append(f"rejected {moved.rejected}")
    if moved.left is not None:
        parts.append(f"{span(moved.left)} left")
    return "  ".join(parts)


def _short(count: float) -> str:
    """`812`, `410 k`, `1.2 M`."""
    if count < 1_000:
        return f"{count:.0f}"
    return f"{count / 1_000:.0f} k" if count < 999_500 else f"{count / 1_000_000:.1f} M"
