"""The reply to a scrape, apart from the server: every command knows pages, and few import `http.server`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from email.message import Message


class PageReply(msgspec.Struct, frozen=True):
    """A reply: the chunks of the body before compression. `sent` is called when the scraper has taken all of it."""

    content_type: str
    chunks: Iterator[bytes]
    status: int = 200
    sent: Callable[[], None] | None = None


Answer = Callable[["Message"], PageReply]
"""Returns the page for a request's headers. An exception becomes a 500 without details."""
