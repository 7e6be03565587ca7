"""The flat document: one for each point, on any index of Elasticsearch 7 to 9 and OpenSearch. `encode` is the reference.

    {"create":{"_id":"<series 22><time 16><kind of value 1><value 16>"}}
    {"@timestamp":…,"start_timestamp":…, <values>, "attributes":{…}, "name":…,"unit":…,"kind":…, "resource":{…},"scope":{…}}

`_id` is the same in every process: a repeat answers 409 and is stored once. Points without a start have no `start_timestamp`,
empty attributes, empty bucket lists and empty texts are left out, so that an absent field is what is read back.
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec
import orjson
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint

from magictel.encoding.columns import json_objects
from magictel.exporters.elasticsearch.values import (
    INT64_MAX,
    LONGEST_TEXT,
    attributes,
    cumulative,
    decimal,
    decimals,
    fits_whole,
    number,
    time_text,
)
from magictel.model.metrics import Attributes, Point, Series, Stream

ACTION = b'{"create":{"_id":"'
ACTION_END = b'"}}\n'
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Frame(msgspec.Struct, frozen=True):
    """What all documents of a stream share: a hash of it, which goes into each series' own, and the end of every document."""

    identity: bytes
    tail: bytes

    def series(self, point_attributes: Attributes | None) -> tuple[bytes, bytes]:
        """A series' hash, 22 characters, and its attributes as the bytes between values and tail."""
        written = attributes_json(point_attributes or {})
        digest = blake2b(self.identity + written, digest_size=16).digest()
        hashed = b2a_base64(digest, newline=False)[:22].translate(_URL_SAFE)
        return hashed, b',"attributes":' + written if written != b"{}" else b""

    def columns(self, attributes: Sequence[Attributes]) -> tuple[list[bytes], list[bytes]]:
        """`series` of many, as two columns."""
        written = attributes_column(attributes)
        identity = self.identity
        digests = [blake2b(identity + text, digest_size=16).digest() for text in written]
        packed = b"\0\0".join(
            [*digests, b""]
        )  # 18 bytes each are 24 characters, of which the first 22 are the digest's
        hashes = struct.Struct("22s2x" * len(digests)).unpack(b2a_base64(packed, newline=False).translate(_URL_SAFE))
        return list(hashes), [b',"attributes":' + text if text != b"{}" else b"" for text in written]


def frame(stream: Stream) -> Frame:
    """The frame of a stream. Its description is not part of it: longer than 256 characters it could not be read back."""
    described: dict[str, Any] = {"name": stream.name, "unit": stream.unit, "kind": stream.kind.value}
    if not stream.unit:
        del described["unit"]
    if stream.temporality:
        described["temporality"] = stream.temporality
    if stream.kind == "sum":
        described["monotonic"] = stream.monotonic
    resource = _without_nothing(
        {"attributes": attributes(stream.resource), "schema_url": stream.resource_schema_url},
    )
    scope = _without_nothing(
        {
            "name": stream.scope_name,
            "version": stream.scope_version,
            "attributes": attributes(stream.scope_attributes),
            "schema_url": stream.scope_schema_url,
        }
    )
    described |= _without_nothing({"resource": resource, "scope": scope})
    written = orjson.dumps(described)
    return Frame(blake2b(written, digest_size=16).digest(), b"," + written[1:] + b"\n")


def attributes_json(given: Attributes) -> bytes:
    """Attributes as JSON bytes, keys sorted. Everyday ones (short texts, switches, small numbers) go straight to orjson."""
    for value in given.values():
        kind = type(value)
        if kind is str:
            if len(value) > LONGEST_TEXT:
                break
        elif kind is not bool and not (kind is int and -INT64_MAX <= value <= INT64_MAX):
            break
    else:
        try:
            return orjson.dumps(given if type(given) is dict else dict(given), option=orjson.OPT_SORT_KEYS)
        except TypeError:  # lone surrogates, keys that are no text
            pass
    return orjson.dumps(attributes(given))


