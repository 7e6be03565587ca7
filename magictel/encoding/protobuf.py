"""Protobuf's wire format (protobuf.dev, "Encoding"), written and read without knowing the types of fields.

Reading invalid bytes raises one of `MALFORMED`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import add
from sys import intern
from typing import Any


class BadWireError(ValueError):
    """The bytes are not a valid message."""


_NO_CONTENT, _NO_NUMBER = (b"",), (0,)
MALFORMED = (BadWireError, struct.error, ValueError, IndexError, TypeError, AttributeError)


def varint(number: int) -> bytes:
    """Return a number as protobuf writes integers; a negative one as 64-bit two's complement."""
    if 0 <= number < 128:
        return bytes((number,))
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


small_varint = lru_cache(maxsize=10_000)(varint)
"""`varint` for numbers that recur, such as tags and lengths."""


def zigzag(number: int) -> int:
    """Return a number as protobuf writes `sint32` and `sint64`, in a varint."""
    return number << 1 if number >= 0 else ~(number << 1)


def packed_varints(number: int, values: Iterable[int]) -> bytes:
    """Return a packed field of varints."""
    return field(number, b"".join(map(varint, values)))


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field: a text, bytes, or a message."""
    return small_varint(number << 3 | 2) + small_varint(len(content)) + content


def text_fields(number: int, texts: Sequence[str]) -> list[bytes]:
    """Return a field of each text; nothing for an empty one. What precedes a text depends on its length only."""
    encoded = list(map(str.encode, texts))
    sizes = list(map(len, encoded))
    before = {size: varint(number << 3 | 2) + varint(size) for size in set(sizes)}
    before[0] = b""
    return list(map(add, map(before.__getitem__, sizes), encoded))


def read_varint(raw: bytes, at: int) -> tuple[int, int]:
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


def fields_of(raw: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (number, content) of each field: bytes for fixed and length-delimited ones, an int for a varint."""
    at, end = 0, len(raw)
    while at < end:
        tag = raw[at]
        at += 1
        if tag >= 0x80:  # rarely, as a length
            tag, at = read_varint(raw, at - 1)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            stop = at + 1 + raw[at]
            if raw[at] >= 0x80:
                size, at = read_varint(raw, at)
                stop = at + size
            else:
                at += 1
        elif kind == 1:
            stop = at + 8
        elif kind == 5:
            stop = at + 4
        elif kind == 0 and number:
            value, at = read_varint(raw, at)
            yield number, value
            continue
        else:
            raise BadWireError
        if stop > end or not number:
            raise BadWireError
        yield number, raw[at:stop]
        at = stop


def all_of(raw: bytes, number: int) -> list[bytes]:
    """Return a repeated field."""
    return [value for field, value in fields_of(raw) if field == number]


class Fields(dict[int, list[Any]]):
    """The fields of a message by number, each with all of its values in order; the last one counts, as in protobuf."""

    __slots__ = ()

    def __init__(self, raw: bytes) -> None:
        for number, value in fields_of(raw):
            if number in self:
                self[number].append(value)
            else:
                self[number] = [value]

    def content(self, number: int) -> bytes:
        """Return a field of bytes or fixed type, or b""."""
        value = self.get(number, _NO_CONTENT)[-1]
        if not isinstance(value, bytes):
            raise BadWireError
        return value

    def merged(self, number: int) -> bytes:
        """Return a nested message; several are merged as in protobuf."""
        return b"".join(self.get(number, ()))

    def text(self, number: int) -> str:
        """Return a text, or ""."""
        return intern(self.content(number).decode())

    def number(self, number: int) -> int:
        """Return a varint, or 0."""
        value = self.get(number, _NO_NUMBER)[-1]
        if not isinstance(value, int):
            raise BadWireError
        return value

    def zigzag(self, number: int) -> int:
        """Return a varint of type sint32 or sint64, or 0."""
        value = self.number(number)
        return (value >> 1) ^ -(value & 1)

    def fixed(self, number: int, *, signed: bool = False) -> int:
        """Return a whole number of fixed size, or 0."""
        return int.from_bytes(self.content(number), "little", signed=signed)

    def double(self, number: int) -> float | None:
        """Return a double, or None."""
        if number not in self:
            return None
        value: float = struct.unpack("<d", self.content(number))[0]
        return value

    def packed(self, number: int, code: str) -> list[Any]:
        """Return packed numbers of eight bytes; `code` is struct's."""
        raw = self.merged(number)
        return list(struct.unpack(f"<{len(raw) // 8}{code}", raw))

    def packed_varints(self, number: int) -> list[int]:
        """Return packed varints, which may also be separate."""
        numbers: list[int] = []
        for value in self.get(number, ()):
            if isinstance(value, int):
                numbers.append(value)
                continue
            at = 0
            while at < len(value):
                varint, at = read_varint(value, at)
                numbers.append(varint)
        return numbers
