"""Layout of text reports: rows with a fixed lead, text that wraps below itself, and a number at the right.

With a width (a terminal) rows wrap and numbers line up; without one (a pipe, a file) nothing wraps and the number follows the text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import TextIO

from magictel.model.finding import Status
from magictel.reporters.humanize import bound
from magictel.reporters.remedies import COMMANDS
from magictel.reporters.symbols import STYLES, printable, symbols_for, writable

Part = tuple[str, str]
"""A text and its style: empty, or a style of rich (`bold red`)."""
Paint = Callable[[str, str], str]

_WIDEST = 100
"""Beyond this width, a number at the right edge is too far from its text."""
_NARROWEST = 40
_OPTION = re.compile(r"(?<=--set) (?=\w+=)")
"""A space within text that is copied as a whole. It stays a plain space, as shells require."""
_BOUND = "\x1f"
"""Placeholder for a space at which no line breaks: one column wide, and absent from all shown text."""


class Sheet:
    """Rows of text on a stream. If the reader closes the stream, the rest is silently discarded.

    `paint` applies a style to a text (default: unchanged), `cells` returns the width of a text in columns.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        width: int | None = None,
        paint: Paint = lambda text, style: text,
        cells: Callable[[str], int] = len,
    ) -> None:
        self._stream = stream
        self._width = None if width is None else max(_NARROWEST, min(width, _WIDEST))
        self._paint = paint
        self._cells = cells
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._symbols = symbols_for(self._encoding)
        self.live = width is not None
        """Return whether rows appear at once: on a terminal."""
        self.broken = False
        self.failed: Callable[[OSError], None] = lambda failure: None
        """Called when the stream fails for a reason other than a closed pipe."""

    def signed(self, status: Status) -> list[Part]:
        """Return the beginning of a row: the sign of a status between spaces."""
        return [("  ", ""), (self._symbols[status], STYLES[status]), (" ", "")]

    def row(
        self, lead: Sequence[Part], text: str = "", right: str = "", *, style: str = "", hang: int | None = None
    ) -> None:
        """Write a row: the lead unchanged, the text wrapped below its own first column (or `hang`), `right` at the right edge."""
        lead = [(self._clean(part), how) for part, how in lead]
        text, right = self._clean(text), self._clean(right)
        before = sum(self._cells(part) for part, _ in lead)
        lines = self._wrapped(text, before, right, before if hang is None else hang)
        first = "".join(self._painted(part, how) for part, how in lead) + self._painted(lines[0], style)
        if right:
            gap = 2 if self._width is None else self._width - before - self._cells(lines[0]) - self._cells(right)
            first += " " * max(2, gap) + self._painted(right, "dim")
        self._write(first.rstrip())
        for line in lines[1:]:
            self._write(" " * (before if hang is None else hang) + self._painted(line, style))

    def note(self, indent: int, text: str, label: str = "", style: str = "") -> None:
        """Write a sentence below a row; a command in it stays on one line, to be copied."""
        lead = " " * indent + label
        if self._width is not None and text.startswith(COMMANDS):
            self._write(lead + self._painted(self._clean(text), style))
            return
        self.row([(lead, "")], text, style=style, hang=indent + len(label) + (0 if label else 2))

    def verbatim(self, text: str) -> None:
        """Write a line without wrapping."""
        self._write(self._clean(text))

    def blank(self) -> None:
        """Write an empty line."""
        self._write("")

    def flush(self) -> None:
        """Flush the buffer."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as failure:
            self._break(failure)

    def _wrapped(self, text: str, before: int, right: str, hang: int) -> list[str]:
        if self._width is None or not text:
            return [" ".join(text.split("\n"))]
        room = self._width - (self._cells(right) + 2 if right else 0)
        if self._cells(text) != len(text):  # wide characters: textwrap counts characters, so reduce the width
            room -= (self._cells(text) - len(text)) // max(1, self._cells(text) // room)
        lines: list[str] = []
        for paragraph in text.split("\n"):
            wrapped = textwrap.wrap(
                _OPTION.sub(_BOUND, bound(paragraph, _BOUND)),
                width=max(20, room - before if not lines else room - hang),
                subsequent_indent="" if lines else " " * max(0, hang - before),
                break_long_words=False,
                break_on_hyphens=False,
            )
            lines += [line.lstrip().replace(_BOUND, " ") for line in wrapped] or [""]
        return lines

    def _clean(self, text: str) -> str:
        return writable(printable(text), self._encoding)

    def _painted(self, text: str, style: str) -> str:
        return self._paint(text, style) if style and text.strip() else text

    def _write(self, line: str) -> None:
        if self.broken:
            return
        try:
            self._stream.write(line + "\n")
        except (OSError, ValueError) as failure:  # ValueError: the stream was already closed
            self._break(failure)

    def _break(self, failure: Exception) -> None:
        self.broken = True
        if isinstance(failure, OSError) and not isinstance(failure, BrokenPipeError):
            self.failed(failure)
