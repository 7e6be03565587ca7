"""Decoding of a reply's Content-Encoding, with a size limit, and strict: a truncated body is an error.

httpx also decodes, but accepts half a gzip stream as a whole one.
"""

from __future__ import annotations

import zlib

from magictel.transports.http_errors import BadEncoding, ReplyTooLarge


def decoded(body: bytes, codings: str, limit: int) -> bytes:
    """Decode the body according to the header's value. Raise `BadEncoding`, or `ReplyTooLarge` over `limit` bytes."""
    if not body:
        return body
    for coding in reversed(codings.lower().split(",")):
        match coding.strip():
            case "" | "identity":
                pass
            case "gzip" | "x-gzip":
                body = _inflated(body, zlib.MAX_WBITS | 16, limit)
            case "deflate":
                framed = body[0] & 0x0F == 8  # some servers send deflate without the zlib frame
                body = _inflated(body, zlib.MAX_WBITS if framed else -zlib.MAX_WBITS, limit)
            case _:
                raise BadEncoding("an encoding that the request did not accept")
    return body


def _inflated(body: bytes, window: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while body:  # a body may consist of several gzip members
        member = zlib.decompressobj(window)
        try:
            piece = member.decompress(body, limit - size + 1)
        except zlib.error:
            raise BadEncoding("it does not decompress") from None
        size += len(piece)
        if size > limit:
            raise ReplyTooLarge(limit)
        if not member.eof:
            raise BadEncoding("it ends early")
        pieces.append(piece)
        body = member.unused_data
    return b"".join(pieces)
