"""The same bytes as `encoding` makes, column by column: constants around holes for values and times."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from operator import add, attrgetter, itemgetter
from typing import Any, NamedTuple

from magictel.encoding.templates import Column, Filled
from magictel.exporters.prometheus_remote_write.encoding import (
    Encoder,
    encoded_label,
    left_out,
    milliseconds,
    parts,
    reserved,
    varint,
)
from magictel.formats.prometheus.names import label_value, labels
from magictel.model.metrics import Attributes, Kind, Point, Stream, times_of, values_of

_MAX_CACHED = 10_000
_MAX_KNOWN = 4_000
"""Attributes whose labels are held: as many as a slice of a recording has points, since its metrics often share them."""
_sums = attrgetter("sum")
_counts = attrgetter("count")
_buckets = attrgetter("bucket_counts")
_bounds = attrgetter("explicit_bounds")


class ColumnEncoder(Encoder):
    """An encoder that is an exporter's template as well."""

    def __init__(self, **choices: Any) -> None:
        super().__init__(**choices)
        self._labellers: dict[Callable[[str], str], _Labeller] = {}

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """One hole per sample, value and time together; the variant is their width, with a histogram's bounds."""
        if left_out(stream) is not None or self.name(stream) is None:
            return None
        times = times_of(points)
        tails = {time: _tail(time) for time in set(times)}
        first = next(iter(tails.values()))
        width = 8 + len(first)
        if len(tails) > 1 and any(len(tail) + 8 != width for tail in tails.values()):
            return None
        each = first if len(tails) == 1 else list(map(tails.__getitem__, times))
        try:
            if stream.kind is not Kind.HISTOGRAM:
                column = _column(values_of(points), each, width)
                return None if column is None else Filled(width, [column], width)
            bounds = tuple(points[0].explicit_bounds)  # type: ignore[union-attr] # a histogram's points are histogram points
            columns = _histogram_columns(points, bounds, each, width)
        except (OverflowError, TypeError):
            return None
        return None if columns is None else Filled((width, bounds), columns, width * len(columns))

    def constants(self, stream: Stream, variant: Hashable) -> Callable[[Attributes], Sequence[bytes]]:
        """The bytes around the holes of one series: everything but values and times."""
        name = self.name(stream) or ""
        fixed = self.fixed(stream)
        own = [(label, encoded_label(label, value)) for label, value in fixed.items()]
        taken = frozenset(reserved(stream, fixed))
        if isinstance(variant, int):
            own.append(("__name__", encoded_label("__name__", name)))
            return self._number(own, taken, variant, self._labeller(stream))
        assert isinstance(variant, tuple)
        width, bounds = variant
        heads = [
            (encoded_label("__name__", name + suffix), encoded_label("le", le) if le else b"")
            for suffix, le in parts(bounds, self.bound_text(stream))
        ]

        encode = self._labeller(stream).encoded

        def histogram(attributes: Attributes) -> Sequence[bytes]:
            pairs = encode(attributes, taken)
            pairs += own
            pairs.sort()
            first, second = bisect_left(pairs, ("__name__",)), bisect_left(pairs, ("le",))
            before = b"".join([encoded for _, encoded in pairs[:first]])
            between = b"".join([encoded for _, encoded in pairs[first:second]])
            after = b"".join([encoded for _, encoded in pairs[second:]])
            return [*[_head(b"".join((before, own_name, between, le, after)), width) for own_name, le in heads], b""]

        return histogram

    def _number(
        self, own: list[tuple[str, bytes]], taken: frozenset[str], width: int, labeller: _Labeller
    ) -> Callable[[Attributes], Sequence[bytes]]:
        """Number points have one sample. Where the labels of a set of keys stand among the stream's own is found out once."""
        written = tuple(encoded for _, encoded in own)
        orders: dict[tuple[str, ...], Callable[[tuple[bytes, ...]], tuple[bytes, ...]]] = {}
        sample = b"\x12" + varint(width + 1) + b"\x09"
        behind = len(sample) + width
        leads: dict[int, bytes] = {}
        known, encode, join = labeller.known, labeller.labelled, b"".join

        def number(attributes: Attributes) -> Sequence[bytes]:
            one = known.get(id(attributes)) or encode(attributes)
            order = orders.get(one.names)
            if order is None:
                if one.odd or not taken.isdisjoint(one.names):
                    pairs = labeller.encoded(attributes, taken) + own
                    pairs.sort()
                    return _head(join([encoded for _, encoded in pairs]), width), b""
                names = (*one.names, *(label for label, _ in own))
                order = itemgetter(*sorted(range(len(names)), key=names.__getitem__), len(names))
                orders[one.names] = order
            labels = join(order((*one.labels, *written, b"")))
            size = len(labels)
            lead = leads.get(size)
            if lead is None:
                lead = leads[size] = b"\x0a" + varint(size + behind)
            return lead + labels + sample, b""

        return number

    def _labeller(self, stream: Stream) -> _Labeller:
        """One for each way to name labels: attributes of pages and others may be the same objects."""
        named = self.named(stream)
        return self._labellers.setdefault(named, _Labeller(named))


