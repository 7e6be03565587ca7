"""Points as remote-write 1.0 messages: one item is a point's `TimeSeries` messages behind each other, ready to stand in a `WriteRequest`.

`encode` is the plain truth; the template's half makes the same bytes column by column. A sample is the value (fixed64) and the
time in milliseconds (varint), always in this order and both always written, so an item's length does not change from export to export.

What a point becomes: a number one series; an explicit histogram `_bucket` series (cumulative, `le` up to `+Inf`), `_sum`, `_count`.
What is left out, each under its code: delta points (Prometheus adds nothing up), exponential histograms (remote write 1.0 has no
native ones), names without a letter or digit, integers beyond a double. Any NaN travels as the ordinary NaN: one of the
many NaNs is Prometheus' stale marker and would end the series.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from operator import add, attrgetter, itemgetter
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.exporters.prometheus_remote_write.names import label_name, label_value, labels, metric_name, number_text
from magictel.model import Attributes, Group, Kind, Point, Series, Stream, times_of, values_of
from magictel.templates import Column, Filled, Withheld

NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]
"""The ordinary NaN, in the bits that Prometheus itself writes (model/value)."""
_NAN_BYTES = struct.pack("<Q", 0x7FF8000000000001)
_IDENTITY = ("service.namespace", "service.name", "service.instance.id")
_MAX_CACHED = 10_000
_MAX_KNOWN = 4_000
"""Attributes whose labels are held: as many as a slice of a recording has points, since its metrics often share them."""
_sums = attrgetter("sum")
_counts = attrgetter("count")
_buckets = attrgetter("bucket_counts")
_bounds = attrgetter("explicit_bounds")


class Encoder:
    """Encodes points; an exporter's template. `suffixes`: unit and type in names; `scope_labels`: `otel_scope_name` and `_version`."""

    def __init__(self, *, suffixes: bool = True, scope_labels: bool = True) -> None:
        self.suffixes = suffixes
        self.scope_labels = scope_labels
        self._known: dict[int, _Labelled] = {}
        self._keys: dict[tuple[str, ...], tuple[tuple[str, ...], list[_Values], bool]] = {}
        self._values: dict[str, _Values] = {}
        self._values_held = [0]

    # ---- the plain truth ---------------------------------------------------------------------------------------------

    def name(self, stream: Stream) -> str | None:
        """The metric's name in Prometheus."""
        return metric_name(
            stream.name, stream.unit, counter=stream.monotonic, gauge=stream.kind is Kind.GAUGE, suffixes=self.suffixes
        )

    def fixed(self, stream: Stream) -> dict[str, str]:
        """The labels that every series of a stream carries: job and instance, and the scope."""
        made = identity(stream.resource)
        if self.scope_labels:
            scope = {"otel_scope_name": stream.scope_name, "otel_scope_version": stream.scope_version}
            made.update({name: label_value(value) for name, value in scope.items() if value})
        return made

    def labels(self, series: Series) -> dict[str, str]:
        """The labels of a point without `__name__` and `le`, unsorted."""
        fixed = self.fixed(series.stream)
        return {**labels(series.attributes, reserved(series.stream, fixed)), **fixed}

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's `TimeSeries` messages, or why it is left out."""
        name, why = self.name(series.stream), _left_out(series.stream)
        if name is None:
            why = ("prom.rw.name", "no letter or digit is left of the metric's name for Prometheus")
        if why is not None:
            return Withheld(*why, describe(series))
        time = milliseconds(point.time_unix_nano)
        made = self.labels(series)
        try:
            return b"".join(
                time_series({**made, **extra, "__name__": f"{name}{suffix}"}, value, time)
                for suffix, extra, value in samples(point)
            )
        except OverflowError:
            return Withheld("prom.rw.number", "a number is beyond what a 64-bit float holds", describe(series))
        except ValueError as failure:
            return Withheld("prom.rw.buckets", str(failure), describe(series))

    def target_info(self, group: Group) -> bytes:
        """The series that carries a resource's other attributes, at the time of the group's last point; empty without any."""
        resource = group.stream.resource
        own = identity(resource)
        others = labels({key: value for key, value in resource.items() if key not in _IDENTITY}, (*own, "__name__"))
        if not own or not others:
            return b""
        time = milliseconds(max(times_of(group.points)))
        return time_series({**others, **own, "__name__": "target_info"}, 1.0, time)

    # ---- the same bytes, by column -----------------------------------------------------------------------------------

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """One hole per sample, value and time together; the variant is their width, with a histogram's bounds."""
        if _left_out(stream) is not None or self.name(stream) is None:
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
        own = [(label, _label(label, value)) for label, value in fixed.items()]
        taken = frozenset(reserved(stream, fixed))
        if isinstance(variant, int):
            own.append(("__name__", _label("__name__", name)))
            return self._number(own, taken, variant)
        assert isinstance(variant, tuple)
        width, bounds = variant
        heads = [(_label("__name__", name + suffix), _label("le", le) if le else b"") for suffix, le in _parts(bounds)]

        def histogram(attributes: Attributes) -> Sequence[bytes]:
            pairs = self._encoded(attributes, taken)
            pairs += own
            pairs.sort()
            first, second = bisect_left(pairs, ("__name__",)), bisect_left(pairs, ("le",))
            before = b"".join([encoded for _, encoded in pairs[:first]])
            between = b"".join([encoded for _, encoded in pairs[first:second]])
            after = b"".join([encoded for _, encoded in pairs[second:]])
            return [*[_head(b"".join((before, own_name, between, le, after)), width) for own_name, le in heads], b""]

        return histogram

    def _number(
        self, own: list[tuple[str, bytes]], taken: frozenset[str], width: int
    ) -> Callable[[Attributes], Sequence[bytes]]:
        """Number points have one sample. Where the labels of a set of keys stand among the stream's own is found out once."""
        written = tuple(encoded for _, encoded in own)
        orders: dict[tuple[str, ...], Callable[[tuple[bytes, ...]], tuple[bytes, ...]]] = {}
        sample = b"\x12" + _varint(width + 1) + b"\x09"
        behind = len(sample) + width
        leads: dict[int, bytes] = {}
        known, join = self._known, b"".join

        def number(attributes: Attributes) -> Sequence[bytes]:
            one = known.get(id(attributes)) or self._labelled(attributes)
            order = orders.get(one.names)
            if order is None:
                if one.odd or not taken.isdisjoint(one.names):
                    pairs = self._encoded(attributes, taken) + own
                    pairs.sort()
                    return _head(join([encoded for _, encoded in pairs]), width), b""
                names = (*one.names, *(label for label, _ in own))
                order = itemgetter(*sorted(range(len(names)), key=names.__getitem__), len(names))
                orders[one.names] = order
            labels = join(order((*one.labels, *written, b"")))
            size = len(labels)
            lead = leads.get(size)
            if lead is None:
                lead = leads[size] = b"\x0a" + _varint(size + behind)
            return lead + labels + sample, b""

        return number

    def _encoded(self, attributes: Attributes, reserved: frozenset[str]) -> list[tuple[str, bytes]]:
        """Names and encoded labels, in no order."""
        one = self._known.get(id(attributes)) or self._labelled(attributes)
        if not one.odd and reserved.isdisjoint(one.names):
            return [pair for pair in zip(one.names, one.labels, strict=True) if pair[1]]
        return [(name, _label(name, text)) for name, text in labels(attributes, reserved).items()]

    def _labelled(self, attributes: Attributes) -> _Labelled:
        """Attributes that come for the first time. Their values recur, so each label is encoded once."""
        if self._values_held[0] > _MAX_CACHED or len(self._keys) > _MAX_CACHED:
            self._keys.clear()
            self._values.clear()
            self._values_held[0] = 0
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        keys = tuple(attributes)
        known = self._keys.get(keys)
        if known is None:
            named = [(label_name(key), key) for key in keys]
            names = tuple(name for name, _ in named)
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
        made = self._known[id(attributes)] = _Labelled(attributes, names, tuple(encoded), odd)
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
        self._name = name
        self._held = held

    def __missing__(self, value: str) -> bytes:
        text = label_value(value)
        made = self[value] = _label(self._name, text) if text else b""
        self._held[0] += 1
        return made


