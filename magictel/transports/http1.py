"""HTTP/1.1 over a stream (RFC 9112): a request goes out in one piece; of a reply, what is unclear is refused and not guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from magictel.transports.http_errors import HeaderTooLarge, NotHttp, ReplyTooLarge, Truncated

_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*)")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;[^\x00]*)?")
_HEADER_LIMIT = 64 * 1024
_LINE_LIMIT = 4096
_READ = 64 * 1024
_ONE_WRITE = 64 * 1024
"""A body up to this size goes out with its headers: copying it costs less than another call."""
_WITHOUT_BODY = frozenset({204, 304})


class Readable(Protocol):
    """What a reply is read from; `b""` is the end."""

    def read(self, max_bytes: int) -> bytes:
        """What is there, at most so many bytes."""
        ...


class Writable(Protocol):
    """What a request is written to."""

    def write(self, buffer: bytes) -> None:
        """Send all of it."""
        ...


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply as it came. `kept`: the connection may carry another request."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    kept: bool


def write_request(
    stream: Writable, method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes = b""
) -> None:
    """Send a request."""
    lines = [b"%s: %s\r\n" % header for header in headers]
    head = b"%s %s HTTP/1.1\r\n%s\r\n" % (method.encode("ascii"), target, b"".join(lines))
    if len(body) <= _ONE_WRITE:
        stream.write(head + body)
    else:
        stream.write(head)
        stream.write(body)


class ReplyReader:
    """Reads the one reply that is due on a stream.

    Raises `ProtocolError` for what is no complete reply of HTTP/1, `EOFError` where nothing came at all.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._received = 0

    def head(self) -> tuple[int, list[tuple[bytes, bytes]], bool]:
        """Read status and headers, past interim replies; and whether the connection outlives the reply, by its headers."""
        while True:
            minor, status, headers = self._one_head()
            if status >= 200:
                options = {token.strip() for value in _values(headers, b"connection") for token in value.split(b",")}
                return status, headers, minor == 1 and b"close" not in options
            if status == 101:
                raise NotHttp("another protocol was not asked for")

    def reply(self, method: str, body_limit: int) -> RawReply:
        """Read the whole reply to a request of this method; raises `ReplyTooLarge` for a body over the limit."""
        return self.body(*self.head(), method, body_limit)

    def body(
        self, status: int, headers: list[tuple[bytes, bytes]], kept: bool, method: str, body_limit: int
    ) -> RawReply:
        """Read what follows the head."""
        codings = b",".join(_values(headers, b"transfer-encoding"))
        if codings and codings.strip() != b"chunked":
            raise NotHttp("a transfer coding that was not asked for")
        length = _length(headers)
        if method == "HEAD" or status in _WITHOUT_BODY:
            body = b""
        elif codings:
            body = self._chunked(body_limit)
        elif length is not None:
            if length > body_limit:
                raise ReplyTooLarge(body_limit)
            body = self._exactly(length)
        else:
            body, kept = self._until_close(body_limit), False
        return RawReply(status, headers, body, kept and not self._buffer)

    def _one_head(self) -> tuple[int, int, list[tuple[bytes, bytes]]]:
        searched = 0
        while (end := _END.search(self._buffer, searched)) is None:
            if len(self._buffer) > _HEADER_LIMIT:
                raise HeaderTooLarge
            searched = max(0, len(self._buffer) - 3)
            self._fill()
        if end.start() > _HEADER_LIMIT:
            raise HeaderTooLarge
        text = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        first, *lines = _FOLD.sub(b" ", text).split(b"\n")
        status = _STATUS.fullmatch(first.rstrip(b"\r"))
        if status is None:
            raise NotHttp("no status line")
        headers: list[tuple[bytes, bytes]] = []
        for line in lines:
            field = _FIELD.fullmatch(line.rstrip(b"\r"))
            if field is None:
                raise NotHttp("a line among the headers that is none")
            headers.append((field[1], field[2].rstrip(b" \t")))
        return int(status[1]), int(status[2]), headers

    def _chunked(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        left = limit
        while True:
            chunk = _CHUNK.fullmatch(self._line())
            if chunk is None:
                raise NotHttp("no size of a chunk")
            size = int(chunk[1], 16)
            if not size:
                break
            left -= size
            if left < 0:
                raise ReplyTooLarge(limit)
            pieces.append(self._exactly(size))
            if self._line():
                raise NotHttp("a chunk that is longer than its size")
        trailer = 0
        while line := self._line():
            trailer += len(line)
            if trailer > _HEADER_LIMIT:
                raise HeaderTooLarge
        return b"".join(pieces)

    def _until_close(self, limit: int) -> bytes:
        while len(self._buffer) <= limit:
            data = self._stream.read(_READ)
            if not data:
                return self._taken(len(self._buffer))
            self._buffer += data
        raise ReplyTooLarge(limit)

    def _line(self) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _LINE_LIMIT:
                raise NotHttp("a line without an end")
            self._fill()
        return self._taken(end + 1).rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        return self._taken(size)

    def _taken(self, size: int) -> bytes:
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data

    def _fill(self) -> None:
        data = self._stream.read(_READ)
        if not data:
            raise Truncated(f"{self._received} bytes received") if self._received else EOFError("no answer")
        self._received += len(data)
        self._buffer += data


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value.lower() for given, value in headers if given.lower() == name]


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    given = {length.strip() for value in _values(headers, b"content-length") for length in value.split(b",")}
    if not given:
        return None
    length = given.pop()
    if given or not length.isdigit() or len(length) > 20:
        raise NotHttp("no length that can be read")
    return int(length)
