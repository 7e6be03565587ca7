"""Reading of payloads: where series, their labels and their samples are in the bytes, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from magictel.encoding.payload import Run
from magictel.encoding.protobuf import read_varint

SAMPLE, STARTED = 18, 25
"""Bytes of a sample with its tag and length: of value and time, and with a start time. Of the years 1971 to 2109."""


class Series(NamedTuple):
    """The series of a payload: where their labels begin and end, where they end, the sizes of their samples (0: a native histogram),
    and for some, by number, the fields before their labels.
    """

    begins: list[int]
    cuts: list[int]
    ends: list[int]
    widths: bytearray
    leading: dict[int, list[tuple[int, bytes]]]


class Counts(NamedTuple):
    """What a payload has to be counted by a receiver."""

    samples: int
    histograms: int
    exemplars: int


def counts(body: bytes) -> Counts:
    """Return how many samples, histograms and exemplars a payload has."""
    leading = Series([], [], [], bytearray(), {})
    number = histograms = 0
    for at, _ in _spans(body):
        number += 1
        if body[at] != 0x0A:
            _, native = _leading(body, at, leading)
            leading.begins.append(at)
            histograms += native
    exemplars = sum(place == 3 for fields in leading.leading.values() for place, _ in fields)
    return Counts(number - histograms, histograms, exemplars)


def labels_of(body: bytes) -> list[bytes]:
    """Return the encoded labels of each series of a payload."""
    series = scan(body, exactly=True)
    return slices(body, series.begins, series.cuts)


def newest_time(body: bytes) -> int:
    """Return the time of a payload's newest sample in milliseconds, or 0 if it has native histograms only."""
    series = scan(body, exactly=True)
    samples = zip(series.cuts, series.widths, strict=True)
    return max((read_varint(body, cut + 12)[0] for cut, width in samples if width), default=0)


def native_items(runs: Iterable[Run]) -> set[int]:
    """Return the positions of a payload's items that are native histograms."""
    native: set[int] = set()
    first = 0
    for run in runs:
        if run.envelope[1:2] == (b"native",):
            native.update(range(first, first + run.points))
        first += run.points
    return native


def scan(body: bytes, *, exactly: bool = False) -> Series:
    """Find the series of a body. Samples are recognised by their last bytes, which may mislead; `exactly` reads all labels instead."""
    series = Series([], [], [], bytearray(), {})
    add_begin, add_cut = series.begins.append, series.cuts.append
    add_end, add_width = series.ends.append, series.widths.append
    for at, end in _spans(body):
        native = False
        if body[at] != 0x0A:
            at, native = _leading(body, at, series)
        add_begin(at)
        if native:
            width = 0
        elif exactly:
            width = end - end_of_labels(body, at, end)
        elif body[end - 7] == 0x10 and body[end - 18 : end - 15] == b"\x12\x10\x09":
            width = SAMPLE
        elif body[end - 7] == 0x18 and body[end - 25 : end - 22] == b"\x12\x17\x09":
            width = STARTED
        else:
            width = end - end_of_labels(body, at, end)
        add_cut(end - width)
        add_end(end)
        add_width(width)
    return series


def _spans(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each series of a body begins and ends."""
    at, stop = 0, len(body)
    while at < stop:
        size = body[at + 1]
        at += 2
        if size > 127:
            size = size & 127 | body[at] << 7
            at += 1
            if size > 16_383:
                size, at = read_varint(body, at - 2)
        yield at, at + size
        at += size


def _leading(body: bytes, at: int, series: Series) -> tuple[int, bool]:
    """Read the fields before the labels of a series; return where its labels begin, and whether one is a native histogram."""
    fields: list[tuple[int, bytes]] = []
    while body[at] != 0x0A:
        size, begin = read_varint(body, at + 1)
        fields.append((body[at] >> 3, body[begin : begin + size]))
        at = begin + size
    series.leading[len(series.begins)] = fields
    return at, any(place == 4 for place, _ in fields)


def end_of_labels(body: bytes, at: int, end: int) -> int:
    """Return the position after the labels that begin at `at`."""
    while at < end and body[at] == 0x0A:
        size = body[at + 1]
        at += 2
        if size > 127:
            size, at = read_varint(body, at - 1)
        at += size
    return at


def slices(body: bytes, begins: Iterable[int], ends: Iterable[int]) -> list[bytes]:
    """Return the bytes between positions."""
    return [body[begin:end] for begin, end in zip(begins, ends, strict=True)]
