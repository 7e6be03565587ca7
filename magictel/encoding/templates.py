"""A template: the constant bytes of a series, and the columns that fill its holes; encoding with it is fast.

Between two exports of the same series only values and times change. `layouts` keeps what is constant.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from magictel.model.metrics import Attributes, Point, Stream

Column = Sequence[bytes]


class Pieces(tuple["Column | bytes", ...]):
    """A constant in pieces, kept apart where several constants share a piece: it is held once."""

    __slots__ = ()


Constant = Column | bytes | Pieces
"""What stands in the same place of many items: a column, bytes that are the same in all of them, or pieces of both."""


@dataclass(frozen=True, slots=True)
class Filled:
    """The holes of a slice of points, as columns: `variant` names the template they fit into (int or float, absent min …).

    `width` is how many bytes the holes of one point take together, where that is the same for all of a variant:
    then the items' lengths are known, and a payload can shrink without reading its items.
    """

    variant: Hashable
    columns: Sequence[Column]
    width: int | None = None


class Template(Protocol):
    """What an exporter gives for speed. `encode` stays the truth that both halves are tested against, byte for byte."""

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """The holes' bytes for these points, column by column; None: encode them one by one (mixed types, odd values)."""
        ...

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return the bytes around the holes of these series: one constant more than there are holes."""
        ...
