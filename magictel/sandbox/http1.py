"""HTTP/1.1 framing: requests off a socket, replies as bytes."""

from __future__ import annotations

import socket
from http import HTTPStatus

from magictel.http.wire import Reply, Request

_MAX_LINE = 65_536
_MAX_BODY = 512 * 1024 * 1024
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class MalformedRequest(Exception):  # noqa: N818
    """What came in is not HTTP/1.1."""


class RequestReader:
    """Reads one request after the other from a connection, keep-alive, content-length or chunked."""

    def __init__(self, connection: socket.socket, scheme: str, authority: str) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb", buffering=262_144)
        self._scheme = scheme
        self._authority = authority

    def next(self) -> tuple[Request | None, bool]:
        """The next request and whether the connection stays open; (None, False) at the client's end."""
        line = self._stream.readline(_MAX_LINE)
        while line in {b"\r\n", b"\n"}:
            line = self._stream.readline(_MAX_LINE)
        if not line:
            return None, False
        words = line.split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            raise MalformedRequest("not an HTTP/1.1 request line")
        headers = self._headers()
        lower = {name.lower(): value for name, value in headers.items()}
        if "100-continue" in lower.get("expect", "").lower():
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._chunks() if "chunked" in lower.get("transfer-encoding", "").lower() else self._exactly(lower)
        target = words[1].decode("latin-1")
        url = target if target.startswith("http") else f"{self._scheme}://{lower.get('host', self._authority)}{target}"
        connection = lower.get("connection", "").lower()
        keep_alive = connection != "close" and (words[2] != b"HTTP/1.0" or connection == "keep-alive")
        return Request(words[0].decode("latin-1"), url, headers, body), keep_alive

    def close(self) -> None:
        """Let go of the stream; the socket is its owner's."""
        self._stream.close()

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while True:
            line = self._stream.readline(_MAX_LINE)
            if line in {b"\r\n", b"\n"}:
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or len(headers) > 200:
                raise MalformedRequest("broken headers")
            headers[name.strip()] = value.strip()

    def _exactly(self, headers: dict[str, str]) -> bytes:
        text = headers.get("content-length", "0")
        if not text.isdigit() or int(text) > _MAX_BODY:
            raise MalformedRequest("content-length is wrong or too large")
        body: bytes = self._stream.read(int(text))
        if len(body) != int(text):
            raise MalformedRequest("the body ended early")
        return body

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while size := int(self._stream.readline(_MAX_LINE).split(b";")[0], 16):
            total += size
            if total > _MAX_BODY:
                raise MalformedRequest("the body is too large")
            parts.append(self._stream.read(size))
            self._stream.readline(_MAX_LINE)
        while self._stream.readline(_MAX_LINE) not in {b"\r\n", b"\n", b""}:
            pass
        return b"".join(parts)


def encode(reply: Reply, *, head: bool = False, close: bool = False) -> bytes:
    """The reply as it travels; with `head` without its body."""
    lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items() if name != "connection"]
    if reply.status not in {204, 304}:
        lines.append(f"content-length: {len(reply.body)}")
    if close:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (b"" if head else reply.body)
