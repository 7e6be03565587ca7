"""Payloads: independent items for one request. Plain data, which can wait, be stored, and be sent by another process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Self

import msgspec

Split = Callable[[bytes], list[bytes]]
"""Splits a body into its items: needed only to shrink a payload whose items' lengths are not known."""


class Route(msgspec.Struct, frozen=True):
    """Where payloads go, and their limits: on items, and on the uncompressed body including its frame.

    `name` distinguishes the routes of an exporter (`route_of`). `content_type`: if it differs from the exporter's. `max_sent_bytes`: the
    limit after compression. `frame_bytes`: bytes that `frame` adds to the items of each payload.
    """

    path: str
    max_points: int
    max_bytes: int
    name: str = ""
    content_type: str | None = None
    max_sent_bytes: int | None = None
    frame_bytes: int = 0


class Run(msgspec.Struct, frozen=True):
    """Consecutive items in one envelope: their number, and their total size in bytes."""

    envelope: tuple[bytes, ...]
    points: int
    size: int


@dataclass(frozen=True, slots=True)
class Payload:
    """Items for one request: `body` is their concatenation, uncompressed; one item is one SDK data point.

    `sizes` are the items' lengths if the encoder knows them; otherwise `cut` finds them. `attempted`: an earlier attempt may have stored
    some of the items. `form` is the protocol variant of the attempt (`HttpExporter.form`); `frame` and `judge` use it, and never the
    exporter's current state. `route` is the name of its route; `runs` group the items by envelope, if there are any; `at` are the
    positions of its points in the collection `batch`. `stored` is the number of the payload in the spool that it is or was a part of; 0:
    none.
    """

    body: bytes = field(repr=False)
    points: int
    sizes: tuple[int, ...] | None = field(default=None, repr=False)
    attempted: bool = False
    form: str = ""
    route: str = ""
    runs: tuple[Run, ...] = field(default=(), repr=False)
    at: Sequence[int] = field(default=(), repr=False)
    batch: int = 0
    stored: int = field(default=0, compare=False)

    @property
    def id(self) -> bytes:
        """Return a checksum that identifies the payload: the same for all retries, another one for each half."""
        digest = sha256(self.body)  # which processors help with
        for run in self.runs:
            digest.update(b"%d:%d:%b" % (run.points, run.size, b"".join(b"%d:%b" % (len(e), e) for e in run.envelope)))
        return digest.digest()[:16]

    @property
    def positions(self) -> Sequence[int]:
        """Return the positions of its points in the collection, or 0, 1, … if the payload has none."""
        return self.at or range(self.points)

    def cut(self, split: Split) -> Self:
        """Return the payload with its items' lengths known."""
        return self if self.sizes is not None else replace(self, sizes=tuple(map(len, split(self.body))))

    def items(self) -> list[bytes]:
        """Return the items one by one. Their lengths must be known."""
        items, start = [], 0
        for size in self._known_sizes():
            items.append(self.body[start : start + size])
            start += size
        return items

    def only(self, indices: Collection[int]) -> Self:
        """Return the payload shrunk to the items at `indices`, in their order. Their lengths must be known."""
        wanted = sorted(indices)
        items = self.items()
        kept = [items[index] for index in wanted]
        return replace(
            self,
            body=b"".join(kept),
            points=len(kept),
            sizes=tuple(map(len, kept)),
            runs=_kept(self.runs, wanted, self._known_sizes()),
            at=tuple(self.at[index] for index in wanted) if self.at else (),
        )

    def halves(self) -> tuple[Self, Self]:
        """Return the payload as two; it must have at least two items, whose lengths are known."""
        sizes = self._known_sizes()
        middle = len(sizes) // 2
        cut = sum(sizes[:middle])
        before, behind = (_kept(self.runs, half, sizes) for half in (range(middle), range(middle, len(sizes))))
        first, second = sizes[:middle], sizes[middle:]
        return (
            replace(self, body=self.body[:cut], points=len(first), sizes=first, runs=before, at=self.at[:middle]),
            replace(self, body=self.body[cut:], points=len(second), sizes=second, runs=behind, at=self.at[middle:]),
        )

    def _known_sizes(self) -> tuple[int, ...]:
        if self.sizes is None:
            raise ValueError("the lengths of the items are not known: cut the payload first")
        return self.sizes


def _kept(runs: Iterable[Run], wanted: Sequence[int], sizes: tuple[int, ...]) -> tuple[Run, ...]:
    kept: list[Run] = []
    start = place = 0
    for run in runs:
        first, size = place, 0
        while place < len(wanted) and wanted[place] < start + run.points:
            size += sizes[wanted[place]]
            place += 1
        if place > first:
            kept.append(Run(run.envelope, place - first, size))
        start += run.points
    return tuple(kept)
