"""What can be wrong with an answer, told apart from what was seen on the socket: httpcore has one exception for all of it."""

from __future__ import annotations


class ProtocolError(Exception):
    """The bytes are no HTTP/1.1 reply that can be used."""


class NotHttp(ProtocolError):  # noqa: N818
    """What came is no reply of HTTP/1."""


class Truncated(ProtocolError):  # noqa: N818
    """The connection ended inside a reply; the text says where."""


class HeaderTooLarge(ProtocolError):  # noqa: N818
    """More headers than are read."""


class BadEncoding(ProtocolError):  # noqa: N818
    """The body does not decompress."""


class ReplyTooLarge(ProtocolError):  # noqa: N818
    """The body, decompressed, is larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit
