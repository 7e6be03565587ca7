"""The framing of payloads: requests of remote write 2.0, whose texts are in a table of symbols, or of 1.0.

Items are `TimeSeries` messages with their labels in clear, so a payload can be sent in either version. A `TimeSeries` begins with
what only 2.0 carries (exemplars, a native histogram), then come its labels, then its sample: value, time, and perhaps a start time.
A request of 1.0 leaves out what its specification does not have.

Between two exports only samples change. For a payload with the same labels as the latest one that began with the same series, the
bytes around the samples are remembered.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain, repeat
from typing import NamedTuple

from magictel.encoding.payload import Payload, Run
from magictel.encoding.protobuf import Fields, field, fields_of, read_varint, varint
from magictel.exporters.prometheus_remote_write.scan import SAMPLE, STARTED, Series, end_of_labels, scan, slices

_SHORT = [varint(number) for number in range(1 << 11)]
_MOST_SERIES = 1_000_000
"""Series whose bytes are remembered; beyond that, all are made anew."""
_TARGET_INFO, _GAUGE = b"\x0a\x08__name__\x12\x0btarget_info", b"\x2a\x02\x08\x02"
"""The name of `target_info`, and its metadata: a gauge, as Prometheus makes of OTLP."""
STALE = b"\x09" + struct.pack("<Q", 0x7FF0000000000002)
"""The value of a sample that ends its series."""
_EMPTY = b"\x22\x00"
"""A request without series: the table of symbols begins with the empty text."""
Metadata = tuple[bytes, bytes, bytes, bytes]
"""What encloses the items of a metric: its type in Prometheus, b"native" for native histograms, help and unit."""


class _MisreadError(ValueError):
    """A series does not end in the sample that its last bytes look like."""


class _Known(NamedTuple):
    """What a payload's bytes are around its samples: the table of symbols, and the beginning of each series."""

    digest: bytes
    symbols: bytes
    heads: list[bytes]
    layout: tuple[array[int], array[int], array[int]]
    """Where labels begin and end and series end, if none has fields before its labels: the same for equal `sizes`."""
    sizes: tuple[int, ...] | None
    runs: tuple[Run, ...]
    labels_digest: bytes


