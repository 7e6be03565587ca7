"""Attributes and identifiers in OTLP JSON as plain values."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from sys import intern
from typing import Any

from msgspec import UNSET

from magictel.sources import otlp_messages as otlp

_HEX = re.compile("[0-9a-fA-F]+")


def counted_attributes(raw: bytes) -> tuple[dict[str, Any], int]:
    """Return the attributes in a list of key-value pairs, and the number of pairs."""
    pairs = otlp.ATTRIBUTES.decode(raw) if raw else []
    return dictionary(pairs), len(pairs)


def dictionary(pairs: list[otlp.Pair]) -> dict[str, Any]:
    """Return decoded pairs as a dictionary of plain values."""
    values: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        if value is None:
            values[intern(pair.key)] = None
        else:
            text = value.stringValue
            values[intern(pair.key)] = text if text is not UNSET else _plain(value)
    return values


def _plain(value: otlp.AnyValue) -> Any:
    for plain in (value.stringValue, value.intValue, value.boolValue, value.doubleValue):
        if plain is not UNSET:
            return plain
    if isinstance(value.arrayValue, otlp.Array):
        return [_plain(element) for element in value.arrayValue.values]
    if isinstance(value.kvlistValue, otlp.Pairs):
        return dictionary(value.kvlistValue.values)
    return base64.b64decode(value.bytesValue) if isinstance(value.bytesValue, str) else None


def identifier(text: str, size: int) -> int | None:
    """Return a trace or span id of so many bytes, from hex as in OTLP, or from base64 as other protobuf encoders write it."""
    if not text:
        return None
    if len(text) <= 2 * size and _HEX.fullmatch(text):
        return int(text, 16)
    with suppress(ValueError):
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        if len(raw) == size:
            return int.from_bytes(raw, "big")
    return None
