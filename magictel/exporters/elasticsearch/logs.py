"""Elasticsearch's and OpenSearch's answers as logs show them: the reply that a line of a log was made of, for `diagnose`.

Clients print JSON (Java, Go, Beats), Python's `repr` of it (`BulkIndexError`), or status, type and reason in a row
(`BadRequestError(400, 'media_type_header_exception', '…')`). What is looked for is the shape, never a client's wording.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from magictel.exporters.elasticsearch.errors import cause_of, read
from magictel.http.embedded import values_in
from magictel.http.wire import Reply
from magictel.text import unquoted

_READ = 1_000_000
_PROSE = 20_000
_OPERATIONS = frozenset({"create", "index", "update", "delete"})
_TYPE = re.compile(r"\b([a-z][a-z0-9_]*_(?:exception|error))\b['\"\]]*[:,=]?\s*(?:['\"]|reason[=:]\s*)*(.*)", re.DOTALL)
_JAVA = re.compile(r"\b([A-Z][A-Za-z]{2,60})Exception\b(?:\[|: ?)")
_ENGINE = ("Elasticsearch", "OpenSearch", "Cluster", "Es", "Circuit")
_NO_PRODUCT = re.compile(r"X-Elastic-Product|UnsupportedProduct|server is not Elasticsearch", re.IGNORECASE)
"""What Elastic's own clients say of an answer without the product's header."""
_UNAUTHENTICATED = re.compile(
    r"(?:missing authentication credentials for|unable to authenticate user|unable to find apikey|apikey authentication for id|"
    r"invalid credentials for API key|api key is expired)\b.*",
    re.IGNORECASE,
)
"""How Elasticsearch begins the reason of a 401: in these words it says nothing else, whether type and status stand beside them or not."""
_HEADERS = {"content-type": "application/json", "x-elastic-product": "Elasticsearch"}


def reply_in(text: str, status: int | None) -> Reply | None:
    """The reply in a log's text, or None where nothing in it has the form of one."""
    text = text[:_READ]
    for value in values_in(text):
        reply = _reply(value, status)
        if reply is not None:
            return reply
    text = text[:_PROSE]
    if status is None and _NO_PRODUCT.search(text):
        return Reply(200, {"content-type": "application/json"}, b"{}")
    unauthenticated = _UNAUTHENTICATED.search(text)
    if unauthenticated is not None and status in (None, 401):
        return _reply_of({"error": {"type": "security_exception", "reason": _plain(unauthenticated.group())}}, 401)
    named = _TYPE.search(text)
    if named is not None:
        reason = _plain(named.group(2)) or _plain(text[: named.start()])  # Go's client names the type last
        return _reply_of({"error": {"type": named.group(1), "reason": reason}}, status or 400)
    causes = list(_JAVA.finditer(text))
    for java in reversed(causes):  # the deepest says most
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", java.group(1)).lower().removeprefix("open_search_") + "_exception"
        cause = {"type": kind, "reason": _plain(text[java.end() :])}
        if java.group(1).startswith(_ENGINE) or read(status or 500, cause_of(cause)) is not None:
            return _reply_of({"error": cause}, status or 400)
    return None


def found_nothing(reply: Reply) -> bool:
    """True for the answer of `_count` or `_search` without a hit."""
    body = reply.json()
    if not isinstance(body, Mapping):
        return False
    hits = body.get("hits")
    total = hits.get("total") if isinstance(hits, Mapping) else body.get("count")
    return (total.get("value") if isinstance(total, Mapping) else total) == 0


def _reply(value: Any, status: int | None) -> Reply | None:
    if isinstance(value, list):
        items = [item for candidate in value if (item := _item(candidate)) is not None]
        return _reply_of({"errors": True, "items": items}, 200) if items else None
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get("items"), list):
        return _reply_of(value, 200)  # item verdicts come with no other status
    if "error" in value and not _is_verdict(value):
        number, error = value.get("status"), value["error"]
        if isinstance(error, str) and not isinstance(number, int):  # any logger's own field is called so
            inside = next(
                (reply for candidate in values_in(error) if (reply := _reply(candidate, status)) is not None), None
            )
            if inside is not None or (status is None and read(400, cause_of(error)) is None):
                return inside
        return _reply_of(value, status or (number if isinstance(number, int) else 400))
    item = _item(value)
    if item is not None:
        return _reply_of({"errors": True, "items": [item]}, 200)
    if isinstance(value.get("type"), str) and "reason" in value:
        return _reply_of({"error": dict(value)}, status or 400)
    return None


def _item(value: Any) -> dict[str, Any] | None:
    """One item's verdict, with its operation or without."""
    if not isinstance(value, Mapping):
        return None
    operation = next((key for key in value if key in _OPERATIONS), None)
    if operation is not None and isinstance(value[operation], Mapping) and "status" in value[operation]:
        return {operation: dict(value[operation])}
    return {"create": dict(value)} if _is_verdict(value) else None


def _is_verdict(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("status"), int) and "error" in value and ("_index" in value or "_id" in value)


def _reply_of(body: Mapping[str, Any], status: int) -> Reply:
    if "version_conflict_engine_exception" in cause_of(body.get("error")).types:
        # About one document, however it was written: no bulk request as a whole is refused so.
        body, status = {"errors": True, "items": [{"create": {"status": 409, "error": body["error"]}}]}, 200
    return Reply(status, _HEADERS, json.dumps(body, default=str).encode())


def _plain(reason: str) -> str:
    return unquoted(" ".join(reason.split())[:2_000], "'\",")
