"""Exemplars as messages of `prompb`: a value, its time, and labels with the trace and span that it comes from."""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from magictel.encoding.protobuf import field, varint
from magictel.formats.prometheus.label_columns import encoded_label
from magictel.formats.prometheus.names import label_value
from magictel.formats.prometheus.series import milliseconds

_MOST_CHARACTERS = 128
"""Of the labels of an exemplar, names and values together: Prometheus drops one that has more."""


def encoded_exemplars(point: Any, named: Callable[[str], str]) -> list[tuple[float, bytes]]:
    """Return the exemplars of a point in the order of their times, each with its value: fields 3 of a `TimeSeries`."""
    given = getattr(point, "exemplars", None) or ()
    return [(exemplar.value, field(3, _message(exemplar, named))) for exemplar in sorted(given, key=_time)]


def of_buckets(exemplars: Sequence[tuple[float, bytes]], bounds: Sequence[float], count: int) -> list[bytes]:
    """Return the exemplars of each of a histogram's `count` series: those of the bucket that their value falls into."""
    buckets = [b""] * count
    finite = [bound for bound in bounds if bound != math.inf] if exemplars else []
    for value, encoded in exemplars:
        buckets[bisect_left(finite, value)] += encoded
    return buckets


def _time(exemplar: Any) -> int:
    time: int = exemplar.time_unix_nano
    return time


def _message(exemplar: Any, named: Callable[[str], str]) -> bytes:
    labels: dict[str, str] = {}
    if exemplar.trace_id is not None and exemplar.span_id is not None:
        labels = {"trace_id": f"{exemplar.trace_id:032x}", "span_id": f"{exemplar.span_id:016x}"}
    left = _MOST_CHARACTERS - sum(len(name) + len(text) for name, text in labels.items())
    for key, value in sorted((exemplar.filtered_attributes or {}).items()):
        name, text = named(key), label_value(value)
        if text and name not in labels and len(name) + len(text) <= left:
            labels[name] = text
            left -= len(name) + len(text)
    encoded = b"".join(encoded_label(name, labels[name]) for name in sorted(labels))
    time = milliseconds(exemplar.time_unix_nano)
    return encoded + b"\x11" + struct.pack("<d", exemplar.value) + (b"\x18" + varint(time) if time else b"")
