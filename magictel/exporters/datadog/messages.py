"""Messages of Datadog's v2 intake (github.com/DataDog/agent-payload, proto/metrics/agent_payload.proto), each as field 1 of its payload.

A `MetricSeries` has one point. It may also be JSON, with a comma behind it (docs.datadoghq.com/api/latest/metrics/#submit-metrics); a
`Sketch` has no JSON.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from magictel.encoding.protobuf import Fields, all_of, field, small_varint, text_fields, varint
from magictel.exporters.datadog.names import tags_of
from magictel.model.metrics import Attributes

COUNT, GAUGE = 1, 3
"""`MetricType` of the intake."""
EPOCH_WIDTH = 5
"""Bytes of a varint of Unix seconds from 1978 to 3058."""
POINT = b"\x22" + varint(1 + 8 + 1 + EPOCH_WIDTH) + b"\x09"
"""The field `points` of a `MetricSeries` up to its value."""
JSON_FRAME = b'{"series":[', b"]}"
_JSON_TIME = re.compile(rb'"timestamp":(\d+)')
UNITS = {
    "ns": "nanosecond",
    "us": "microsecond",
    "ms": "millisecond",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "By": "byte",
    "KiBy": "kibibyte",
    "MiBy": "mebibyte",
    "GiBy": "gibibyte",
    "%": "percent",
    "Cel": "degree celsius",
    "Hz": "hertz",
}


class About(NamedTuple):
    """A `MetricSeries` without its point; `interval` in seconds, 0 if it is not known."""

    name: str
    host: str
    tags: Sequence[str]
    type: int
    unit: str | None
    interval: int


def around(about: About) -> tuple[bytes, bytes]:
    """Return the fields of a `MetricSeries` before and after its point."""
    resource = field(1, field(1, b"host") + _text(2, about.host)) if about.host else b""
    before = resource + _text(2, about.name) + b"".join(text_fields(3, about.tags))
    after = b"\x28" + varint(about.type) + (_text(6, about.unit) if about.unit else b"")
    return before, after + (b"\x40" + varint(about.interval) if about.interval else b"")


def series(about: About, value: float, seconds: int) -> bytes:
    """Return a `MetricSeries`."""
    before, after = around(about)
    point = field(4, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(seconds))
    return field(1, before + point + after)


def json_series(about: About, value: float, seconds: int) -> bytes:
    """Return a `MetricSeries` as JSON."""
    message: dict[str, Any] = {
        "metric": about.name,
        "type": about.type,
        "points": [{"timestamp": seconds, "value": value}],
        "tags": about.tags,
    }
    if about.host:
        message["resources"] = [{"type": "host", "name": about.host.encode("utf-8", "replace").decode()}]
    if about.unit:
        message["unit"] = about.unit
    if about.interval:
        message["interval"] = about.interval
    return orjson.dumps(message) + b","


def around_sketch(name: str, host: str, tags: Sequence[str]) -> tuple[bytes, bytes]:
    """Return the fields of a `Sketch` before and after the tags of its point; `tags` are those of all points."""
    return _text(1, name) + _text(2, host), b"".join(text_fields(4, tags))


def sketch_tags(attributes: Attributes | None) -> bytes:
    """Return a point's own tags as fields of a `Sketch`."""
    return b"".join(text_fields(4, tags_of(attributes or {})))


def sketch(around: tuple[bytes, bytes], tags: bytes, dogsketch: bytes) -> bytes:
    """Return a `Sketch`."""
    before, after = around
    return field(1, b"".join((before, tags, after, b"\x3a", small_varint(len(dogsketch)), dogsketch)))


def seconds_of(item: bytes) -> int:
    """Return the time of one of these messages."""
    if item.startswith(b"{"):
        time = _JSON_TIME.search(item)
        assert time is not None
        return int(time[1])
    fields = Fields(all_of(item, 1)[0])
    return Fields(fields.content(7)).number(1) if 7 in fields else Fields(fields.content(4)).number(2)


def _text(place: int, text: str) -> bytes:
    return field(place, text.encode("utf-8", "replace")) if text else b""
