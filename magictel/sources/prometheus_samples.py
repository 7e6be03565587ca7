"""The samples of a page as values: name, labels, number, time and exemplar of each line, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from magictel.sources import prometheus_number as numbers
from magictel.sources.prometheus_families import Families
from magictel.sources.prometheus_fault import shown
from magictel.sources.prometheus_grammar import LineError
from magictel.sources.prometheus_labels import Labels, LabelSets
from magictel.sources.prometheus_line import Metadata, Sample, Words
from magictel.sources.prometheus_pages import Page


class Exemplar(NamedTuple):
    """An exemplar: labels, value, time (Unix milliseconds), and the trace and span that two of its labels name."""

    attributes: dict[str, Any]
    value: float
    time: int | None
    trace: int | None
    span: int | None


class Decoded(NamedTuple):
    """A sample, its time in Unix milliseconds."""

    name: str
    labels: Labels
    value: float
    time: int | None
    exemplar: Exemplar | None
    labels_at: int
    value_at: int


class Line(NamedTuple):
    """A line, or several where a quoted text goes on: its sample, or the error that it is none."""

    number: int
    text: bytes
    decoded: Decoded | None
    error: LineError | None

    def place(self, error: LineError) -> tuple[int, int]:
        """Return the line and the column of an error."""
        before = self.text[: error.at]
        return self.number + before.count(b"\n"), len(before) - before.rfind(b"\n")


class Samples:
    """Decodes pages; labels that come again are the same objects again."""

    def __init__(self) -> None:
        self._labels = {form: LabelSets(openmetrics=form) for form in (False, True)}

    def lines(self, page: Page, families: Families | None = None) -> Iterator[Line]:
        """Yield the samples of a page, and its errors; what it says of metrics is taken by `families`."""
        labels = self._labels[page.openmetrics]
        for number, text, item in page.items():
            if isinstance(item, Metadata):
                if families is not None:
                    families.take(item)
            elif isinstance(item, LineError):
                yield Line(number, text, None, item)
            else:
                try:
                    yield Line(number, text, _decoded(item, labels, openmetrics=page.openmetrics), None)
                except LineError as error:
                    yield Line(number, text, None, error)


def _decoded(item: Sample, label_sets: LabelSets, *, openmetrics: bool) -> Decoded:
    words = item.words
    labels = label_sets.of(words.labels, words.labels_at)
    if item.name is not None and labels.name is not None:
        raise LineError(words.labels_at, "expected labels, got a second name")
    name = item.name.decode() if item.name is not None else labels.name
    if name is None:
        raise LineError(words.labels_at, "expected a metric's name in quotes")
    value, time = _number(words), _time(words, openmetrics=openmetrics)
    exemplar = None if item.exemplar is None else _exemplar(item.exemplar)
    return Decoded(name, labels, value, time, exemplar, words.labels_at, words.value_at)


def _exemplar(words: Words) -> Exemplar:
    attributes = LabelSets.exemplar(words.labels, words.labels_at)
    value, time = _number(words), _time(words, openmetrics=True)
    trace, span = _identifier(attributes.get("trace_id"), 32), _identifier(attributes.get("span_id"), 16)
    if trace is None or span is None:  # a text of another kind stays a label
        return Exemplar(attributes, value, time, None, None)
    attributes = {name: text for name, text in attributes.items() if name not in ("trace_id", "span_id")}
    return Exemplar(attributes, value, time, trace, span)


def _number(words: Words) -> float:
    try:
        return numbers.number(words.value)
    except ValueError:
        raise LineError(words.value_at, f"expected a number, got {shown(words.value)}") from None


def _time(words: Words, *, openmetrics: bool) -> int | None:
    if words.time is None:
        return None
    try:
        return numbers.seconds(words.time) if openmetrics else numbers.milliseconds(words.time)
    except ValueError:
        unit = "seconds" if openmetrics else "milliseconds"
        expected = f"expected a time in {unit} after 0 (1970), before the year 2262, got {shown(words.time)}"
        raise LineError(words.time_at, expected) from None


def _identifier(text: str | None, digits: int) -> int | None:
    """A trace's or a span's identifier, written in hexadecimal digits; 0 is none."""
    if text is None or len(text) != digits or not text.isalnum():
        return None
    try:
        return int(text, 16) or None
    except ValueError:
        return None
