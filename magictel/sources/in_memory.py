"""Small recordings of numbers in memory: decoded once, and kept until their shift is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from magictel.model.metrics import NumberPoints
from magictel.sources.batching import Part
from magictel.sources.span import Span

SMALL = 16 * 1024 * 1024
"""Maximum decompressed size in bytes; the memory used is about the same."""


@dataclass(slots=True)
class Once:
    """Batches whose parts are columns of numbers, with their recorded times. `given` is the number returned last."""

    batches: list[list[Part]] = field(default_factory=list)
    span: Span = field(default_factory=Span)
    given: int = 0
    _size: int = 0

    def take(self, batch: list[Part], size: int) -> bool:
        """Keep a batch of `size` bytes; return False, and keep nothing, if the recording is large or has other points."""
        self._size += size
        if self._size > SMALL or not all(isinstance(part.points, NumberPoints) for part in batch):
            self.batches.clear()
            return False
        for part in batch:
            assert isinstance(part.points, NumberPoints)
            self.span.take(part.points.times)
        self.batches.append(batch)
        return True

    def shifted(self, shift: int) -> Iterator[list[Part]]:
        """Yield the batches, with every time shifted by nanoseconds."""
        for self.given, batch in enumerate(self.batches, 1):  # noqa: B020 # how far it is
            yield [_shifted(part, shift) for part in batch] if shift else batch

    @property
    def fraction(self) -> float:
        """Return the fraction returned so far."""
        return self.given / len(self.batches) if self.batches else 0.0


def shifted(moments: list[int], shift: int, unset: int | None = None) -> list[int]:
    """Return shifted times; `unset` is no time."""
    if moments and moments.count(moments[0]) == len(moments):
        return [moments[0] + shift if moments[0] != unset else moments[0]] * len(moments)
    return [moment + shift if moment != unset else moment for moment in moments]


def _shifted(part: Part, shift: int) -> Part:
    points = part.points
    assert isinstance(points, NumberPoints)
    starts, times = shifted(points.starts, shift, unset=0), shifted(points.times, shift)
    return Part(part.head, NumberPoints(points.attributes, starts, times, points.values), part.keys)
