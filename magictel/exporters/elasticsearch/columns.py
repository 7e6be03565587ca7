"""The template of flat documents: per series two constant pieces, all else in columns or shared by the whole stream."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any, cast

import orjson

from magictel.exporters.elasticsearch.documents import (
    ACTION,
    ACTION_END,
    END_OF_TIMES,
    START,
    Frame,
    frame,
    time_hex,
    value_hash,
)
from magictel.exporters.elasticsearch.rules import FLOAT32_MAX, INT64_MAX, time_text
from magictel.model import Attributes, Kind, Point, Stream
from magictel.templates import Column, Filled

_time = attrgetter("time_unix_nano")
_start = attrgetter("start_time_unix_nano")
_value = attrgetter("value")
_distribution = attrgetter("count", "sum", "min", "max", "bucket_counts")
_bounds = attrgetter("explicit_bounds")
_EXACT = 2**53
_MOST_STREAMS = 10_000


class Columns:
    """Implements `magictel.templates.Template`; holds the frames of the streams it has seen."""

    def __init__(self) -> None:
        self._frames: dict[Stream, Frame] = {}

    def frame(self, stream: Stream) -> Frame:
        """The stream's frame, made once."""
        known = self._frames.get(stream)
        if known is None:
            if len(self._frames) >= _MOST_STREAMS:
                self._frames.clear()
            known = self._frames[stream] = frame(stream)
        return known

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """The holes of these points; None for exponential histograms, mixed types and what rules turn into text."""
        times = _times(points)
        if times is None:
            return None
        if stream.kind is Kind.HISTOGRAM:
            values = _histograms(points)
        elif stream.kind is Kind.EXPONENTIAL_HISTOGRAM:
            values = None
        else:
            values = _numbers(points)
        if values is None:
            return None
        shape, hexes, columns = values
        hex_times, iso_times, iso_starts = times
        starts = [] if iso_starts is None else [iso_starts]
        tail = [self.frame(stream).tail] * len(points)
        return Filled((shape, iso_starts is not None), [hex_times, hexes, iso_times, *starts, *columns, tail])

    def constants(self, stream: Stream, variant: Hashable) -> Callable[[Attributes], Sequence[bytes]]:
        """The pieces around the holes; those that do not depend on the series are the same objects in every series."""
        shape, with_start = cast(tuple[tuple[bytes, ...], bool], variant)
        letter, *between = shape
        stream_frame = self.frame(stream)
        starts = (START,) if with_start else ()
        shared = (letter, ACTION_END, *starts, END_OF_TIMES + between[0], *between[1:-1])
        last = between[-1]

        def one(attributes: Attributes) -> Sequence[bytes]:
            hashed, written = stream_frame.series(attributes)
            return (ACTION + hashed, *shared, last + written, b"")

        return one


_Values = tuple[tuple[bytes, ...], Column, list[Column]]
"""The shape (the letter, the bytes before each hole of a value, the bytes after the last), the hex column, the value columns."""


def _times(points: Sequence[Point]) -> tuple[Column, Column, Column | None] | None:
    """Times as hex and as text, starts as text, each formatted once; a start column of None: no point has one."""
    times = list(map(_time, points))
    starts = list(map(_start, points))
    hexes, texts = _each(times, time_hex), _each(times, _text)
    if not any(starts):
        return hexes, texts, None
    return (hexes, texts, _each(starts, _text)) if all(starts) else None


def _each(values: list[int], write: Callable[[int], bytes]) -> Column:
    distinct = set(values)
    if len(distinct) == 1:
        return [write(values[0])] * len(values)
    written = {value: write(value) for value in distinct}
    return list(map(written.__getitem__, values))


def _text(nanoseconds: int) -> bytes:
    return time_text(nanoseconds).encode()


def _numbers(points: Sequence[Point]) -> _Values | None:
    values: list[Any] = list(map(_value, points))
    kinds = set(map(type, values))
    if kinds == {float}:
        texts = _decimals(values)
        return None if texts is None else ((b"d", b'"value_double":', b""), _hex("d", values), [texts])
    if kinds != {int} or max(values) > INT64_MAX or min(values) < -INT64_MAX:
        return None
    texts = orjson.dumps(values)[1:-1].split(b",")
    return (b"l", b'"value_long":', b""), _hex("q", values), [texts]


def _histograms(points: Sequence[Point]) -> _Values | None:
    """Columns for histograms that are not empty, whose buckets lie at the same bounds, with whole counts and decimal sums."""
    counts, sums, smallest, largest, buckets = (
        list(column) for column in zip(*map(_distribution, points), strict=True)
    )
    bounds = list(map(_bounds, points))
    first = bounds[0]
    if not first or any(one is not first and one != first for one in bounds) or not all(buckets):
        return None
    if set(map(type, counts)) != {int} or min(counts) <= 0 or max(counts) > INT64_MAX:
        return None
    known: list[Column] = []
    for column in (sums, smallest, largest):
        texts = _decimals(_as_decimals(column))
        if texts is None:
            return None
        known.append(texts)
    limits = _decimals([float(bound) for bound in first])
    try:
        summed = orjson.dumps([list(accumulate(one)) for one in buckets])[2:-2].split(b"],[")
    except TypeError:  # beyond 64 bits, or no whole numbers
        return None
    if limits is None or max(map(sum, buckets)) > INT64_MAX:
        return None
    whole = orjson.dumps(counts)[1:-1].split(b",")
    listed = b'"bounds":[' + b",".join(limits) + b"]"
    hashes = [
        value_hash(
            b'"count":' + n,
            b'"sum":' + s,
            b'"min":' + low,
            b'"max":' + high,
            listed,
            b'"cumulative_counts":[' + c + b"]",
        )
        for n, s, low, high, c in zip(whole, *known, summed, strict=True)
    ]
    shape = (b"h", b'"count":', b',"sum":', b',"min":', b',"max":', b"," + listed + b',"cumulative_counts":[', b"]")
    return shape, hashes, [whole, *known, summed]


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
    if b"null" in written or max(values) > FLOAT32_MAX or min(values) < -FLOAT32_MAX:
        return None
    return written[1:-1].split(b",")


def _hex(code: str, values: list[Any]) -> Column:
    """Sixteen hexadecimal digits of each value's little-endian bits, in bulk."""
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    digits = packed.tobytes().hex().encode()
    return [digits[at : at + 16] for at in range(0, len(digits), 16)]
