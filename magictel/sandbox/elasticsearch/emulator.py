"""`SearchEmulator`: replies to a request as the engine does."""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch import handlers
from magictel.sandbox.elasticsearch.bulk import Veto
from magictel.sandbox.elasticsearch.cluster import Cluster
from magictel.sandbox.elasticsearch.errors import Dialect, PlainRefused, ProductName, Refused, filtered, reply
from magictel.sandbox.elasticsearch.item_errors import ITEM_ERRORS, refusal_body, share_veto
from magictel.sandbox.elasticsearch.routes import Asked
from magictel.sandbox.endpoints import decompressed

VERSIONS: dict[ProductName, str] = {"elasticsearch": "8.19.0", "opensearch": "2.19.4"}
_WRITE = re.compile(r"(/[^/]+)?/_(bulk|doc|create)(/[^/]*)?\Z")
_MEDIA = re.compile(r"application/(?:vnd\.elasticsearch\+)?(json|x-ndjson)\Z")


class SearchEmulator:
    """One Elasticsearch or OpenSearch node in memory, with security off. Thread-safe.

    `cluster` is the store, `documents()` returns the stored documents. By `clock` a document becomes visible.
    `max_content_length` is in bytes of the decompressed body.
    """

    def __init__(
        self,
        product: ProductName = "elasticsearch",
        *,
        clock: Clock | None = None,
        max_content_length: int = 100 * 1024 * 1024,
    ) -> None:
        self.name: str = product
        self.dialect = Dialect(product, VERSIONS[product])
        self.cluster = Cluster(self.dialect, clock or SystemClock())
        self.max_content_length = max_content_length
        self.item_errors: tuple[str, ...] = tuple(ITEM_ERRORS)
        self._lock = threading.Lock()
        self._turn = 0

    def environment(self, origin: str) -> dict[str, str]:
        """Return `ELASTICSEARCH_URL` or `OPENSEARCH_URL`."""
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
        """Return the engine's reply with this status when it refuses a write."""
        body = refusal_body(status)
        return Reply(status) if body is None else reply(self.dialect, body, status)

    def documents(self, index: str | None = None) -> list[dict[str, Any]]:
        """Return the stored sources, visible or not, in the order of arrival, each with its `_id` and `_index`."""
        with self._lock:
            chosen = self.cluster.resolve(index or "_all", allow_missing=True)
            return [
                {**json.loads(document.source), "_id": document.id, "_index": target.name}
                for target in chosen
                for document in target.documents.values()
            ]

    @property
    def stored(self) -> int:
        """How many documents all indices hold, visible or not."""
        with self._lock:
            return sum(len(index.documents) for index in self.cluster.indices.values())

    def _handle(self, request: Request, veto: Veto | None) -> Reply:
        body = decompressed(request) or b""  # the engine says "request body is required"
        if len(body) > self.max_content_length:
            return Reply(413, {"connection": "close"})
        try:
            answer = self.answer(request, body, veto)
        except Refused as refusal:
            answer = self.refused(refusal)
        except PlainRefused as refusal:
            answer = reply(self.dialect, refusal.body, refusal.status)
            answer = Reply(answer.status, {**answer.headers, **refusal.headers}, answer.body)
        return self.shaped(answer, request)

    def answer(self, request: Request, body: bytes, veto: Veto | None) -> Reply:
        """Answer a request with this decompressed body. Raise `Refused`, `PlainRefused`."""
        content = request.header("content-type")
        if body and not _MEDIA.match(content.split(";")[0].strip().lower()):
            raise PlainRefused(406, f"Content-Type header [{content}] is not supported")
        path = urllib.parse.unquote(request.path)
        asked = Asked(request.method, path, "/" + request.url.split("/", 3)[-1], request.query, body, veto)
        with self._lock:
            return handlers.answer(self.cluster, asked)

    def refused(self, refusal: Refused) -> Reply:
        """Return the reply to a request that was refused as a whole."""
        return reply(self.dialect, refusal.body(), refusal.status)

    def shaped(self, answer: Reply, request: Request) -> Reply:
        """Apply `filter_path`."""
        wanted = request.query.get("filter_path")
        if not wanted or answer.status >= 400 or not answer.body.startswith(b"{"):
            return answer
        shaped = json.dumps(filtered(json.loads(answer.body), wanted), ensure_ascii=False, separators=(",", ":"))
        return Reply(answer.status, answer.headers, shaped.encode())


class ElasticsearchEmulator(SearchEmulator):
    """Elasticsearch 8.19: what the sandbox starts as `elasticsearch`."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__("elasticsearch", clock=clock)


class OpenSearchEmulator(SearchEmulator):
    """OpenSearch 2.19: what the sandbox starts as `opensearch`."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__("opensearch", clock=clock)