class Requests:
    """Frames payloads, and remembers the bytes that do not change."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._series = 0

    def version_2(self, payload: Payload) -> bytes:
        """Return an `io.prometheus.write.v2.Request`."""
        if not payload.body:
            return _EMPTY
        known = self._known.get(_first_labels(payload.body))
        if (
            known is not None
            and known.sizes is not None
            and known.sizes == payload.sizes
            and known.runs == payload.runs
        ):
            begins, cuts, ends = known.layout
            if _labels_digest(slices(payload.body, begins, cuts)) == known.labels_digest:
                return _joined(known.symbols, known.heads, slices(payload.body, cuts, ends))
        try:
            return self._version_2(payload, scan(payload.body))
        except _MisreadError:
            return self._version_2(payload, scan(payload.body, exactly=True))

    def _version_2(self, payload: Payload, series: Series) -> bytes:
        body = payload.body
        labels = slices(body, series.begins, series.cuts)
        digest = _digest(labels, series.widths, payload.runs)
        known = self._known.get(labels[0])
        if known is None or known.digest != digest:
            known = self._remember(labels[0], _new(digest, labels, series, payload))
        samples = slices(body, series.cuts, series.ends)
        symbols, heads = known.symbols, known.heads
        if series.leading:
            table = Symbols(symbols)
            heads = list(heads)
            for number, fields in series.leading.items():
                before = b"".join([_field_of_2(place, content, table) for place, content in fields])
                _, begin = read_varint(heads[number], 1)
                labelled = heads[number][begin:]
                size = len(labelled) + len(before) + len(samples[number])
                heads[number] = b"".join((b"\x2a", varint(size), labelled, before))
            symbols = table.encoded()
        return _joined(symbols, heads, samples)

    def version_1(self, payload: Payload) -> bytes:
        """Return a `prometheus.WriteRequest`, without exemplars, start times and native histograms."""
        body = payload.body
        if not body:
            return body
        series = scan(body, exactly=True)
        labels = slices(body, series.begins, series.cuts)
        if set(series.widths) <= {SAMPLE, STARTED}:
            sizes = [len(labelled) + SAMPLE for labelled in labels]
            leads = [_SHORT[size] if size < len(_SHORT) else varint(size) for size in sizes]
            samples = [body[cut + 2 : cut + SAMPLE] for cut in series.cuts]
            parts = zip(repeat(b"\x0a"), leads, labels, repeat(b"\x12\x10"), samples, strict=False)
            return b"".join(chain.from_iterable(parts))
        rows = zip(labels, series.cuts, series.ends, series.widths, strict=True)
        return b"".join(
            field(1, labelled + _without_start(body[cut:end])) for labelled, cut, end, width in rows if width
        )

    def _remember(self, first: bytes, known: _Known) -> _Known:
        before = self._known.pop(first, None)
        self._series += len(known.heads) - (len(before.heads) if before is not None else 0)
        if self._series > _MOST_SERIES:
            self._known.clear()
            self._series = len(known.heads)
        self._known[first] = known
        return known


def _without_start(sample: bytes) -> bytes:
    """Return a sample with its value and time only."""
    _, end = read_varint(sample, 12)
    return field(2, sample[2:end])


def _joined(symbols: bytes, heads: Iterable[bytes], samples: Iterable[bytes]) -> bytes:
    return symbols + b"".join(chain.from_iterable(zip(heads, samples, strict=True)))


def _first_labels(body: bytes) -> bytes:
    """Return the labels of the first series; empty if it has fields before them."""
    size, begin = read_varint(body, 1)
    return body[begin : end_of_labels(body, begin, begin + size)]


def _labels_digest(labels: Iterable[bytes]) -> bytes:
    return blake2b(b"".join(labels), digest_size=16).digest()


def _digest(labels: Sequence[bytes], widths: bytearray, runs: Iterable[Run]) -> bytes:
    """Return a checksum of all that does not change: equal for equal labels, sizes of samples and metadata."""
    digest = blake2b(b"".join(labels), digest_size=16)
    digest.update(array("L", map(len, labels)).tobytes())
    digest.update(widths)
    for run in runs:
        digest.update(repr((run.envelope, run.points)).encode())
    return digest.digest()


def _new(digest: bytes, labels: Sequence[bytes], series: Series, payload: Payload) -> _Known:
    runs = payload.runs
    table = Symbols()
    heads: list[bytes] = []
    metadata, until = b"", 0
    after = iter(runs)
    for labelled, end, width in zip(labels, series.ends, series.widths, strict=True):
        while end > until and runs:
            run = next(after)
            until += run.size
            metadata = table.metadata(run.envelope)
        refs = table.refs(labelled)
        about = _GAUGE if metadata and _TARGET_INFO in labelled else metadata
        if width and payload.body.startswith(STALE, end - width + 2):  # a series that ended, of another metric
            about = b""
        size = len(refs) + len(about) + width
        heads.append(b"".join((b"\x2a", _SHORT[size] if size < len(_SHORT) else varint(size), refs, about)))
    layout = array("I", series.begins), array("I", series.cuts), array("I", series.ends)
    sizes = None if series.leading else payload.sizes
    return _Known(digest, table.encoded(), heads, layout, sizes, runs, _labels_digest(labels))


class Symbols:
    """A table of the texts of a request; the first is empty."""

    def __init__(self, encoded: bytes = _EMPTY) -> None:
        self._numbers = {text: number for number, (_, text) in enumerate(fields_of(encoded))}
        self._labels: dict[bytes, bytes] = {}
        self._size = len(self._numbers)
        self._encoded = encoded

    def number(self, text: bytes) -> int:
        """Return the number of a text, which is added if it is new."""
        return self._numbers.setdefault(text, len(self._numbers))

    def encoded(self) -> bytes:
        """Return the table as fields of a request."""
        new = list(self._numbers)[self._size :]
        return self._encoded + b"".join([field(4, text) for text in new])

    def metadata(self, envelope: Sequence[bytes]) -> bytes:
        """Return a metric's metadata as a field of its series."""
        kind, _, help_text, unit = envelope
        message = b"\x08" + kind
        for tag, text in ((b"\x18", help_text), (b"\x20", unit)):
            if text:
                message += tag + varint(self.number(text))
        return field(5, message)

    def refs(self, labels: bytes) -> bytes:
        """Return encoded labels as a field of numbers. Raise `_MisreadError` if they are not labels only."""
        numbers: list[bytes] = []
        at, end = 0, len(labels)
        while at < end:
            if labels[at] != 0x0A:
                raise _MisreadError
            begin = at
            size = labels[at + 1]
            at += 2
            if size > 127:
                size, at = read_varint(labels, at - 1)
            at += size
            label = labels[begin:at]
            known = self._labels.get(label)
            if known is None:
                known = self._labels[label] = self._label(label)
            numbers.append(known)
        if at != end:
            raise _MisreadError
        return field(1, b"".join(numbers))

    def _label(self, label: bytes) -> bytes:
        _, begin = read_varint(label, 1)
        texts = Fields(label[begin:])
        return varint(self.number(texts.content(1))) + varint(self.number(texts.content(2)))


def _field_of_2(place: int, content: bytes, table: Symbols) -> bytes:
    """Return a field before the labels as 2.0 has it: a native histogram under another number, exemplars with their labels as symbols."""
    if place == 4:
        return field(3, content)
    labels, rest = b"", b""
    for number, value in fields_of(content):
        if number == 1:
            labels += field(1, value)
        elif number == 2:
            rest += b"\x11" + value
        else:
            rest += b"\x18" + varint(value)
    return field(4, (table.refs(labels) if labels else b"") + rest)
