"""Errors in a reply, distinguished by the bytes seen on the socket: httpcore has a single exception for all of them."""

from __future__ import annotations


class ProtocolError(Exception):
    """The bytes are not a usable HTTP/1.1 reply."""


class NotHttp(ProtocolError):  # noqa: N818
    """The bytes are not an HTTP/1 reply."""


class Truncated(ProtocolError):  # noqa: N818
    """The connection ended inside a reply; the message says where."""


class HeaderTooLarge(ProtocolError):  # noqa: N818
    """The headers exceed the limit."""


class BadEncoding(ProtocolError):  # noqa: N818
    """The body does not decompress."""


class ReplyTooLarge(ProtocolError):  # noqa: N818
    """The decompressed body is larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit
