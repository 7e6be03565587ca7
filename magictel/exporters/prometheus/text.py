"""Points as lines of text: Prometheus' text format 0.0.4 and 1.0.0, and OpenMetrics 0.0.1 and 1.0.0.

`encode` is the plain truth; `columns` and `constants` make the same bytes faster. A point's lines stand together: a histogram's buckets
(cumulative), its sum and count, and in OpenMetrics the time since which it counts (`_created`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from operator import add, attrgetter
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.encoding.columns import by_distinct, histogram_columns, transposed
from magictel.encoding.templates import Column, Constant, Filled, Pieces
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus.exemplars import by_bucket, exemplar_labels, exemplars_of, latest
from magictel.exporters.prometheus.families import Family, Type
from magictel.exporters.prometheus.names import PageNames
from magictel.exporters.prometheus.syntax import (
    label_columns,
    label_texts,
    metadata,
    number_column,
    number_text,
    opening,
    prefix,
    prefixes,
    seconds_text,
)
from magictel.formats.prometheus.label_columns import Labellers, LabelRows, in_place, joined, labeller
from magictel.formats.prometheus.names import label_value, labels
from magictel.formats.prometheus.numbers import open_metrics
from magictel.formats.prometheus.series import parts, reserved
from magictel.model.metrics import Attributes, Kind, Series, Stream, starts_of, values_of


class TextFamily:
    """A family's lines, and the template that makes them.

    `taken` are the names of all samples of the page, to which the family adds its own in OpenMetrics. `created`: whether it may have
    `_created` lines.
    """

    def __init__(
        self,
        names: PageNames,
        family: Family,
        labellers: Labellers,
        taken: set[str],
        *,
        openmetrics: bool,
        created: bool,
    ) -> None:
        self._names = names
        self._labellers = labellers
        self._name = family.name
        self._type: Type
        self._type, self._title = family.type, family.name
        if openmetrics:
            self._type, self._title = _openmetrics_type(family, taken)
            taken.add(self._title)
        self._head = metadata(self._title, self._type, label_value(family.help), family.unit, openmetrics=openmetrics)
        self._exemplars = openmetrics and self._type in ("counter", "histogram")
        self._created = f"{self._title}_created" if created and self._exemplars else ""
        if self._created in taken:
            self._created = ""

    def head(self) -> bytes:
        """Return the family's metadata."""
        return self._head

    def info(self, labels_of_info: Mapping[str, str]) -> bytes:
        """Return the line of an info metric."""
        return prefix(self._name, label_texts(labels_of_info)) + b"1\n"

    # ---- point by point ------------------------------------------------------------------------------------------------

    def encode(self, series: Series, point: Any) -> bytes | Withheld:
        """Return a point's lines, or why it is left out."""
        stream = series.stream
        try:
            samples = self._samples(point)
        except OverflowError:
            return Withheld("prom.page.number", "a number is too large for a 64-bit float", str(series))
        except ValueError as failure:
            return Withheld("prom.page.buckets", str(failure), str(series))
        fixed = self._names.fixed(stream)
        texts = labels(series.attributes, reserved(stream, fixed), self._names.named(stream))
        text = label_texts(texts) + label_texts(fixed)
        lines = [
            prefix(f"{self._name}{suffix}", text + (f'le="{le}",' if le else "")) + value + b"\n"
            for suffix, le, value in samples
        ]
        if self._created and point.start_time_unix_nano:
            lines.append(prefix(self._created, text) + seconds_text(point.start_time_unix_nano) + b"\n")
        return b"".join(lines)

    def _samples(self, point: Any) -> list[tuple[str, str, bytes]]:
        """Return what a point becomes: suffix, `le`, and the value with its exemplar. Raises `OverflowError`, `ValueError`."""
        exemplars = point.exemplars if self._exemplars else ()
        if not isinstance(point, HistogramDataPoint) and self._type != "histogram":
            return [("", "", number_text(point.value) + self._exemplar(latest(exemplars)))]
        bounds: tuple[float, ...] = ()
        counts: tuple[int, ...] = ()
        if isinstance(point, HistogramDataPoint):
            bounds, counts = tuple(point.explicit_bounds), tuple(point.bucket_counts)
            if len(counts) != (len(bounds) + 1 if bounds or counts else 0):
                raise ValueError(f"{len(counts)} counts do not fit {len(bounds)} bounds")
        rows = parts(bounds, open_metrics)
        values = [*list(accumulate(counts))[: len(rows) - 3], point.count, point.sum, point.count]
        shown = by_bucket(exemplars, [bound for bound in bounds if bound != math.inf])
        return [
            (suffix, le, number_text(value) + self._exemplar(shown.get(index) if le else None))
            for index, ((suffix, le), value) in enumerate(zip(rows, values, strict=True))
            if value is not None  # a sum is optional in OTLP
        ]

    def _exemplar(self, exemplar: Any | None) -> bytes:
        if exemplar is None:
            return b""
        text = label_texts(exemplar_labels(self._names, exemplar))[:-1].encode()
        return b" # {%b} %b %b" % (text, number_text(exemplar.value), seconds_text(exemplar.time_unix_nano))

    # ---- column by column ----------------------------------------------------------------------------------------------

    def columns(self, stream: Stream, points: Sequence[Any]) -> Filled | None:
        """One hole for each line; the variant says which lines there are."""
        exemplars = exemplars_of(points) if self._exemplars else None
        variant: tuple[tuple[float, ...], bool] | None = None
        columns: list[Column | None]
        if stream.kind is Kind.HISTOGRAM:
            histograms = histogram_columns(points)
            if histograms is None or histograms.bounds[-1:] == (math.inf,):
                return None
            variant = tuple(histograms.bounds), histograms.sums[0] is not None
            columns = _running(histograms.buckets) + _totals(histograms.counts, histograms.sums)
        elif stream.kind is Kind.EXPONENTIAL_HISTOGRAM:
            counts, sums = (list(map(attrgetter(field), points)) for field in ("count", "sum"))
            variant = (), sums[0] is not None
            columns = _totals(counts, sums)
        else:
            columns = [number_column(values_of(points))]
        filled = [column for column in columns if column is not None]
        if len(filled) < len(columns):
            return None
        if exemplars is not None:
            self._add_exemplars(filled, exemplars, variant and variant[0])
        starts = starts_of(points) if self._created else ()
        if any(starts):
            if not all(starts):
                return None
            filled.append(by_distinct(starts, seconds_text))
        return Filled((variant, any(starts)), filled)

    def _add_exemplars(
        self, columns: list[Column], exemplars: list[Sequence[Any]], bounds: tuple[float, ...] | None
    ) -> None:
        """Add each point's exemplars to its number, or to its buckets where there are bounds."""
        if bounds is None:
            columns[0] = list(map(add, columns[0], [self._exemplar(latest(given)) for given in exemplars]))
            return
        shown = [by_bucket(given, bounds) for given in exemplars]
        for index in range(len(bounds) + 1):
            columns[index] = list(map(add, columns[index], [self._exemplar(each.get(index)) for each in shown]))

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """The text around the holes of these series."""
        parted = labeller(self._labellers, self._names.named(stream), label_columns).rows(attributes)
        constants = [self._constants(stream, variant, rows) for rows in parted]
        if len(constants) == 1:
            return constants[0]
        return [
            in_place(len(attributes), column, [rows.rows.positions or () for rows in parted])
            for column in zip(*constants, strict=True)
        ]

    def _constants(self, stream: Stream, variant: Hashable, rows: LabelRows) -> Sequence[Constant]:
        """The constants of series whose attributes have the same keys."""
        text = self._label_column(stream, rows)
        bare = [each[:-1] for each in text] if not isinstance(text, bytes) else text[:-1]
        assert isinstance(variant, tuple)
        histogram, created = variant
        constants: list[Constant] = []
        if histogram is None:
            constants.append(prefixes(self._name, bare))
        else:
            bounds, has_sums = histogram
            begin = opening(f"{self._name}_bucket")
            first, later = joined([begin, text]), joined([b"\n" + begin, text])
            for suffix, le in parts(bounds, open_metrics):
                if le:
                    constants.append(Pieces((later if constants else first, f'le="{le}"}} '.encode())))
                elif suffix != "_sum" or has_sums:
                    constants.append(prefixes(f"{self._name}{suffix}", bare, b"\n"))
        if created:
            constants.append(prefixes(self._created, bare, b"\n"))
        return [*constants, b"\n"]

    def _label_column(self, stream: Stream, rows: LabelRows) -> Column | bytes:
        """Return the labels of each series, each with a comma behind it."""
        texts = self._names.fixed(stream)
        taken = reserved(stream, texts)
        fixed = label_texts(texts).encode()
        if rows.clash or not frozenset(taken).isdisjoint(rows.names):
            named = self._names.named(stream)
            return [label_texts(labels(given, taken, named)).encode() + fixed for given in rows.rows.attributes]
        in_order = sorted(zip(rows.names, rows.columns, strict=True), key=lambda pair: pair[0])
        return joined([*(column for _, column in in_order), fixed])


def _openmetrics_type(family: Family, taken: set[str]) -> tuple[Type, str]:
    """Return a family's type and name in OpenMetrics, where a counter's name lacks `_total` and an info's `_info`.

    A counter that does not end so, or whose other name is taken, is of the type `unknown` there, so that its series keep their names.
    """
    otherwise: dict[Type, tuple[str, Type]] = {"counter": ("_total", "unknown"), "info": ("_info", "gauge")}
    if family.type not in otherwise:
        return family.type, family.name
    suffix, instead = otherwise[family.type]
    title = family.name.removesuffix(suffix)
    return (instead, family.name) if title in (family.name, "", *taken) else (family.type, title)


def _running(buckets: Sequence[Sequence[int]]) -> list[Column | None]:
    """Return the cumulative counts of all buckets but the last."""
    running: list[int] | None = None
    columns = []
    for counts in transposed(buckets)[:-1]:
        running = counts if running is None else list(map(add, running, counts))
        columns.append(number_column(running))
    return columns


def _totals(counts: Sequence[int], sums: Sequence[Any]) -> list[Column | None]:
    """Return the last bucket, the sum where there is one, and the count."""
    total = number_column(counts)
    return [total, total] if sums.count(None) == len(sums) else [total, number_column(sums), total]
