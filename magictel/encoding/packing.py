"""Packing: chunks are joined into payloads in order, under the limits of their route, and split where that fills a payload."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain
from typing import TypeVar

import msgspec

from magictel.encoding.chunks import Chunk
from magictel.encoding.payload import Payload, Route, Run, Split

W = TypeVar("W")
_LAYER = 6
"""Bytes that each layer of an envelope adds to its own: a tag and a length."""
_FULL = 0.9
"""A payload this full is sent as it is; the chunk goes whole into the next one."""
_HALF_FULL = 0.5
"""The same for a chunk that is expensive to copy."""
_SMALL = 65_536
"""Size in bytes up to which a chunk is split and copied only to fill a payload."""


def pack(
    chunks: Iterable[Chunk | W], routes: Mapping[str, Route], split: Split, batch: int = 0
) -> Iterator[Payload | W]:
    """Join chunks into payloads, each route in order; pass on everything else. An item over a limit gets a payload of its own."""
    filling = {name: _Filling(route, split, batch) for name, route in routes.items()}
    for chunk in chunks:
        if not isinstance(chunk, Chunk):
            yield chunk
            continue
        payload = filling[chunk.route]
        if not payload.takes(chunk):
            yield from payload.add(chunk)
    for payload in filling.values():
        if payload.waiting:
            yield payload.take()


class _Filling(msgspec.Struct):
    """The payload of one route that is being filled."""

    route: Route
    split: Split
    batch: int
    waiting: list[Chunk] = msgspec.field(default_factory=list)
    points: int = 0
    size: int = 0

    def takes(self, chunk: Chunk) -> bool:
        """Add a chunk if all of it fits; return whether it did."""
        points = self.points + chunk.points
        size = self.size + len(chunk.body)
        if chunk.envelope:
            size += self._around(chunk)
        if points > self.route.max_points or size > self.route.max_bytes - self.route.frame_bytes:
            return False
        self.points, self.size = points, size
        self.waiting.append(chunk)
        return True

    def add(self, chunk: Chunk) -> Iterator[Payload]:
        """Add a chunk that does not fit, and yield the payloads that become full."""
        if self._is_worth_cutting(chunk):
            yield from self._cut(chunk)
        else:
            if self.waiting:
                yield self.take()
            self._put(chunk)

    def take(self) -> Payload:
        """Return the added chunks as a payload and start an empty one, so that no bytes are held twice."""
        chunks, self.waiting = self.waiting, []
        self.points = self.size = 0
        return _payload(chunks, self.batch)

    def _put(self, chunk: Chunk) -> None:
        self.size += len(chunk.body) + self._around(chunk)
        self.points += chunk.points
        self.waiting.append(chunk)

    def _around(self, chunk: Chunk) -> int:
        """Return the size of the envelope that a chunk adds: none if it continues that of the chunk before."""
        if not chunk.envelope or (self.waiting and self.waiting[-1].envelope == chunk.envelope):
            return 0
        return sum(map(len, chunk.envelope)) + _LAYER * len(chunk.envelope)

    def _room(self, chunk: Chunk) -> tuple[int, int]:
        taken = self.route.frame_bytes + self.size + self._around(chunk)
        return self.route.max_points - self.points, self.route.max_bytes - taken

    def _is_worth_cutting(self, chunk: Chunk) -> bool:
        """Return whether a chunk fits into no payload, or a piece of it, cheap to find, would fill the current one."""
        if chunk.points <= 1:
            return False
        route = self.route
        bare = len(chunk.body) + route.frame_bytes + sum(map(len, chunk.envelope)) + _LAYER * len(chunk.envelope)
        if chunk.points > route.max_points or bare > route.max_bytes:
            return True
        filled = max(self.points / route.max_points, (self.size + route.frame_bytes) / route.max_bytes)
        if len(chunk.body) <= _SMALL:
            return filled < _FULL
        return chunk.sizes is not None and filled < _HALF_FULL

    def _cut(self, chunk: Chunk) -> Iterator[Payload]:
        """Add as many of the chunk's items as fit to payload after payload."""
        sizes = chunk.sizes if chunk.sizes is not None else tuple(map(len, self.split(chunk.body)))
        ends = list(accumulate(sizes))
        start = 0
        while start < len(sizes):
            points, size = self._room(chunk)
            begin = ends[start - 1] if start else 0
            stop = min(bisect_right(ends, begin + size, start), start + max(0, points))
            if stop == start and not self.waiting:
                stop = start + 1  # alone, over the limit
            if stop > start:
                piece = sizes[start:stop]
                body = chunk.body[begin : ends[stop - 1]]
                at = chunk.at[start:stop]
                self._put(Chunk(body, stop - start, piece, chunk.envelope, at, chunk.route))
                start = stop
            if start < len(sizes):
                yield self.take()


def _payload(chunks: list[Chunk], batch: int) -> Payload:
    first = chunks[0]
    if len(chunks) == 1:
        return Payload(
            first.body, first.points, first.sizes, route=first.route, runs=_runs(chunks), at=first.at, batch=batch
        )
    known = [chunk.sizes for chunk in chunks if chunk.sizes is not None]
    return Payload(
        b"".join([chunk.body for chunk in chunks]),
        sum(chunk.points for chunk in chunks),
        tuple(chain.from_iterable(known)) if len(known) == len(chunks) else None,
        route=first.route,
        runs=_runs(chunks),
        at=_positions(chunks),
        batch=batch,
    )


def _runs(chunks: Iterable[Chunk]) -> tuple[Run, ...]:
    runs: list[Run] = []
    for chunk in chunks:
        if not chunk.envelope:
            return ()
        last = runs[-1] if runs else None
        if last is not None and last.envelope == chunk.envelope:
            runs[-1] = Run(last.envelope, last.points + chunk.points, last.size + len(chunk.body))
        else:
            runs.append(Run(chunk.envelope, chunk.points, len(chunk.body)))
    return tuple(runs)


def _positions(chunks: list[Chunk]) -> range | tuple[int, ...]:
    """Return the positions of all points, as a range if they are consecutive."""
    first = chunks[0].at
    if isinstance(first, range):
        stop = first.start
        for chunk in chunks:
            at = chunk.at
            if not isinstance(at, range) or at.start != stop:
                break
            stop = at.stop
        else:
            return range(first.start, stop)
    return tuple(chain.from_iterable(chunk.at for chunk in chunks))
