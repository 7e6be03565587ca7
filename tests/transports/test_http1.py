"""Replies read by `http1`, held against h11: what both read is the same, and what h11 refuses is not read."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from magictel.transports.http1 import RawReply, ReplyReader, write_request
from magictel.transports.http_errors import ProtocolError, ReplyTooLarge, Truncated

LIMIT = 1000


class Pieces:
    """A stream that gives its bytes in pieces of these sizes, then the end."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data = data
        self.sizes = sizes

    def read(self, max_bytes: int) -> bytes:
        size = min(max_bytes, self.sizes.pop(0) if self.sizes else len(self.data))
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def ours(data: bytes, sizes: list[int], method: str = "POST") -> RawReply:
    return ReplyReader(Pieces(data, list(sizes))).reply(method, LIMIT)


def reference(data: bytes, method: str = "POST") -> RawReply:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    status, headers, body = 0, [], b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            status, headers = event.status_code, list(event.headers.raw_items())
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return RawReply(status, headers, body, connection.their_state is h11.DONE)
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("no reply")


def plain(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers without those of framing, whose values h11 rewrites."""
    return [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"transfer-encoding")]


ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
fields = st.sampled_from(
    [
        *(
            b"Content-Length: 5",
            b"Content-Length: 5, 5",
            b"Content-Length: 6",
            b"Content-Length: x",
            b"content-length:0",
        ),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"transfer-encoding:  Chunked "),
        *(
            b"Connection: close",
            b"Connection: keep-alive, Close",
            b"X: y",
            b"X:",
            b"X: a\r\n b",
            b"X : y",
            b": y",
            b"no field",
        ),
    ]
)
bodies = st.one_of(
    st.sampled_from(
        [b"hello", b"", b"hello, world", b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n2\r\nhe\r\n0\r\nX: y\r\n\r\n"]
    ),
    st.sampled_from(
        [
            b"5\r\nhello0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhel",
            b"0\r\n\r\nmore",
        ]
    ),
    st.binary(max_size=8),
)
statuses = st.sampled_from([b"200 OK", b"200", b"204 No", b"304 ", b"503 Later", b"abc", b"20 x", b"2000 x"])
interim = st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nX: y\r\n\r\n"])


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    version = draw(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTP/1.1 "]))
    lines = [version + draw(statuses), *draw(st.lists(fields, max_size=3)), b""]
    return draw(interim) + b"".join(line + draw(ends) for line in lines) + draw(bodies)


@given(replies(), st.lists(st.integers(1, 30), max_size=40), st.sampled_from(["POST", "HEAD"]))
@example(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    [1] * 99,
    "POST",
)
def test_a_reply_is_read_as_h11_reads_it_however_its_bytes_come(data: bytes, sizes: list[int], method: str) -> None:
    try:
        expected = reference(data, method)
    except h11.RemoteProtocolError:
        with pytest.raises((ProtocolError, EOFError)):
            ours(data, sizes, method)
        return
    try:
        read = ours(data, sizes, method)
    except ProtocolError as failure:
        pytest.fail(f"h11 reads {expected}, and we refuse it: {failure!r}")
    assert (read.status, read.body) == (expected.status, expected.body)
    assert plain(read.headers) == plain(expected.headers)
    assert expected.kept or not read.kept, "h11 closes this connection"


@given(st.binary(max_size=60), st.lists(st.integers(1, 9), max_size=9))
def test_bytes_that_are_no_reply_are_refused(data: bytes, sizes: list[int]) -> None:
    with pytest.raises((ProtocolError, EOFError)):
        ours(data, sizes)


def test_what_follows_a_reply_ends_its_connection() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert ours(reply, []).kept
    assert not ours(reply + b"HTTP/1.1 200 OK\r\n", []).kept


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", ReplyTooLarge),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", ReplyTooLarge),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 9000, ProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", Truncated),
    ],
)
def test_what_is_too_large_or_unclear_is_refused_early(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        ours(data, [])


class Written:
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, buffer: bytes) -> None:
        self.writes.append(buffer)


@pytest.mark.parametrize(("size", "writes"), [(0, 1), (65_536, 1), (65_537, 2)])
def test_a_small_request_is_one_write_and_a_large_body_is_not_copied(size: int, writes: int) -> None:
    stream, body = Written(), b"x" * size
    write_request(stream, "POST", b"/_bulk", [(b"Host", b"es:9200"), (b"A", b"b")], body)
    assert b"".join(stream.writes) == b"POST /_bulk HTTP/1.1\r\nHost: es:9200\r\nA: b\r\n\r\n" + body
    assert len(stream.writes) == writes
