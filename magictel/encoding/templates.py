"""A template: the constant bytes of a series, and the columns that fill its holes; encoding with it is fast.

Between two exports of the same series only values and times change. `layouts` keeps what is constant.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

import msgspec

from magictel.model.metrics import Attributes, Point, Stream

Column = Sequence[bytes]


class Pieces(tuple["Column | bytes", ...]):
    """A constant as a sequence of pieces: a piece that several constants share is kept in memory once."""

    __slots__ = ()


Constant = Column | bytes | Pieces
"""The bytes in one place of many items: a column, bytes that all of them share, or pieces of both."""


class Filled(msgspec.Struct, frozen=True):
    """The holes of a slice of points, as columns. `variant` identifies the template they fit into (int or float, no min …).

    `width` is the total size in bytes of a point's holes: one number if it is the same for all points of the variant, or that of each
    point. Then the items' lengths are known, and a payload can shrink without reading its items.
    """

    variant: Hashable
    columns: Sequence[Column]
    width: int | Sequence[int] | None = None


class Template(Protocol):
    """A faster `encode`, which an encoder may have. Tests compare its bytes with those of `encode`, the reference."""

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return the holes of these points, column by column; None: encode them one by one (mixed types, unusual values)."""
        ...

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return the bytes around the holes of these series: one more constant than holes."""
        ...
