"""The same bytes as `encoding` makes, column by column: constants around holes for values and times."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from operator import add, attrgetter
from typing import Any

from magictel.encoding.columns import doubles, histogram_columns, transposed
from magictel.encoding.protobuf import varint
from magictel.encoding.templates import Column, Constant, Filled, Pieces
from magictel.exporters.prometheus_remote_write.encoding import Encoder, start_of
from magictel.exporters.prometheus_remote_write.label_columns import SortedLabels
from magictel.formats.prometheus.label_columns import LabelRows, encoded_label, in_place, joined
from magictel.formats.prometheus.series import milliseconds, parts, reserved
from magictel.model.metrics import Attributes, Kind, NumberPoints, Point, Stream, starts_of, times_of, values_of

_exemplars = attrgetter("exemplars")


class ColumnEncoder(Encoder):
    """An encoder that is an exporter's template as well."""

    def __init__(self, **choices: Any) -> None:
        super().__init__(**choices)
        self._labellers: dict[Callable[[str], str], SortedLabels] = {}

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """One hole per sample, value and time together; the variant is their width, with a histogram's bounds."""
        if self.left_out(stream) is not None or self.native(stream) or self.name(stream) is None:
            return None
        times: list[Any] = times_of(points)
        if self.has_start(stream):
            if not isinstance(points, NumberPoints) and any(map(_exemplars, points)):
                return None
            times = list(zip(times, starts_of(points), strict=True))
        tails = {time: _tail(time) for time in set(times)}
        first = next(iter(tails.values()))
        width = 8 + len(first)
        if len(tails) > 1 and any(len(tail) + 8 != width for tail in tails.values()):
            return None
        each = first if len(tails) == 1 else list(map(tails.__getitem__, times))
        try:
            if stream.kind is not Kind.HISTOGRAM:
                column = doubles(values_of(points), each)
                return None if column is None else Filled(width, [column], width)
            bounds = tuple(points[0].explicit_bounds)  # type: ignore[union-attr] # a histogram's points are histogram points
            columns = _histogram_columns(points, bounds, each)
        except OverflowError:
            return None
        return None if columns is None else Filled((width, bounds), columns, width * len(columns))

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """The bytes around the holes of these series: everything but values and times."""
        parted = self._labels(stream).rows(attributes)
        constants = [self._constants(stream, variant, encoded) for encoded in parted]
        if len(constants) == 1:
            return constants[0]
        return [
            in_place(len(attributes), column, [encoded.rows.positions or () for encoded in parted])
            for column in zip(*constants, strict=True)
        ]

    def _constants(self, stream: Stream, variant: Hashable, encoded: LabelRows) -> Sequence[Constant]:
        """The constants of series whose attributes have the same keys."""
        name = self.name(stream) or ""
        texts = self.fixed(stream)
        fixed = {label: encoded_label(label, value) for label, value in texts.items()}
        taken = reserved(stream, texts)
        around = self._labels(stream).around
        if isinstance(variant, int):
            fixed["__name__"] = encoded_label("__name__", name)
            (labels,) = around(encoded, fixed, taken, ending=_sample(variant))
            return [joined([_leads([labels], variant)(0), labels]), b""]
        assert isinstance(variant, tuple)
        width, bounds = variant
        before, between, after = around(encoded, fixed, taken, ("__name__", "le"), _sample(width))
        named = {
            suffix: joined([before, encoded_label("__name__", name + suffix), between])
            for suffix in ("_bucket", "_sum", "_count")
        }
        leads = {suffix: _leads([labels, after], width) for suffix, labels in named.items()}
        heads: dict[tuple[str, int], Column | bytes] = {}
        constants: list[Constant] = []
        for suffix, le in parts(bounds, self.bound_text(stream)):
            bound = encoded_label("le", le) if le else b""
            same = suffix, len(bound)  # bounds of one length share the bytes before them
            if same not in heads:
                heads[same] = joined([leads[suffix](len(bound)), named[suffix]])
            constants.append(Pieces((heads[same], bound, after)))
        return [*constants, b""]

    def _labels(self, stream: Stream) -> SortedLabels:
        """One for each way to name labels: attributes of pages and others may be the same objects."""
        named = self.named(stream)
        return self._labellers.setdefault(named, SortedLabels(named))


def _sample(width: int) -> bytes:
    """What stands between the labels and a sample's value, whose hole is `width` bytes wide."""
    return b"\x12" + varint(width + 1) + b"\x09"


def _leads(parts: Sequence[Column | bytes], width: int) -> Callable[[int], Column | bytes]:
    """A function from the size of what else they hold to the tags and lengths before `TimeSeries` of these parts and a hole."""
    fixed = width + sum(len(part) for part in parts if isinstance(part, bytes))
    sizes = [list(map(len, part)) for part in parts if not isinstance(part, bytes)]
    if not sizes:
        return lambda more: b"\x0a" + varint(fixed + more)
    each = sizes[0] if len(sizes) == 1 else list(map(sum, zip(*sizes, strict=True)))
    distinct = set(each)

    def leads(more: int) -> Column:
        by_size = {size: b"\x0a" + varint(size + fixed + more) for size in distinct}
        return list(map(by_size.__getitem__, each))

    return leads


def _histogram_columns(
    points: Sequence[Point], bounds: tuple[float, ...], tails: bytes | list[bytes]
) -> list[Column] | None:
    histograms = histogram_columns(points)
    if histograms is None or bounds[-1:] == (math.inf,):
        return None
    columns: list[Column] = []
    running: list[int] | None = None
    for counts in transposed(histograms.buckets)[:-1]:
        running = counts if running is None else list(map(add, running, counts))
        columns.append(doubles(running, tails) or ())
    total = doubles(histograms.counts, tails)
    sums = doubles(histograms.sums, tails)
    if total is None or sums is None:
        return None
    return [*columns, total, sums, total]


@lru_cache(maxsize=1_000)
def _tail(time: int | tuple[int, int]) -> bytes:
    """What stands behind a sample's value: its time, or its time and start time."""
    if isinstance(time, int):
        return b"\x10" + varint(milliseconds(time))
    start = start_of(time[1], milliseconds(time[0]))
    return _tail(time[0]) + (b"\x18" + varint(start) if start else b"")
