"""The items and requests of `protocol = "http/json"`: an item is a data point as JSON, followed by a comma."""

from __future__ import annotations

from magictel.encoding.payload import Payload
from magictel.encoding.withheld import Withheld
from magictel.formats.otlp import json_lines
from magictel.model.metrics import Point, Series, Stream


def encode(series: Series, point: Point) -> bytes | Withheld:
    """Return a point and a comma, or why it is left out."""
    item = json_lines.data_point(series, point)
    return item + b"," if isinstance(item, bytes) else item


def envelope(stream: Stream) -> tuple[bytes, ...]:
    """Return what encloses the points of a stream: three heads, and three tails."""
    heads, tails = json_lines.enclosing(stream)
    return (*heads, *tails)


def request(payload: Payload) -> bytes:
    """Return an `ExportMetricsServiceRequest` of a payload's runs."""
    start = 0
    parts = []
    for run in payload.runs:
        points = payload.body[start : start + run.size - 1]  # without the last comma
        parts.append((*run.envelope[:3], points, *run.envelope[3:]))
        start += run.size
    return json_lines.request(parts)
