"""What a server may answer, byte for byte, and what the transport makes of it."""

from __future__ import annotations

import gzip
import zlib

import pytest

from magictel.errors import WireError
from magictel.http.wire import Reply, Request
from magictel.transports.http import HttpTransport
from tests.transports.servers import once, serving


def asked(data: bytes, method: str = "POST") -> Reply:
    with serving(once(data)) as server:
        transport = HttpTransport(environment={})
        try:
            return transport.send(Request(method, f"{server.http}/", {}, b"x" if method == "POST" else b""), 5)
        finally:
            transport.close()


PACKED = gzip.compress(b"hello")

READ = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
    "no reason phrase": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", 200, b"hello"),
    "until close": (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
    "1.0 is not kept": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
    "1.0 kept when asked": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        200,
        b"hello",
    ),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        200,
        b"hello",
    ),
    "chunks with a trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        200,
        b"hello",
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "same length twice": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        200,
        b"hello",
    ),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\n", 202, b""),
    "gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
        200,
        b"hello",
    ),
    "deflate": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"),
        200,
        b"hello",
    ),
    "raw deflate": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello")[2:-4],
        200,
        b"hello",
    ),
}

REFUSED = {
    "an SSH banner": (b"SSH-2.0-OpenSSH_9.2\r\n", "http.not-http"),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", "http.not-http"),
    "no number": (b"HTTP/1.1 OK 200\r\n\r\n", "http.not-http"),
    "a header without a colon": (b"HTTP/1.1 200 OK\r\nwhat\r\n\r\n", "http.not-http"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "http.not-http"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "http.not-http"),
    "ends in the headers": (b"HTTP/1.1 200 OK\r\nContent-Le", "http.truncated"),
    "ends in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", "http.truncated"),
    "ends in a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", "http.truncated"),
    "ends before the last chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
        "http.truncated",
    ),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "http.header-too-large"),
    "one long header": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "http.header-too-large"),
    "no gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello", "http.bad-encoding"),
    "half a gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + PACKED[:-9], "http.bad-encoding"),
    "an encoding nobody asked for": (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nhello", "http.bad-encoding"),
}


@pytest.mark.parametrize(("data", "status", "body"), READ.values(), ids=READ)
def test_a_reply_is_read(data: bytes, status: int, body: bytes) -> None:
    reply = asked(data)
    assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_complete_reply_has_its_code(data: bytes, code: str) -> None:
    with pytest.raises(WireError) as caught:
        asked(data)
    assert caught.value.code == code
    assert (caught.value.phase, caught.value.maybe_delivered) == ("read", True)


def test_the_reply_to_head_has_no_body() -> None:
    assert asked(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "HEAD").body == b""


def test_header_names_are_lower_case_and_repeats_are_joined() -> None:
    reply = asked(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n")
    assert reply.headers["x-a"] == "1, 2"
