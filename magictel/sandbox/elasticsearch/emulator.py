"""`SearchEmulator`: takes a request as it travelled and answers as the engine does."""

from __future__ import annotations

import gzip
import json
import re
import threading
import urllib.parse
import zlib
from collections.abc import Mapping
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch import bulk
from magictel.sandbox.elasticsearch.answers import PlainRefused, Refused, filtered, reply
from magictel.sandbox.elasticsearch.cluster import Cluster
from magictel.sandbox.elasticsearch.context import Asked, Context
from magictel.sandbox.elasticsearch.dialect import Dialect, Product
from magictel.sandbox.elasticsearch.health import Health
from magictel.sandbox.elasticsearch.item_errors import ITEM_ERRORS, refusal_body, share_veto
from magictel.sandbox.elasticsearch.routes import dispatch, known
from magictel.sandbox.elasticsearch.security import Security, authenticate

_WRITE = re.compile(r"(/[^/]+)?/_(bulk|doc|create)(/[^/]*)?\Z")
_MEDIA = re.compile(r"application/(?:vnd\.elasticsearch\+)?(json|x-ndjson|smile|cbor|yaml)\Z")


class SearchEmulator:
    """One Elasticsearch or OpenSearch node in memory. Thread-safe.

    `health` is settable, `cluster` is the store; `documents()` gives what was stored. With `security` None it is off.
    `max_content_length` is in bytes, of the decompressed body. `clock` decides visibility and windows.
    """

    def __init__(
        self,
        product: Product = "elasticsearch",
        version: str | None = None,
        *,
        security: Security | Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        max_content_length: int = 100 * 1024 * 1024,
    ) -> None:
        self.name: str = product
        self.dialect = Dialect(product, version or ("8.19.0" if product == "elasticsearch" else "2.19.4"))
        self.security = Security.of(security)
        self.max_content_length = max_content_length
        self.health = Health()
        self.cluster = Cluster(self.dialect, clock or SystemClock())
        self.item_errors: tuple[str, ...] = tuple(ITEM_ERRORS)
        self._lock = threading.Lock()
        self._turn = 0

    def environment(self, origin: str) -> dict[str, str]:
        """`ELASTICSEARCH_URL` or `OPENSEARCH_URL`."""
        return {f"{self.name.upper()}_URL": origin}

    def is_write(self, request: Request) -> bool:
        """True for `_bulk` and single documents."""
        return request.method in {"POST", "PUT"} and _WRITE.match(request.path) is not None

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        return self._handle(request, None)

    def handle_partially(self, request: Request, share: float, item_error: str) -> Reply:
        """Refuse a share of a bulk's items."""
        with self._lock:
            self._turn += 1
            turn = self._turn
        return self._handle(request, share_veto(self.dialect, share, item_error, turn))

    def refusal(self, status: int) -> Reply:
        """What the engine says with this status when it refuses a write."""
        body = refusal_body(status)
        return Reply(status) if body is None else reply(self.dialect, body, status)

    def documents(self, index: str | None = None) -> list[dict[str, Any]]:
        """The stored sources, visible or not, in the order they came, each with its `_id` and `_index`."""
        with self._lock:
            chosen = self.cluster.resolve(index, allow_missing=True) if index else list(self.cluster.indices.values())
            return [
                {**json.loads(document.source), "_id": document.id, "_index": one.name}
                for one in chosen
                for document in one.documents.values()
            ]

    @property
    def stored(self) -> int:
        """How many documents all indices hold, visible or not."""
        with self._lock:
            return sum(len(index.documents) for index in self.cluster.indices.values())

    def refresh(self) -> None:
        """Show everything that was written, at once."""
        with self._lock:
            for index in self.cluster.indices.values():
                index.refresh(self.cluster.clock.monotonic())

    def _handle(self, request: Request, veto: bulk.Veto | None) -> Reply:
        media: str | None = None
        try:
            body = self._body(request)
            if len(body) > self.max_content_length:
                return Reply(413, {"connection": "close"})
            media = self._check_media(request, body)
            uri = request.url.split("/", 3)[-1]
            caller = authenticate(self.security, self.dialect, request.header("authorization"), "/" + uri)
            asked = Asked(request.method, _decoded_path(request), "/" + uri, request.query, body, caller, veto)
            with self._lock:
                made = dispatch(Context(self.cluster, self.health, self.security is not None, asked))
        except Refused as refusal:
            made = self._refused(refusal)
        except PlainRefused as refusal:
            made = reply(self.dialect, refusal.body, refusal.status)
            made = Reply(made.status, {**made.headers, **refusal.headers}, made.body)
        made = self._shaped(made, request)
        if media and made.headers.get("content-type") == self.dialect.content_type:
            made = Reply(made.status, {**made.headers, "content-type": media}, made.body)
        return made

    def _refused(self, refusal: Refused) -> Reply:
        made = reply(self.dialect, refusal.body(), refusal.status)
        if refusal.status == 401:
            challenge = {"www-authenticate": 'Basic realm="security", charset="UTF-8", Bearer realm="security", ApiKey'}
            if not self.dialect.elastic:
                return Reply(
                    401,
                    {
                        "content-type": "text/plain; charset=UTF-8",
                        "www-authenticate": 'Basic realm="OpenSearch Security"',
                    },
                    b"Unauthorized",
                )
            made = Reply(401, {"content-type": self.dialect.content_type, **challenge}, made.body)
        elif refusal.status == 403 and refusal.kind == "security_exception":
            # Security's own refusals do not pass where the product header is put on.
            made = Reply(403, {"content-type": self.dialect.content_type}, made.body)
        return made

    def _shaped(self, made: Reply, request: Request) -> Reply:
        wanted = request.query.get("filter_path")
        if not wanted or made.status >= 400 or not made.body.startswith(b"{"):
            return made
        shaped = json.dumps(filtered(json.loads(made.body), wanted), ensure_ascii=False, separators=(",", ":")).encode()
        return Reply(made.status, made.headers, shaped)

    def _body(self, request: Request) -> bytes:
        encoding = request.header("content-encoding").lower()
        try:
            if encoding in {"gzip", "x-gzip"}:
                return gzip.decompress(request.body)
            if encoding == "deflate":
                return zlib.decompress(request.body)
        except (OSError, EOFError, zlib.error):
            return b""  # the engine says "request body is required"
        return request.body

    def _check_media(self, request: Request, body: bytes) -> str | None:
        """Refuse media types; the content type of the reply where a client asked for a vendor type."""
        content, accept = request.header("content-type"), request.header("accept")
        if body:
            bare = content.split(";")[0].strip().lower()
            vendor = "vnd.elasticsearch" in bare
            if not _MEDIA.match(bare) or (vendor and not self.dialect.elastic):
                if self.dialect.modern and not known(request.path):
                    return None
                raise PlainRefused(406, f"Content-Type header [{content}] is not supported")
        wanted = re.search(
            r"application/vnd\.elasticsearch\+(json|x-ndjson)\s*;\s*compatible-with=(\d+)", f"{accept},{content}"
        )
        if wanted is None or not self.dialect.modern:
            return None
        major, asked = self.dialect.number[0], int(wanted[2])
        if asked not in {major, major - 1}:
            cause = {
                "type": "status_exception",
                "reason": f"Accept version must be either version {major} or {major - 1}, but found {asked}. Accept={accept}",
            }
            raise Refused(
                400, "media_type_header_exception", "Invalid media-type value on headers [Accept, Content-Type]", cause
            )
        return f"application/vnd.elasticsearch+json;compatible-with={asked}" if "vnd.elasticsearch" in accept else None


class ElasticsearchEmulator(SearchEmulator):
    """Elasticsearch 8.19 with security off: what the sandbox starts under `elasticsearch`."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__("elasticsearch", clock=clock)


class OpenSearchEmulator(SearchEmulator):
    """OpenSearch 2.19 without its security plugin: what the sandbox starts under `opensearch`."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__("opensearch", clock=clock)


def _decoded_path(request: Request) -> str:
    return urllib.parse.unquote(request.path)
