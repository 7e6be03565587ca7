"""The time span of a recording: its oldest and its newest point."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from magictel.formats.otlp.members import OTLP_KEY
from magictel.model.metrics import times_of
from magictel.model.validity import LATEST
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError

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
