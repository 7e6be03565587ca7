"""Protobuf's wire format (protobuf.dev, "Encoding"): the fields of a message by their numbers, without knowing their types.

Every function raises `BadWireError`, `struct.error`, `IndexError`, `TypeError` or `ValueError` for invalid bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from sys import intern
from typing import Any


class BadWireError(ValueError):
    """The bytes are not a valid message."""


def fields_of(raw: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (number, content) of each field: bytes for fixed and length-delimited ones, an int for a varint."""
    at, end = 0, len(raw)
    while at < end:
        tag, at = varint(raw, at)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, at = varint(raw, at)
            stop = at + size
        elif kind == 1:
            stop = at + 8
        elif kind == 5:
            stop = at + 4
        elif kind == 0:
            value, at = varint(raw, at)
            yield number, value
            continue
        else:
            raise BadWireError
        if stop > end or not number:
            raise BadWireError
        yield number, raw[at:stop]
        at = stop


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return the varint at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise BadWireError


def gathered(raw: bytes) -> dict[int, list[Any]]:
    """Return all fields by number, in order."""
    fields: dict[int, list[Any]] = {}
    for number, value in fields_of(raw):
        fields.setdefault(number, []).append(value)
    return fields


def all_of(raw: bytes, number: int) -> list[bytes]:
    """Return a repeated field."""
    return [value for field, value in fields_of(raw) if field == number]


def first(fields: dict[int, list[Any]], number: int) -> bytes:
    """Return a field of bytes or fixed type: the last one, or empty."""
    value = fields.get(number, (b"",))[-1]
    if not isinstance(value, bytes):
        raise BadWireError
    return value


def merged(fields: dict[int, list[Any]], number: int) -> bytes:
    """Return a nested message; several are merged as in protobuf."""
    return b"".join(fields.get(number, ()))


def text(fields: dict[int, list[Any]], number: int) -> str:
    """Return a string field."""
    return intern(first(fields, number).decode())


def number_in(fields: dict[int, list[Any]], number: int) -> int:
    """Return a varint field, or 0."""
    value = fields.get(number, (0,))[-1]
    if not isinstance(value, int):
        raise BadWireError
    return value


def fixed(fields: dict[int, list[Any]], number: int) -> int:
    """Return a fixed32 or fixed64 field, or 0."""
    return int.from_bytes(first(fields, number), "little")


def signed(fields: dict[int, list[Any]], number: int) -> int:
    """Return a sfixed64; 0 if there is none."""
    return int.from_bytes(first(fields, number), "little", signed=True)


def double(fields: dict[int, list[Any]], number: int) -> float | None:
    """Return a double field, or None."""
    if number not in fields:
        return None
    value: float = struct.unpack("<d", first(fields, number))[0]
    return value


def zigzag(value: int) -> int:
    """Return the signed number of a varint (sint32, sint64)."""
    return (value >> 1) ^ -(value & 1)


def packed(fields: dict[int, list[Any]], number: int, code: str) -> list[Any]:
    """Return packed numbers of eight bytes; `code` is struct's."""
    raw = b"".join(fields.get(number, ()))
    return list(struct.unpack(f"<{len(raw) // 8}{code}", raw))
