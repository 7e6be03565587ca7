"""Undoes a reply's Content-Encoding, bounded before it is in memory, and strictly: a body that ends early is no body.

httpx decodes too, and takes half a gzip stream for a whole one.
"""

from __future__ import annotations

import zlib

from magictel.transports.http_errors import BadEncoding, ReplyTooLarge


def decoded(body: bytes, codings: str, limit: int) -> bytes:
    """The body without its codings (the header's value). Raises `BadEncoding`, and `ReplyTooLarge` over `limit` bytes."""
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
                raise BadEncoding("an encoding that was not asked for")
    return body


def _inflated(body: bytes, window: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while body:  # gzip members may follow each other
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
