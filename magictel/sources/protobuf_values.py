"""Values in OTLP's protobuf messages: numbers, buckets, attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from magictel.sources import otlp_messages as otlp
from magictel.sources.protobuf_wire import (
    BadWireError,
    all_of,
    fields_of,
    first,
    gathered,
    merged,
    number_in,
    text,
    varint,
    zigzag,
)

_DEEPEST = 32


def buckets(fields: dict[int, list[Any]], number: int) -> otlp.Buckets:
    """Return one side of an exponential histogram."""
    side = gathered(merged(fields, number))
    counts: list[int] = []
    for packed in side.get(2, ()):
        if isinstance(packed, int):
            counts.append(packed)
            continue
        at = 0
        while at < len(packed):
            value, at = varint(packed, at)
            counts.append(value)
    return otlp.Buckets(zigzag(number_in(side, 1)), counts)


def framed(raw: bytes) -> bytes:
    """Return a message prefixed with its length, so that several can form a single key."""
    return len(raw).to_bytes(4, "big") + raw


def counted_attributes(raw: bytes) -> tuple[dict[str, Any], int]:
    """Return the attributes in framed pairs, and the number of pairs."""
    pairs, at = [], 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        pairs.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return pairs_of(pairs), len(pairs)


def pairs_of(messages: Iterable[bytes], depth: int = 0) -> dict[str, Any]:
    """Return KeyValue messages as a dictionary of plain values."""
    values = {}
    for raw in messages:
        fields = gathered(raw)
        values[text(fields, 1)] = _value(first(fields, 2), depth) if 2 in fields else None
    return values


def _value(raw: bytes, depth: int) -> Any:
    if depth > _DEEPEST:
        raise BadWireError
    plain: Any = None
    for number, value in fields_of(raw):
        match number:
            case 1:
                plain = value.decode()
            case 2:
                plain = bool(value)
            case 3:
                plain = value - (1 << 64) if value >> 63 else value
            case 4:
                plain = struct.unpack("<d", value)[0]
            case 5:
                plain = [_value(element, depth + 1) for element in all_of(value, 1)]
            case 6:
                plain = pairs_of(all_of(value, 1), depth + 1)
            case 7:
                plain = value
    return plain
