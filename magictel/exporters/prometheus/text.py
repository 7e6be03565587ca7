"""Points as lines of text: Prometheus' text format 0.0.4 and 1.0.0, and OpenMetrics 0.0.1 and 1.0.0.

`encode` is the reference; `columns` and `constants` make the same bytes faster. A point's lines follow each other: a histogram's buckets
(cumulative), its sum and count, and in OpenMetrics the time since which it counts (`_created`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from operator import add, attrgetter
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.encoding.columns import by_distinct, histogram_columns, transposed
from magictel.encoding.templates import Column, Constant, Filled, Pieces
from magictel.exporters.prometheus.exemplars import by_bucket, exemplar_labels, exemplars_of, latest
from magictel.exporters.prometheus.families import Family, Type
from magictel.exporters.prometheus.family_encoder import FamilyEncoder
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
from magictel.formats.prometheus.label_columns import Labellers, in_place, joined
from magictel.formats.prometheus.names import label_value
from magictel.formats.prometheus.numbers import open_metrics
from magictel.formats.prometheus.series import parts
from magictel.model.metrics import Attributes, Kind, Stream, starts_of, values_of


class TextFamily(FamilyEncoder):
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
        super().__init__(names, labellers, label_texts, label_columns)
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

    def _value(self, point: Any) -> list[tuple[str, bytes, bytes]]:
        """Return what a point becomes: suffix, the label `le`, and the value with its exemplar."""
        exemplars = point.exemplars if self._exemplars else ()
        if self._type != "histogram":
            return [("", b"", number_text(point.value) + self._exemplar(latest(exemplars)))]
        bounds: Sequence[float] = ()
        counts: Sequence[int] = ()
        if isinstance(point, HistogramDataPoint):
            bounds, counts = point.explicit_bounds, point.bucket_counts
        values = [*accumulate(counts[:-1]), point.count, point.sum, point.count]
        shown = by_bucket(exemplars, bounds)
        return [
            (suffix, _bound(le), number_text(value) + self._exemplar(shown.get(index) if le else None))
            for index, ((suffix, le), value) in enumerate(zip(parts(bounds, open_metrics), values, strict=True))
            if value is not None  # a sum is optional in OTLP
        ]

    def _whole(self, encoded: bytes, value: list[tuple[str, bytes, bytes]], point: Any) -> bytes:
        lines = [prefix(f"{self._name}{suffix}", encoded + le) + number + b"\n" for suffix, le, number in value]
        if self._created and point.start_time_unix_nano:
            lines.append(prefix(self._created, encoded) + seconds_text(point.start_time_unix_nano) + b"\n")
        return b"".join(lines)

    def _exemplar(self, exemplar: Any | None) -> bytes:
        if exemplar is None:
            return b""
        text = label_texts(exemplar_labels(self._names, exemplar))[:-1]
        return b" # {%b} %b %b" % (text, number_text(exemplar.value), seconds_text(exemplar.time_unix_nano))

    # ---- column by column ----------------------------------------------------------------------------------------------

    def columns(self, stream: Stream, points: Sequence[Any]) -> Filled | None:
        """One hole for each line; the variant says which lines there are."""
        exemplars = exemplars_of(points) if self._exemplars else None
        variant: tuple[tuple[float, ...], bool] | None = None
        columns: list[Column | None]
        if stream.kind is Kind.HISTOGRAM:
            histograms = histogram_columns(points)
            if histograms is None:
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
        columns, positions = self._label_columns(stream, attributes)
        constants = [self._constants(variant, column) for column in columns]
        if len(constants) == 1:
            return constants[0]
        return [in_place(len(attributes), column, positions) for column in zip(*constants, strict=True)]

    def _constants(self, variant: Hashable, text: Column | bytes) -> Sequence[Constant]:
        """The constants of series with these labels, each with a comma behind it."""
        assert isinstance(variant, tuple)
        histogram, created = variant
        constants: list[Constant] = []
        if histogram is None:
            constants.append(prefixes(self._name, text))
        else:
            bounds, has_sums = histogram
            begin = opening(f"{self._name}_bucket")
            first, later = joined([begin, text]), joined([b"\n" + begin, text])
            for suffix, le in parts(bounds, open_metrics):
                if le:
                    constants.append(Pieces((later if constants else first, _bound(le)[:-1] + b"} ")))
                elif suffix != "_sum" or has_sums:
                    constants.append(prefixes(f"{self._name}{suffix}", text, b"\n"))
        if created:
            constants.append(prefixes(self._created, text, b"\n"))
        return [*constants, b"\n"]


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


def _bound(le: str) -> bytes:
    """Return the label of a bucket, with a comma behind it; nothing for other series."""
    return f'le="{le}",'.encode() if le else b""


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