def identity(resource: Mapping[str, Any]) -> dict[str, str]:
    """`job` (`namespace/name`) and `instance` of a resource, where it names them."""
    namespace, name, instance = (label_value(resource.get(key)) for key in _IDENTITY)
    job = f"{namespace}/{name}" if namespace and name else name
    return {label: value for label, value in (("job", job), ("instance", instance)) if value}


def samples(point: Point) -> Iterable[tuple[str, Mapping[str, str], float]]:
    """What a point becomes: (suffix of the name, extra labels, value).

    Raises `OverflowError` for an integer no double holds, `ValueError` for a histogram whose counts do not fit its bounds.
    """
    if isinstance(point, HistogramDataPoint):
        parts = _parts(tuple(point.explicit_bounds))
        if len(point.bucket_counts) != (
            len(point.explicit_bounds) + 1 if point.explicit_bounds or point.bucket_counts else 0
        ):
            raise ValueError(f"{len(point.bucket_counts)} counts do not fit {len(point.explicit_bounds)} bounds")
        running = list(accumulate(point.bucket_counts))[: len(parts) - 3]
        values = [*running, point.count, point.sum, point.count]
        return [
            (suffix, {"le": le} if le else {}, float(value))
            for (suffix, le), value in zip(parts, values, strict=True)
            if value is not None  # a sum is optional in OTLP
        ]
    return [("", {}, float(point.value))]  # type: ignore[union-attr] # exponential histograms are left out before


