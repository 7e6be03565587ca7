"""Native histograms as messages of `prompb`: exponential ones, and explicit ones with custom buckets."""

from __future__ import annotations

import struct
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.encoding.protobuf import field, packed_varints, varint, zigzag
from magictel.formats.prometheus.native import Side, custom_native, native

_UINT64 = range(1 << 64)


def encoded_histogram(point: Any, time: int, start: int) -> bytes:
    """Return a point as a `Histogram`. Raise `OverflowError` for a count beyond 64 bits, `ValueError` for counts that do not add up."""
    bounds: tuple[float, ...] = ()
    if isinstance(point, HistogramDataPoint):
        histogram, bounds = custom_native(point)
        counts = list(point.bucket_counts or [point.count])
    else:
        histogram = native(point)
        counts = [point.zero_count, *point.positive.bucket_counts, *point.negative.bucket_counts]
    if sum(counts) != point.count:
        raise ValueError(f"{sum(counts)} observations in buckets, and the count is {point.count}")
    if any(count not in _UINT64 for count in (point.count, *counts)):
        raise OverflowError
    return b"".join(
        (
            *(b"\x08", varint(point.count)),
            *(b"\x19", struct.pack("<d", point.sum or 0.0)),
            *(b"\x20", varint(zigzag(histogram.schema))),
            *((b"\x29", struct.pack("<d", histogram.zero_threshold)) if histogram.zero_threshold else ()),
            *(b"\x30", varint(histogram.zero_count)),
            _side(8, histogram.negative),
            _side(11, histogram.positive),
            *(b"\x78", varint(time)),
            field(16, struct.pack(f"<{len(bounds)}d", *bounds)) if bounds else b"",
            b"\x88\x01" + varint(start) if start else b"",
        )
    )


def _side(number: int, side: Side) -> bytes:
    """Return the buckets of one side: its spans as fields `number`, and its deltas as the field after it."""
    spans = [field(number, b"\x08" + varint(zigzag(gap)) + b"\x10" + varint(length)) for gap, length in side.spans]
    deltas = packed_varints(number + 1, map(zigzag, side.deltas)) if side.deltas else b""
    return b"".join(spans) + deltas
