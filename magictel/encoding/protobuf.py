"""The part of Protobuf's wire format (protobuf.dev, "Encoding") that encoders write; reading it is in `magictel.sources.protobuf_wire`."""

from __future__ import annotations


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


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field: a text, bytes, or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content
