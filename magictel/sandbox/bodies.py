"""Request bodies as they were before compression, decoded by libraries that no exporter encodes with."""

from __future__ import annotations

import gzip
import zlib

import cramjam

from magictel.http.wire import Request


def decompressed(request: Request) -> bytes | None:
    """Return the body without its Content-Encoding (gzip, deflate, snappy's block format); None where it cannot be read."""
    try:
        match request.header("content-encoding").lower():
            case "gzip" | "x-gzip":
                return gzip.decompress(request.body)
            case "deflate":
                return zlib.decompress(request.body)
            case "snappy":
                return bytes(cramjam.snappy.decompress_raw(request.body))
    except (OSError, EOFError, zlib.error, cramjam.DecompressionError):
        return None
    return request.body
