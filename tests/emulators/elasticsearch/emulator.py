"""`SearchEmulator`: takes a request as it travelled and answers as the engine does."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch import emulator as sandbox
from magictel.sandbox.elasticsearch.bulk import Veto
from tests.emulators.elasticsearch.answers import PlainRefused, Refused, filtered
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.context import Asked, Context
from tests.emulators.elasticsearch.dialect import Dialect, ProductName
from tests.emulators.elasticsearch.health import Health
from tests.emulators.elasticsearch.routes import dispatch, known
from tests.emulators.elasticsearch.security import Security, authenticate

_MEDIA = re.compile(r"application/(?:vnd\.elasticsearch\+)?(json|x-ndjson|smile|cbor|yaml)\Z")


class SearchEmulator(sandbox.SearchEmulator):
    """One Elasticsearch or OpenSearch node in memory, of any version. Thread-safe.

    `health` is settable, `cluster` is the store; `documents()` gives what was stored. With `security` None it is off.
    `max_content_length` is in bytes, of the decompressed body. `clock` decides visibility and windows.
    """

    cluster: Cluster  # type: ignore[assignment]
    dialect: Dialect

    def __init__(
        self,
        product: ProductName = "elasticsearch",
        version: str | None = None,
        *,
        security: Security | Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        max_content_length: int = 100 * 1024 * 1024,
    ) -> None:
        super().__init__(product, clock=clock, max_content_length=max_content_length)
        self.dialect = Dialect(product, version or sandbox.VERSIONS[product])
        self.cluster = Cluster(self.dialect, clock or SystemClock())
        self.security = Security.of(security)
        self.health = Health()

    def refresh(self) -> None:
        """Show everything that was written, at once."""
        with self._lock:
            for index in self.cluster.indices.values():
                index.refresh(self.cluster.clock.monotonic())

    def answer(self, request: Request, body: bytes, veto: Veto | None) -> Reply:
        """Answer a request with this decompressed body; raises `Refused`, `PlainRefused`."""
        self._check_media(request, body)
        uri = "/" + request.url.split("/", 3)[-1]
        caller = authenticate(self.security, self.dialect, request.header("authorization"), uri)
        path = urllib.parse.unquote(request.path)
        asked = Asked(request.method, path, uri, request.query, body, veto, caller)
        with self._lock:
            return dispatch(Context(self.cluster, self.health, self.security is not None, asked))

    def refused(self, refusal: sandbox.Refused) -> Reply:
        """Return the reply to a request that is refused as a whole; security's has headers of its own."""
        answer = super().refused(refusal)
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
            answer = Reply(401, {"content-type": self.dialect.content_type, **challenge}, answer.body)
        elif refusal.status == 403 and refusal.kind == "security_exception":
            # Security's own refusals do not pass where the product header is put on.
            answer = Reply(403, {"content-type": self.dialect.content_type}, answer.body)
        return answer

    def shaped(self, answer: Reply, request: Request) -> Reply:
        """Apply `filter_path`, and the content type that a client asked for."""
        wanted = request.query.get("filter_path")
        if wanted and answer.status < 400 and answer.body.startswith(b"{"):
            body = json.dumps(filtered(json.loads(answer.body), wanted), ensure_ascii=False, separators=(",", ":"))
            answer = Reply(answer.status, answer.headers, body.encode())
        asked = self._compatible(request)
        plain = answer.headers.get("content-type") == self.dialect.content_type
        if asked and plain and "vnd.elasticsearch" in request.header("accept"):
            media = f"application/vnd.elasticsearch+json;compatible-with={asked}"
            answer = Reply(answer.status, {**answer.headers, "content-type": media}, answer.body)
        return answer

    def _compatible(self, request: Request) -> int | None:
        """Return the version that a client asks to be compatible with, where it is one that can be."""
        content, accept = request.header("content-type"), request.header("accept")
        pattern = r"application/vnd\.elasticsearch\+(json|x-ndjson)\s*;\s*compatible-with=(\d+)"
        wanted = re.search(pattern, f"{accept},{content}")
        return int(wanted[2]) if wanted is not None and self.dialect.modern else None

    def _check_media(self, request: Request, body: bytes) -> None:
        """Refuse media types."""
        content, accept = request.header("content-type"), request.header("accept")
        if body:
            bare = content.split(";")[0].strip().lower()
            vendor = "vnd.elasticsearch" in bare
            if not _MEDIA.match(bare) or (vendor and not self.dialect.elastic):
                if self.dialect.modern and not known(request.path):
                    return
                raise PlainRefused(406, f"Content-Type header [{content}] is not supported")
        major, asked = self.dialect.number[0], self._compatible(request)
        if asked is not None and asked not in {major, major - 1}:
            cause = {
                "type": "status_exception",
                "reason": f"Accept version must be either version {major} or {major - 1}, but found {asked}. Accept={accept}",
            }
            raise Refused(
                400, "media_type_header_exception", "Invalid media-type value on headers [Accept, Content-Type]", cause
            )


class ElasticsearchEmulator(SearchEmulator):
    """Elasticsearch 8.19 with security off: what the sandbox starts under `elasticsearch`."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__("elasticsearch", clock=clock)


class OpenSearchEmulator(SearchEmulator):
    """OpenSearch 2.19 without its security plugin: what the sandbox starts under `opensearch`."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__("opensearch", clock=clock)
