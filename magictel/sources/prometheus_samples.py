"""The samples of a page: name, labels, number, time and exemplar of each line, or its error."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from magictel.formats.prometheus import numbers
from magictel.sources.batching import Interned
from magictel.sources.prometheus_grammar import LineError, labels
from magictel.sources.prometheus_line import (
    EXEMPLAR_LABELS,
    EXEMPLAR_TIME,
    EXEMPLAR_VALUE,
    LABELS,
    NAMED,
    TIME,
    VALUE,
    SampleMatch,
    shown,
)
from magictel.sources.prometheus_metadata import Families, MetadataLine
from magictel.sources.prometheus_pages import Page


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


class Exemplar(NamedTuple):
    """An exemplar: labels, value, time (Unix milliseconds), and the trace and span ids from its labels."""

    attributes: dict[str, Any]
    value: float
    time: int | None
    trace: int | None
    span: int | None


class Decoded(NamedTuple):
    """A sample with its time in Unix milliseconds and its line."""

    name: str
    labels: Labels
    value: float
    time: int | None
    exemplar: Exemplar | None
    sample: SampleMatch


Line = tuple[int, Decoded | LineError, bytes]
"""The number of a line (the first one of a quoted text over several), its sample or error, and its bytes."""


def place(line: Line, error: LineError) -> tuple[int, int]:
    """Return the line and the column of an error."""
    before = line[2][: error.at]
    return line[0] + before.count(b"\n"), len(before) - before.rfind(b"\n")


class Samples:
    """A decoder of pages; repeated labels are the same objects."""

    def __init__(self) -> None:
        self._labels = {form: Interned(partial(_labels, openmetrics=form)) for form in (False, True)}

    def lines(self, page: Page, families: Families | None = None) -> Iterator[Line]:
        """Yield the samples and errors of a page; `families` takes its metadata."""
        openmetrics = page.openmetrics
        known = self._labels[openmetrics]
        for number, item, text in page.items():
            if isinstance(item, MetadataLine):
                if families is not None:
                    families.take(item)
            elif isinstance(item, LineError):
                yield number, item, text
            else:
                try:
                    yield number, _decoded(item, known, openmetrics=openmetrics), text
                except LineError as error:
                    yield number, error, text


def _labels(raw: bytes, *, openmetrics: bool) -> Labels:
    return Labels(*labels(raw, openmetrics=openmetrics))


def _decoded(sample: SampleMatch, known: Interned[Labels], *, openmetrics: bool) -> Decoded:
    try:
        labels = known[sample[LABELS] or b""]
    except LineError as error:
        raise LineError(sample.start(LABELS) + error.at, error.expected) from None
    raw = sample[NAMED]
    if raw is None:
        name = labels.name
        if name is None:
            raise LineError(sample.start(LABELS), "expected a metric's name in quotes")
    elif labels.name is not None:
        raise LineError(sample.start(LABELS), "expected labels, got a second name")
    else:
        name = raw.decode()
    value = _number(sample, VALUE)
    time = None if sample[TIME] is None else _time(sample, TIME, openmetrics=openmetrics)
    exemplar = _exemplar(sample) if openmetrics and sample[EXEMPLAR_LABELS] is not None else None
    return Decoded(name, labels, value, time, exemplar, sample)


def _exemplar(sample: SampleMatch) -> Exemplar:
    try:
        attributes = labels(sample[EXEMPLAR_LABELS], openmetrics=True, exemplar=True)[1]  # rarely repeated
    except LineError as error:
        raise LineError(sample.start(EXEMPLAR_LABELS) + error.at, error.expected) from None
    value = _number(sample, EXEMPLAR_VALUE)
    time = None if sample[EXEMPLAR_TIME] is None else _time(sample, EXEMPLAR_TIME, openmetrics=True)
    trace, span = _identifier(attributes.get("trace_id"), 32), _identifier(attributes.get("span_id"), 16)
    if trace is None or span is None:  # other texts stay labels
        return Exemplar(attributes, value, time, None, None)
    attributes = {name: text for name, text in attributes.items() if name not in ("trace_id", "span_id")}
    return Exemplar(attributes, value, time, trace, span)


def _number(sample: SampleMatch, group: int) -> float:
    try:
        return numbers.number(sample[group])
    except ValueError:
        raise LineError(sample.start(group), f"expected a number, got {shown(sample[group])}") from None


def _time(sample: SampleMatch, group: int, *, openmetrics: bool) -> int:
    word = sample[group]
    try:
        return numbers.seconds(word) if openmetrics else numbers.milliseconds(word)
    except ValueError:
        unit = "seconds" if openmetrics else "milliseconds"
        expected = f"expected a time in {unit} after 0 (1970), before the year 2262, got {shown(word)}"
        raise LineError(sample.start(group), expected) from None


def _identifier(text: str | None, digits: int) -> int | None:
    """Return a trace or span id from hexadecimal digits; 0 means none."""
    if text is None or len(text) != digits or not text.isalnum():
        return None
    try:
        return int(text, 16) or None
    except ValueError:
        return None


def _key(attributes: dict[str, Any]) -> int:
    return hash(frozenset(attributes.items()))


def _float(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return numbers.number(text.encode())
    except ValueError:
        return None
