"""A payload is a frame around independent items, ready to send; it carries all that its retries, halves and spools need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from magictel.encoding.templates import Chunk

Split = Callable[[bytes], list[bytes]]
"""Cuts a body of concatenated items back into them: needed only when a payload must shrink."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a kind of payload goes and what fits: limits are counted on items and on the uncompressed body."""

    path: str
    max_points: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Payload:
    """Items for one request: `body` is their concatenation, uncompressed; one item is one SDK data point.

    `sizes` are the items' lengths where the encoder knows them, else `split` finds the boundaries. `attempted` is True once
    a send was tried whose end is not known to be "not stored": then the backend may hold items of it already. `form` is the
    variant of the protocol that an attempt takes (`HttpExporter.form`): `frame` and `judge` go by it, and never by what is known now.
    """

    body: bytes = field(repr=False)
    points: int
    split: Split = field(repr=False)
    sizes: tuple[int, ...] | None = field(default=None, repr=False)
    attempted: bool = False
    form: str = ""

    def items(self) -> list[bytes]:
        """The items one by one."""
        if self.sizes is None:
            return self.split(self.body)
        items, start = [], 0
        for size in self.sizes:
            items.append(self.body[start : start + size])
            start += size
        return items

    def only(self, indices: Collection[int]) -> Payload:
        """The payload shrunk to the items at `indices`, in their order."""
        items = self.items()
        kept = [items[index] for index in sorted(indices)]
        return replace(self, body=b"".join(kept), points=len(kept), sizes=tuple(map(len, kept)))

    def halves(self) -> tuple[Payload, Payload]:
        """The payload as two; it must have at least two items."""
        if self.sizes is not None:
            middle = len(self.sizes) // 2
            cut = sum(self.sizes[:middle])
            first, second = self.sizes[:middle], self.sizes[middle:]
            return (
                replace(self, body=self.body[:cut], points=len(first), sizes=first),
                replace(self, body=self.body[cut:], points=len(second), sizes=second),
            )
        items = self.items()
        middle = len(items) // 2
        return tuple(  # type: ignore[return-value] # two halves, always
            replace(self, body=b"".join(part), points=len(part), sizes=tuple(map(len, part)))
            for part in (items[:middle], items[middle:])
        )


def pack(chunks: Iterable[Chunk], route: Route, split: Split) -> Iterator[Payload]:
    """Join chunks into payloads under the route's limits, in order. A single item over the limit travels alone."""
    waiting: list[Chunk] = []
    points = size = 0
    for chunk in _small_enough(chunks, route, split):
        if waiting and (points + chunk.points > route.max_points or size + len(chunk.body) > route.max_bytes):
            full = _payload(waiting, split)
            waiting, points, size = [], 0, 0  # before the send: what is joined is not held twice
            yield full
            del full
        waiting.append(chunk)
        points += chunk.points
        size += len(chunk.body)
    if waiting:
        yield _payload(waiting, split)


def _payload(chunks: list[Chunk], split: Split) -> Payload:
    if len(chunks) == 1:
        return Payload(chunks[0].body, chunks[0].points, split, chunks[0].sizes)
    sizes: list[int] | None = []
    for chunk in chunks:
        if chunk.sizes is None or sizes is None:
            sizes = None
            break
        sizes.extend(chunk.sizes)
    return Payload(
        b"".join(chunk.body for chunk in chunks),
        sum(chunk.points for chunk in chunks),
        split,
        None if sizes is None else tuple(sizes),
    )


def _small_enough(chunks: Iterable[Chunk], route: Route, split: Split) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.points <= 1 or (chunk.points <= route.max_points and len(chunk.body) <= route.max_bytes):
            yield chunk
            continue
        first, second = Payload(chunk.body, chunk.points, split, chunk.sizes).halves()
        yield from _small_enough((Chunk(half.body, half.points, half.sizes) for half in (first, second)), route, split)
