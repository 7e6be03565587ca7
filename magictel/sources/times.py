"""The times of a recording: its oldest and its newest point, and the shift of all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from magictel.formats.otlp.members import OTLP_KEY
from magictel.model.metrics import NumberPoints, times_of
from magictel.model.validity import LATEST
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError

SMALL = 16 * 1024 * 1024
"""Maximum decompressed size in bytes; the memory used is about the same."""
_TIMES = re.compile(rb'"timeUnixNano"\s*:\s*"?(\d+)')
_TIME_NAME = b'"timeUnixNano"'
_MOMENT = itemgetter(slice(0, 22))
_PLAIN_MOMENT = re.compile(rb':"[1-9]\d{18}"')
"""A time after its name, as the Collector writes it: of fixed length, so that texts sort like numbers."""


@dataclass(slots=True)
class Span:
    """The oldest and the newest time of the points (Unix nanoseconds); 0 without points."""

    oldest: int = 0
    newest: int = 0

    def take(self, times: Sequence[int]) -> None:
        """Widen by times."""
        if times:
            alike = times.count(times[0]) == len(times)
            low, high = (times[0], times[0]) if alike else (min(times), max(times))
            self.oldest = min(self.oldest or low, low)
            self.newest = max(self.newest, high)


def times(line: bytes) -> tuple[int, int] | None:
    """Return the oldest and newest time in a line (Unix nanoseconds) without decoding it, or None."""
    first = line.find(_TIME_NAME)
    if first < 0:
        return None
    member = line[first : first + len(_TIME_NAME) + 22]
    if _PLAIN_MOMENT.fullmatch(member, len(_TIME_NAME)) and line.count(member) == line.count(_TIME_NAME):
        texts = [member[len(_TIME_NAME) + 2 : -1]]  # the usual case: a collection has a single time
    else:
        moments = set(map(_MOMENT, line.split(_TIME_NAME)[1:]))
        plain = all(map(_PLAIN_MOMENT.fullmatch, moments))
        texts = [moment[2:-1] for moment in (min(moments), max(moments))] if plain else _TIMES.findall(line)
    numbers = [number for number in map(int, texts) if 0 < number <= LATEST]
    return (min(numbers), max(numbers)) if numbers else None


def plain_span(given: Iterable[tuple[int, bytes]]) -> Span | None:
    """Return the times in lines without decoding, or None if the oldest or the newest may be an exemplar's."""
    span = Span()
    oldest = newest = b""
    for _, text in given:
        line_times = times(text) if OTLP_KEY in text else None  # lines of other signals also have times
        if line_times is None:
            continue
        if line_times[0] < span.oldest or not span.oldest:
            span.oldest, oldest = line_times[0], text
        if line_times[1] > span.newest:
            span.newest, newest = line_times[1], text
    return None if b'"exemplars"' in oldest or b'"exemplars"' in newest else span


def scanned_span(decode: Callable[[bytes, int], list[Part]], given: Iterable[tuple[int, bytes]]) -> Span:
    """Return the times of a recording with exemplars, whose times are not those of points."""
    span = Span()
    for number, text in given:
        if b'"exemplars"' not in text:
            span.take(times(text) or () if OTLP_KEY in text else ())
            continue
        try:
            for part in decode(text, number):
                span.take(times_of(part.points))
        except SourceError:
            continue  # reported when it is read to be sent
    return span


@dataclass(slots=True)
class Once:
    """A small recording of numbers, decoded once and kept until its shift is known. `given`: number of the batch returned last."""

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
