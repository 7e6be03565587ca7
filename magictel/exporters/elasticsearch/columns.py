"""The template of flat documents: per series two constant pieces, all else in columns or shared by the whole stream."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import blake2b
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, cast

import orjson

from magictel.encoding.columns import by_distinct, histogram_columns, little_endian, pieces
from magictel.encoding.templates import Column, Constant, Filled
from magictel.exporters.elasticsearch.encoding import (
    ACTION,
    ACTION_END,
    Frame,
    frame,
    time_hex,
    times_json,
)
from magictel.exporters.elasticsearch.values import FLOAT32_MAX, INT64_MAX
from magictel.model.identity_cache import StreamCache
from magictel.model.metrics import Attributes, Kind, Point, Stream, starts_of, times_of, values_of

_extremes = attrgetter("min"), attrgetter("max")
_last = itemgetter(-1)
_EXACT = 2**53
_MOST_STREAMS = 10_000


class Columns:
    """Implements `magictel.encoding.templates.Template`; holds the frames of the streams it has seen."""

    def __init__(self) -> None:
        self._frames = StreamCache(frame, _MOST_STREAMS)

    def stream_frame(self, stream: Stream) -> Frame:
        """The stream's frame, made once for as long as the source hands over the same resource and scope."""
        return self._frames(stream)

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """The holes of these points; None for exponential histograms, mixed types and what rules turn into text."""
        if stream.kind is Kind.HISTOGRAM:
            values = _histograms(points)
        elif stream.kind is Kind.EXPONENTIAL_HISTOGRAM:
            values = None
        else:
            values = _numbers(points)
        if values is None:
            return None
        hexes, times = _times(points, values.letter, values.before)
        tail = [self.stream_frame(stream).tail] * len(points)
        return Filled(values.letter, (hexes, values.digits, times, values.texts, tail))

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """A series' hash and its attributes, around the columns: what else all series share is in these."""
        hashes, written = self.stream_frame(stream).columns(attributes)
        return list(map(ACTION.__add__, hashes)), b"", b"", b"", written, b""


class _Values(NamedTuple):
    """Values of one kind: its letter, their digests of sixteen digits, and their JSON, `before` standing before each."""

    letter: bytes
    digits: Column
    before: bytes
    texts: Column


def _times(points: Sequence[Point], letter: bytes, before: bytes) -> tuple[Column, Column]:
    """Times as hex with the letter behind, and times and starts as JSON up to the value; each distinct pair is written once."""
    times, starts = times_of(points), starts_of(points)
    first, start = times[0], starts[0]
    hexes = by_distinct(times, lambda time: time_hex(time) + letter)
    if times.count(first) == len(times) and starts.count(start) == len(starts):
        return hexes, [ACTION_END + times_json(first, start) + before] * len(times)
    pairs = list(zip(times, starts, strict=True))
    return hexes, by_distinct(pairs, lambda pair: ACTION_END + times_json(*pair) + before)


def _numbers(points: Sequence[Point]) -> _Values | None:
    values: list[Any] = values_of(points)
    kinds = set(map(type, values))
    if kinds == {float}:
        decimals = _decimals(values)
        return (
            None
            if decimals is None
            else _Values(b"d", _sixteens(little_endian("d", values)), b'"value_double":', decimals)
        )
    if kinds != {int} or max(values) > INT64_MAX or min(values) < -INT64_MAX:
        return None
    texts = orjson.dumps(values)[1:-1].split(b",")
    return _Values(b"l", _sixteens(little_endian("q", values)), b'"value_long":', texts)


def _histograms(points: Sequence[Point]) -> _Values | None:
    """Histograms that are not empty, whose buckets lie at the same bounds, with whole counts and decimal sums."""
    histograms = histogram_columns(points)
    if histograms is None or not histograms.bounds:
        return None
    bounds, counts, sums, buckets = histograms
    smallest, largest = (list(map(field, points)) for field in _extremes)
    if set(map(type, counts)) != {int} or min(counts) <= 0 or max(counts) > INT64_MAX:
        return None
    limits, *known = (_decimals(_as_decimals(list(column))) for column in (bounds, sums, smallest, largest))
    summed = [list(accumulate(bucket)) for bucket in buckets]
    if limits is None or None in known or max(map(_last, summed)) > INT64_MAX:
        return None
    try:
        cumulated = orjson.dumps(summed)[2:-2].split(b"],[")
    except TypeError:  # counts that are no plain whole numbers
        return None
    listed = b',"bounds":[' + b",".join(limits) + b'],"cumulative_counts":['
    join = b"".join
    texts = [
        join((b'"count":', n, b',"sum":', s, b',"min":', low, b',"max":', high, listed, c, b"]"))
        for n, s, low, high, c in zip(
            orjson.dumps(counts)[1:-1].split(b","), *cast(list[Column], known), cumulated, strict=True
        )
    ]
    return _Values(b"h", _sixteens(join([blake2b(text, digest_size=8).digest() for text in texts])), b"", texts)


def _as_decimals(values: list[Any]) -> list[float]:
    """Whole numbers as the decimals they are (the SDK adds whole measurements up as such); empty: not all are."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return values
    if kinds <= {int, float} and max(values) <= _EXACT and min(values) >= -_EXACT:
        return list(map(float, values))
    return []


def _decimals(values: list[float]) -> Column | None:
    """The JSON of finite decimals within 32 bits' range, or None."""
    if not values:
        return None
    written = orjson.dumps(values)
    if b"null" in written:
        return None
    if b"e" in written and (
        max(values) > FLOAT32_MAX or min(values) < -FLOAT32_MAX
    ):  # so large a number has an exponent
        return None
    return written[1:-1].split(b",")


def _sixteens(packed: bytes) -> Column:
    """Eight bytes each as sixteen hexadecimal digits."""
    return pieces(packed.hex().encode(), 16)