def milliseconds(nanoseconds: int) -> int:
    """A point's time as Prometheus keeps it: whole milliseconds, cut."""
    return nanoseconds // 1_000_000


def time_series(labels: Mapping[str, str], value: float, time: int) -> bytes:
    """One `TimeSeries` with one sample, as field 1 of a `WriteRequest`; labels in the order of their names."""
    number = _NAN_BYTES if value != value else struct.pack("<d", value)
    sample = b"\x09" + number + b"\x10" + _varint(time)
    body = b"".join(_label(name, labels[name]) for name in sorted(labels)) + b"\x12" + _varint(len(sample)) + sample
    return b"\x0a" + _varint(len(body)) + body


def describe(series: Series) -> str:
    """A series for people: the metric's name and its attributes, cut."""
    attributes = ", ".join(f"{key}={value}" for key, value in series.attributes.items())
    return f"{series.stream.name}{{{attributes}}}"[:200]


def _left_out(stream: Stream) -> tuple[str, str] | None:
    """Code and sentence of the rule by which a whole stream is left out."""
    if stream.kind is Kind.EXPONENTIAL_HISTOGRAM:
        return (
            "prom.rw.exponential",
            "remote write 1.0 has no native histograms, and an exponential histogram is no classic one",
        )
    if stream.kind is not Kind.GAUGE and stream.temporality != "cumulative":
        return (
            "prom.rw.delta",
            f"Prometheus needs cumulative points, these are {stream.temporality or 'of no known temporality'}",
        )
    return None


def reserved(stream: Stream, fixed: Mapping[str, str]) -> tuple[str, ...]:
    """The label names that a stream needs for itself."""
    return (*fixed, "__name__", "le") if stream.kind is Kind.HISTOGRAM else (*fixed, "__name__")


def _parts(bounds: Sequence[float]) -> list[tuple[str, str]]:
    """A histogram's series in their order: suffix of the name and `le` (empty: none)."""
    finite = [number_text(bound) for bound in bounds if bound != math.inf]
    return [*(("_bucket", le) for le in [*finite, "+Inf"]), ("_sum", ""), ("_count", "")]


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
    return b"\x10" + _varint(milliseconds(time))


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
    sample = b"\x12" + _varint(width + 1) + b"\x09"
    return b"\x0a" + _varint(len(labels) + len(sample) + width) + labels + sample


def _label(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    body = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(text)) + text
    return b"\x0a" + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    if 0 <= number < 128:
        return bytes((number,))
    number &= (1 << 64) - 1
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)
