"""The labels of samples, decoded once for all samples with the same bytes between the braces."""

from __future__ import annotations

from typing import Any

from magictel.formats.prometheus import numbers
from magictel.sources.prometheus_grammar import LineError, labels
from magictel.sources.prometheus_line import EXEMPLAR_LABELS, LABELS, SampleMatch

_MOST_ENTRIES = 20_000
_MOST_BYTES = 6 * 1024 * 1024


class Labels:
    """A set of labels. `name`: the metric's name, if it is among them in quotes; `key` identifies the labels."""

    __slots__ = ("_bare", "_quantile", "attributes", "bound", "key", "name")

    def __init__(self, name: str | None, attributes: dict[str, Any]) -> None:
        self.name = name
        self.attributes = attributes
        self.key = _key(attributes)
        self.bound = _float(attributes.get("le"))
        """Return the bound of a bucket, `le`, or None if it is not a number."""
        self._bare: tuple[dict[str, Any], int] | None = None
        self._quantile: tuple[dict[str, Any], int] | None = None

    def bare(self) -> tuple[dict[str, Any], int]:
        """Return the labels without `le`, and their key."""
        if self._bare is None:
            attributes = {name: value for name, value in self.attributes.items() if name != "le"}
            self._bare = attributes, _key(attributes)
        return self._bare

    def quantile(self) -> tuple[dict[str, Any], int]:
        """Return the labels with `quantile` as Prometheus 3 writes the number, and their key."""
        if self._quantile is None:
            number = _float(self.attributes.get("quantile"))
            if number is None:
                self._quantile = self.attributes, self.key
            else:
                attributes = {**self.attributes, "quantile": numbers.open_metrics(number)}
                self._quantile = attributes, _key(attributes)
        return self._quantile


class LabelSets:
    """A cache of labels by their bytes, in two generations of bounded size."""

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._young: dict[bytes, Labels] = {}
        self._old: dict[bytes, Labels] = {}
        self._size = 0

    def of(self, sample: SampleMatch) -> Labels:
        """Return the labels of a sample. Raises `LineError`."""
        raw = sample[LABELS] or b""
        known = self._young.get(raw)
        if known is None:
            known = self._old.get(raw)
            if known is None:
                try:
                    known = Labels(*labels(raw, openmetrics=self._openmetrics))
                except LineError as error:
                    raise LineError(sample.start(LABELS) + error.at, error.expected) from None
            if len(self._young) >= _MOST_ENTRIES or self._size > _MOST_BYTES:
                self._old, self._young, self._size = self._young, {}, 0
            self._young[raw] = known
            self._size += len(raw)
        return known

    @staticmethod
    def exemplar(sample: SampleMatch) -> dict[str, Any]:
        """Return the labels of a sample's exemplar, which are rarely repeated. Raise `LineError`."""
        try:
            return labels(sample[EXEMPLAR_LABELS], openmetrics=True, exemplar=True)[1]
        except LineError as error:
            raise LineError(sample.start(EXEMPLAR_LABELS) + error.at, error.expected) from None


def _key(attributes: dict[str, Any]) -> int:
    return hash(frozenset(attributes.items()))


def _float(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return numbers.number(text.encode())
    except ValueError:
        return None
