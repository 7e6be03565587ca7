"""What the forms of a page share: a point that is left out, its labels, and the labels of many points column by column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magictel.encoding.templates import Column
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus.names import PageNames
from magictel.formats.prometheus.label_columns import EncodeLabels, Labellers, LabelRows, joined, labeller
from magictel.formats.prometheus.names import labels
from magictel.formats.prometheus.series import reserved
from magictel.model.metrics import Attributes, Series, Stream


class FamilyEncoder(ABC):
    """Encodes the points of a family.

    `encode_labels` encodes the labels of a point, `encode_column` one label of many points: both in the same way.
    """

    def __init__(
        self,
        names: PageNames,
        labellers: Labellers,
        encode_labels: Callable[[Mapping[str, str]], bytes],
        encode_column: EncodeLabels,
    ) -> None:
        self._names, self._labellers = names, labellers
        self._encode_labels, self._encode_column = encode_labels, encode_column

    @abstractmethod
    def _value(self, point: Any) -> Any:
        """Return what is not labels. Raise `OverflowError` for an integer that no 64-bit float can hold."""

    @abstractmethod
    def _whole(self, encoded: bytes, value: Any, point: Any) -> bytes:
        """Return a point of these labels."""

    def encode(self, series: Series, point: Any) -> bytes | Withheld:
        """Return a point as it is on the page, or why it is left out."""
        try:
            value = self._value(point)
        except OverflowError:
            return Withheld("prom.page.number", "a number is too large for a 64-bit float", str(series))
        fixed = self._names.fixed(series.stream)
        return self._whole(self._labels(series.stream, series.attributes, fixed), value, point)

    def _labels(self, stream: Stream, attributes: Attributes, fixed: Mapping[str, str]) -> bytes:
        """Return a point's labels and then the `fixed` ones of its stream."""
        texts = labels(attributes, reserved(stream, fixed), self._names.named(stream))
        return self._encode_labels(texts) + self._encode_labels(fixed)

    def _label_columns(
        self, stream: Stream, attributes: Sequence[Attributes]
    ) -> tuple[list[Column | bytes], list[Sequence[int]]]:
        """Return the labels of points, parted by their keys, and the positions of each part."""
        parted = labeller(self._labellers, self._names.named(stream), self._encode_column).rows(attributes)
        return [self._label_column(stream, rows) for rows in parted], [rows.rows.positions or () for rows in parted]

    def _label_column(self, stream: Stream, rows: LabelRows) -> Column | bytes:
        """Return the labels of points whose attributes have the same keys."""
        fixed = self._names.fixed(stream)
        if rows.clash or not frozenset(reserved(stream, fixed)).isdisjoint(rows.names):
            return [self._labels(stream, attributes, fixed) for attributes in rows.rows.attributes]
        in_order = sorted(zip(rows.names, rows.columns, strict=True), key=lambda pair: pair[0])
        return joined([*(column for _, column in in_order), self._encode_labels(fixed)])