class _Labeller:
    """Encodes attributes as labels named by `named`. `known` are attributes by their ids."""

    def __init__(self, named: Callable[[str], str]) -> None:
        self._named = named
        self.known: dict[int, _Labelled] = {}
        self._keys: dict[tuple[str, ...], tuple[tuple[str, ...], list[_Values], bool]] = {}
        self._values: dict[str, _Values] = {}
        self._values_held = [0]

    def encoded(self, attributes: Attributes, reserved: frozenset[str]) -> list[tuple[str, bytes]]:
        """Names and encoded labels, in no order."""
        one = self.known.get(id(attributes)) or self.labelled(attributes)
        if not one.odd and reserved.isdisjoint(one.names):
            return [pair for pair in zip(one.names, one.labels, strict=True) if pair[1]]
        return [(name, encoded_label(name, text)) for name, text in labels(attributes, reserved, self._named).items()]

    def labelled(self, attributes: Attributes) -> _Labelled:
        """Attributes that come for the first time. Their values recur, so each label is encoded once."""
        if self._values_held[0] > _MAX_CACHED or len(self._keys) > _MAX_CACHED:
            self._keys.clear()
            self._values.clear()
            self._values_held[0] = 0
        if len(self.known) >= _MAX_KNOWN:
            self.known.clear()
        keys = tuple(attributes)
        known = self._keys.get(keys)
        if known is None:
            names = tuple(map(self._named, keys))
            tables = []
            for name in names:
                table = self._values.get(name)
                if table is None:
                    table = self._values[name] = _Values(name, self._values_held)
                tables.append(table)
            known = self._keys[keys] = names, tables, len(set(names)) < len(names)
        names, tables, odd = known
        encoded = [
            table[value] if value.__class__ is str else table[label_value(value)]
            for table, value in zip(tables, attributes.values(), strict=True)
        ]
        made = self.known[id(attributes)] = _Labelled(attributes, names, tuple(encoded), odd)
        return made


class _Labelled(NamedTuple):
    """The labels of attributes (kept, as ids are reused); those without a value are empty. `odd`: two keys have one name."""

    attributes: Attributes
    names: tuple[str, ...]
    labels: tuple[bytes, ...]
    odd: bool


class _Values(dict[str, bytes]):
    """Encoded labels of one name, by their values as text. `held` counts those of all names."""

    def __init__(self, name: str, held: list[int]) -> None:
        super().__init__()
        key = name.encode()
        self._key = b"\x0a" + varint(len(key)) + key + b"\x12"
        self._held = held

    def __missing__(self, value: str) -> bytes:
        text = label_value(value).encode()
        body = self._key + varint(len(text)) + text
        made = self[value] = b"\x0a" + varint(len(body)) + body if text else b""
        self._held[0] += 1
        return made


def _histogram_columns(
    points: Sequence[Point], bounds: tuple[float, ...], tails: bytes | list[bytes], width: int
) -> list[Column] | None:
    if any(tuple(given) != bounds for given in map(_bounds, points)):
        return None
    buckets = list(map(_buckets, points))
    if bounds[-1:] == (math.inf,) or any(len(counts) != len(bounds) + 1 for counts in buckets):
        return None
    columns: list[Column] = []
    running: list[int] | None = None
    for counts in list(zip(*buckets, strict=True))[:-1]:
        running = list(counts) if running is None else list(map(add, running, counts))
        columns.append(_column(running, tails, width) or ())
    total = _column(list(map(_counts, points)), tails, width)
    sums = _column(list(map(_sums, points)), tails, width)
    if total is None or sums is None:
        return None
    return [*columns, total, sums, total]


@lru_cache(maxsize=1_000)
def _tail(time: int) -> bytes:
    """What stands behind a sample's value: its time."""
    return b"\x10" + varint(milliseconds(time))


def _column(values: Sequence[float], tails: bytes | list[bytes], width: int) -> Column | None:
    """Values in bulk, each with its time behind it; None where one is NaN. Raises `OverflowError`, `TypeError`."""
    numbers = array("d", values)
    if math.isnan(sum(numbers)):  # also inf - inf: then one by one
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    raw, count = numbers.tobytes(), len(numbers)
    if isinstance(tails, list):
        return list(map(add, struct.unpack("8s" * count, raw), tails))
    joined = bytearray((b"\0" * 8 + tails) * count)
    for place in range(8):
        joined[place::width] = raw[place::8]
    return struct.unpack(f"{width}s" * count, joined)


def _head(labels: bytes, width: int) -> bytes:
    """A `TimeSeries` up to its sample's value, whose hole is `width` bytes wide."""
    sample = b"\x12" + varint(width + 1) + b"\x09"
    return b"\x0a" + varint(len(labels) + len(sample) + width) + labels + sample