def attributes_column(given: Sequence[Attributes]) -> list[bytes]:
    """`attributes_json` of many; everyday ones, all in one call."""
    try:
        objects = json_objects(given, orjson.OPT_SORT_KEYS)
        if objects is not None and max(map(len, objects)) <= LONGEST_TEXT:
            return objects
    except (AttributeError, TypeError):  # none, lone surrogates, keys that are no text, whole numbers beyond 53 bits
        pass
    return [attributes_json(attributes or {}) for attributes in given]


def encode(stream_frame: Frame, series: Series, point: Point) -> bytes:
    """Action line and document of one point."""
    hashed, attrs = stream_frame.series(series.attributes)
    values, kind, bits = _values(point)
    times = times_json(point.time_unix_nano, point.start_time_unix_nano)
    return b"".join(
        (
            ACTION,
            hashed,
            time_hex(point.time_unix_nano),
            kind,
            bits,
            ACTION_END,
            times,
            values,
            attrs,
            stream_frame.tail,
        )
    )


@lru_cache(maxsize=1024)
def times_json(time: int, start: int | None) -> bytes:
    """The start of a document: its time, and its start if it has one."""
    written = b'{"@timestamp":"' + time_text(time).encode()
    if start:
        written += b'","start_timestamp":"' + time_text(start).encode()
    return written + b'",'


def time_hex(nanoseconds: int) -> bytes:
    """A time as sixteen hexadecimal digits."""
    return b"%016x" % nanoseconds


def value_digest(written: bytes) -> bytes:
    """Return eight bytes that identify a value of more than one number."""
    return blake2b(written, digest_size=8).digest()


def split(body: bytes) -> list[bytes]:
    """The items of a bulk body: an action line and its document each; JSON holds no raw newline."""
    lines = body.split(b"\n")
    return [action + b"\n" + document + b"\n" for action, document in zip(lines[::2], lines[1::2], strict=False)]


def distribution(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> dict[str, Any]:
    """Count, sum, and the extremes of a histogram that is not empty: an empty one has none, whatever the source put there."""
    fields: dict[str, Any] = dict([number("count", point.count)])
    if point.sum is not None:
        fields |= [decimal("sum", point.sum)]
    if point.count:
        fields |= [
            decimal(name, value) for name, value in (("min", point.min), ("max", point.max)) if value is not None
        ]
    return fields


def value_fields(point: Point) -> dict[str, Any]:
    """The fields that hold a point's value, as JSON values."""
    if isinstance(point, NumberDataPoint):
        return dict([number("value", point.value)])
    fields = distribution(point)
    if isinstance(point, HistogramDataPoint):
        lists = [decimals("bounds", point.explicit_bounds), cumulative("cumulative_counts", point.bucket_counts)]
        return fields | {name: listed for name, listed in lists if listed}
    fields |= {"scale": point.scale}
    fields |= [number("zero_count", point.zero_count)]
    threshold = getattr(point, "zero_threshold", None)
    if threshold is not None:
        fields |= [decimal("zero_threshold", threshold)]
    for side in ("positive", "negative"):
        buckets = getattr(point, side)
        if buckets is not None and buckets.bucket_counts:
            fields[side] = dict([("offset", buckets.offset), cumulative("cumulative_counts", buckets.bucket_counts)])
    return fields


def _values(point: Point) -> tuple[bytes, bytes, bytes]:
    """Return the value fields' bytes, the letter of their kind, and sixteen digits that identify the value."""
    fields = value_fields(point)
    written = orjson.dumps(fields)[1:-1]
    if not isinstance(point, NumberDataPoint):
        letter = b"h" if isinstance(point, HistogramDataPoint) else b"e"
        return written, letter, value_digest(written).hex().encode()
    value = point.value
    if not isinstance(value, int):
        return written, b"d", struct.pack("<d", value).hex().encode()
    if fits_whole(value):
        return written, b"l", struct.pack("<q", value).hex().encode()
    return written, b"t", value_digest(written).hex().encode()


def _without_nothing(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", {}, None)}
