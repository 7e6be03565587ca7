"""Reads one HTTP/1.1 reply from a stream of bytes (RFC 9112), bounded in every direction."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

HEADER_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024 * 1024
_INTERIM_LIMIT = 16
_PIECE = 64 * 1024


class ProtocolError(Exception):
    """The bytes are no HTTP/1.1 reply that can be used."""


class NotHttp(ProtocolError):  # noqa: N818
    """The first line is no status line of HTTP/1."""


class Truncated(ProtocolError):  # noqa: N818
    """The connection ended inside a reply; the text says where."""


class HeaderTooLarge(ProtocolError):  # noqa: N818
    """More than `HEADER_LIMIT` bytes of headers."""


class BadEncoding(ProtocolError):  # noqa: N818
    """The body does not decompress."""


class ReplyTooLarge(ProtocolError):  # noqa: N818
    """The body, decompressed, is larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class ByteStream(Protocol):
    """What is read from: `io.BufferedReader` over a connection."""

    def readline(self, size: int = -1, /) -> bytes: ...  # noqa: D102
    def read(self, size: int = -1, /) -> bytes: ...  # noqa: D102
    def read1(self, size: int = -1, /) -> bytes: ...  # noqa: D102


def read_reply(
    stream: ByteStream, method: str, *, body_limit: int = BODY_LIMIT
) -> tuple[int, dict[str, str], bytes, bool]:
    """(status, headers with lower-case names, decompressed body, may the connection be used again?).

    Raises `ProtocolError`, `EOFError` when nothing at all came, and what the stream raises. Interim replies (1xx) are passed over.
    """
    for _ in range(_INTERIM_LIMIT):
        status, version, headers = _head(stream)
        if status >= 200:
            body, reusable = _body(stream, method, status, headers, body_limit)
            options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
            keep = "close" not in options and (version == 1 or "keep-alive" in options)
            return status, headers, _decoded(body, headers, body_limit), reusable and keep
    raise NotHttp("only interim replies")


def _head(stream: ByteStream) -> tuple[int, int, dict[str, str]]:
    line = stream.readline(HEADER_LIMIT + 1)
    if not line:
        raise EOFError("no answer")
    # HTTP/1.1 200 OK
    if line[:7] != b"HTTP/1." or not line[9:12].isdigit() or line[8:9] != b" ":
        raise NotHttp("no status line")
    version = line[7] - 48
    status = int(line[9:12])
    if status < 100:
        raise NotHttp("no status")
    headers: dict[str, str] = {}
    size = len(line)
    last = ""
    while True:
        line = stream.readline(HEADER_LIMIT + 1)
        size += len(line)
        if size > HEADER_LIMIT:
            raise HeaderTooLarge
        if not line.endswith(b"\n"):
            raise Truncated("inside the headers")
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return status, version, headers
        if text[0] in " \t" and last:  # a folded line: RFC 9112 §5.2
            headers[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        if not colon:
            raise NotHttp("a header without a colon")
        last = name.strip().lower()
        value = value.strip()
        headers[last] = f"{headers[last]}, {value}" if last in headers else value


def _body(stream: ByteStream, method: str, status: int, headers: dict[str, str], limit: int) -> tuple[bytes, bool]:
    if method == "HEAD" or status in (204, 304):
        return b"", True
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        return _chunked(stream, limit), True
    declared = headers.get("content-length")
    if declared is None:
        return _until_close(stream, limit), False
    lengths = {length.strip() for length in declared.split(",")}
    length = lengths.pop()
    if lengths or not length.isascii() or not length.isdigit():
        raise NotHttp("a Content-Length that is no number")
    size = int(length)
    if size > limit:
        raise ReplyTooLarge(limit)
    body = _exactly(stream, size)
    if len(body) < size:
        raise Truncated(f"{len(body)} of {size} bytes came")
    return body, True


def _exactly(stream: ByteStream, size: int) -> bytes:
    """Up to `size` bytes, fewer at the end of the stream; never more memory at once than what has come."""
    if size <= _PIECE:
        return stream.read(size)
    pieces = []
    while size:
        piece = stream.read(min(size, _PIECE))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _until_close(stream: ByteStream, limit: int) -> bytes:
    pieces = []
    size = 0
    while piece := stream.read1(_PIECE):
        size += len(piece)
        if size > limit:
            raise ReplyTooLarge(limit)
        pieces.append(piece)
    return b"".join(pieces)


def _chunked(stream: ByteStream, limit: int) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while True:
        line = stream.readline(HEADER_LIMIT)
        if not line.endswith(b"\n"):
            raise Truncated(f"after {total} bytes, inside a chunk's head")
        try:
            size = int(line.split(b";", 1)[0].strip(), 16)
        except ValueError:
            raise NotHttp("a chunk without a size") from None
        total += size
        if size < 0 or total > limit:
            raise ReplyTooLarge(limit)
        if size == 0:
            break
        piece = _exactly(stream, size)
        if len(piece) < size or len(stream.read(2)) < 2:
            raise Truncated(f"{total - size + len(piece)} bytes came")
        pieces.append(piece)
    trailer = 0
    while (line := stream.readline(HEADER_LIMIT)) not in (b"\r\n", b"\n"):
        trailer += len(line)
        if not line:
            raise Truncated("after the last chunk")
        if trailer > HEADER_LIMIT:
            raise HeaderTooLarge
    return b"".join(pieces)


def _decoded(body: bytes, headers: dict[str, str], limit: int) -> bytes:
    if not body:
        return body
    for coding in reversed(headers.get("content-encoding", "").lower().split(",")):
        match coding.strip():
            case "" | "identity":
                pass
            case "gzip" | "x-gzip":
                body = _inflated(body, lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), limit)
            case "deflate":
                raw = (body[0] & 0x0F) != 8  # some servers send deflate without the zlib frame
                body = _inflated(body, lambda: zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS), limit)  # noqa: B023
            case _:
                raise BadEncoding("an unknown Content-Encoding")
    return body


def _inflated(body: bytes, make: Callable[[], zlib._Decompress], limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while body:  # gzip members may follow each other
        member = make()
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
