"""A payload is a frame around independent items, ready to send: plain data that can wait, be stored, and be sent by another process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Self

Split = Callable[[bytes], list[bytes]]
"""Cuts a body of concatenated items back into them: needed only when a payload must shrink whose items' lengths are not known."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a kind of payload goes and what fits: limits are counted on items and on the uncompressed body, in its frame.

    `name` tells the routes of one exporter apart (`route_of`). `content_type`: where it is not the exporter's. `max_sent_bytes`: what fits
    after compression. `frame_bytes`: what `frame` adds to the items of each payload.
    """

    path: str
    max_points: int
    max_bytes: int
    name: str = ""
    content_type: str | None = None
    max_sent_bytes: int | None = None
    frame_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring items that one envelope encloses: how many, and their bytes together."""

    envelope: tuple[bytes, ...]
    points: int
    size: int


@dataclass(frozen=True, slots=True)
class Payload:
    """Items for one request: `body` is their concatenation, uncompressed; one item is one SDK data point.

    `sizes` are the items' lengths where the encoder knows them, else `cut` finds them. `attempted` is True once a send was tried whose end
    is not known to be "not stored": then the backend may hold items of it already. `form` is the variant of the protocol that an
    attempt takes (`HttpExporter.form`): `frame` and `judge` go by it, and never by what is known now. `route` is the name of its route;
    `runs` are the items by what encloses them, if anything does; `at` are the positions of its points in the collection `batch`.
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

    @property
    def id(self) -> bytes:
        """What tells this payload from others: the same over all retries, another one for each half."""
        digest = blake2b(self.body, digest_size=16)
        for run in self.runs:
            digest.update(b"%d:%d:%b" % (run.points, run.size, b"".join(b"%d:%b" % (len(e), e) for e in run.envelope)))
        return digest.digest()

    @property
    def positions(self) -> Sequence[int]:
        """The positions of its points in the collection; of a payload that was made without them, their own order."""
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
        before, behind = _divided(self.runs, middle, sizes)
        first, second = sizes[:middle], sizes[middle:]
        return (
            replace(self, body=self.body[:cut], points=len(first), sizes=first, runs=before, at=self.at[:middle]),
            replace(self, body=self.body[cut:], points=len(second), sizes=second, runs=behind, at=self.at[middle:]),
        )

    def _known_sizes(self) -> tuple[int, ...]:
        if self.sizes is None:
            raise ValueError("the lengths of the items are not known: cut the payload first")
        return self.sizes


def _divided(runs: Iterable[Run], middle: int, sizes: tuple[int, ...]) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    before: list[Run] = []
    behind: list[Run] = []
    start = 0
    for run in runs:
        end = start + run.points
        if end <= middle:
            before.append(run)
        elif start >= middle:
            behind.append(run)
        else:
            size = sum(sizes[start:middle])
            before.append(Run(run.envelope, middle - start, size))
            behind.append(Run(run.envelope, end - middle, run.size - size))
        start = end
    return tuple(before), tuple(behind)


def _kept(runs: Iterable[Run], wanted: list[int], sizes: tuple[int, ...]) -> tuple[Run, ...]:
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
