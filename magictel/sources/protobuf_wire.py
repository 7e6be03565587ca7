"""Protobuf's wire format (protobuf.dev, "Encoding"): the fields of a message by their numbers, without knowing their types.

Every function raises `BadWireError`, `struct.error`, `IndexError`, `TypeError` or `ValueError` for bytes that are no such message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from sys import intern
from typing import Any


class BadWireError(ValueError):
    """The bytes are no such message."""


def fields_of(raw: bytes) -> Iterator[tuple[int, Any]]:
    """(number, content) of each field: bytes for fixed and length-delimited ones, an int for a varint."""
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
    """The number at a place, and where the next thing begins."""
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
    """All fields by number, in their order."""
    made: dict[int, list[Any]] = {}
    for number, value in fields_of(raw):
        made.setdefault(number, []).append(value)
    return made


def all_of(raw: bytes, number: int) -> list[bytes]:
    """A repeated field."""
    return [value for one, value in fields_of(raw) if one == number]


def first(fields: dict[int, list[Any]], number: int) -> bytes:
    """A field that is bytes or fixed: the last one counts; empty if there is none."""
    value = fields.get(number, (b"",))[-1]
    if not isinstance(value, bytes):
        raise BadWireError
    return value


def merged(fields: dict[int, list[Any]], number: int) -> bytes:
    """A message within a message: of several the union, as protobuf merges them."""
    return b"".join(fields.get(number, ()))


def text(fields: dict[int, list[Any]], number: int) -> str:
    """A string."""
    return intern(first(fields, number).decode())


def number_in(fields: dict[int, list[Any]], number: int) -> int:
    """A varint; 0 if there is none."""
    value = fields.get(number, (0,))[-1]
    if not isinstance(value, int):
        raise BadWireError
    return value


def fixed(fields: dict[int, list[Any]], number: int) -> int:
    """A fixed32 or fixed64; 0 if there is none."""
    return int.from_bytes(first(fields, number), "little")


def signed(fields: dict[int, list[Any]], number: int) -> int:
    """Return a sfixed64; 0 if there is none."""
    return int.from_bytes(first(fields, number), "little", signed=True)


def double(fields: dict[int, list[Any]], number: int) -> float | None:
    """A double, or None."""
    if number not in fields:
        return None
    value: float = struct.unpack("<d", first(fields, number))[0]
    return value


def zigzag(value: int) -> int:
    """A signed number out of a varint (sint32, sint64)."""
    return (value >> 1) ^ -(value & 1)


def packed(fields: dict[int, list[Any]], number: int, code: str) -> list[Any]:
    """Packed numbers of eight bytes; `code` is struct's."""
    raw = b"".join(fields.get(number, ()))
    return list(struct.unpack(f"<{len(raw) // 8}{code}", raw))
