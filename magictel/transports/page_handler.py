"""Requests for a page, and their replies: HTTP/1.1 with basic authentication, gzip, and bodies that are streamed."""

from __future__ import annotations

import hmac
import re
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import TYPE_CHECKING, Any

from magictel.transports.compression import gzip_chunks
from magictel.transports.page_reply import PageReply

if TYPE_CHECKING:
    from magictel.transports.page_server import PageServer

_REFUSED_CODING = re.compile(r"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")
_IDLE = 90.0
"""Seconds after which a connection without a request is closed; more than most scrape intervals."""


class PageHandler(BaseHTTPRequestHandler):
    """A connection of a scraper."""

    protocol_version = "HTTP/1.1"
    server_version = "magictel"
    sys_version = ""
    timeout = _IDLE
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def do_GET(self) -> None:  # the library's name
        """Answer with the page."""
        if self._refused():
            return
        try:
            reply = self._page.pages[self._path](self.headers)
            first = next(reply.chunks, b"")
        except Exception as failure:
            self._log_bug(failure)
            self._text(500, "the page could not be created: see the log of the application")
            return
        self._stream(reply, first)

    def do_HEAD(self) -> None:  # the library's name
        """Answer without a collection."""
        if not self._refused():
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _unsupported(self) -> None:
        self.close_connection = True  # its body is not read
        self._text(405, "a page is read with GET", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _unsupported  # noqa: N815 # the library's names

    @property
    def _page(self) -> PageServer:
        server: Any = self.server
        page: PageServer = server.page
        return page

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _refused(self) -> bool:
        """Answer a request for another path, or without the login; return whether it was one."""
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # its body is not read
        server: Any = self.server
        if server.stopping:
            self.close_connection = True
            self._text(503, "the page is no longer served")
            return True
        wanted = self._page.authorization()
        given = self.headers.get("Authorization", "")
        if wanted is not None and not hmac.compare_digest(given.encode(), wanted.encode()):
            self._text(401, "this page needs a user and a password", **{"WWW-Authenticate": 'Basic realm="metrics"'})
            return True
        if self._path not in self._page.pages:
            self._text(404, f"try {' or '.join(self._page.pages)}")
            return True
        return False

    def _text(self, status: int, sentence: str, **headers: str) -> None:
        body = f"{sentence}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, reply: PageReply, first: bytes) -> None:
        """Send the body in chunks: one that breaks off is not taken for a whole page."""
        chunked = self.request_version not in ("HTTP/0.9", "HTTP/1.0")
        zipped = _takes_gzip(self.headers.get("Accept-Encoding", ""))
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        self.end_headers()
        body = chain((first,), reply.chunks)
        try:
            for part in gzip_chunks(body) if zipped else body:
                if part:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except OSError:  # the scraper has gone
            raise
        except Exception as failure:
            self._log_bug(failure)
            raise
        if reply.sent is not None:
            reply.sent()

    def _log_bug(self, failure: Exception) -> None:
        """Log an exception without its traceback, which may quote data. The next scrape may succeed."""
        self._page.log.error("internal.export: %s: this scrape got no whole page", type(failure).__name__)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 # the library's name
        """Log a request for those who debug."""
        self._page.log.debug("%s %s", self.client_address[0], format % arguments)


def _takes_gzip(accepted: str) -> bool:
    text = accepted.lower()
    return "gzip" in text and not _REFUSED_CODING.search(text)
