"""Replies and errors in the engine's own shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch.dialect import Dialect


class Refused(Exception):  # noqa: N818
    """A request or an item is refused: the engine's status, error type, reason and cause."""

    def __init__(
        self,
        status: int,
        kind: str,
        reason: str | None,
        caused_by: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.kind = kind
        self.reason = reason
        self.caused_by = caused_by
        self.more = more
        self.root: list[dict[str, Any]] | None = None
        self.made_id: str | None = None

    def error(self) -> dict[str, Any]:
        """The error as an item carries it."""
        found: dict[str, Any] = {"type": self.kind, "reason": self.reason}
        if self.caused_by is not None:
            found["caused_by"] = dict(self.caused_by)
        return {**found, **self.more}

    def body(self) -> dict[str, Any]:
        """The error as a whole reply carries it."""
        error = self.error()
        root = self.root
        if root is None:
            first = {key: value for key, value in error.items() if key != "caused_by"}
            root = [first]
        return {"error": {"root_cause": root, **error}, "status": self.status}


class PlainRefused(Exception):  # noqa: N818
    """A refusal whose `error` is a text, not an object."""

    def __init__(
        self, status: int, error: str, *, with_status: bool = True, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {"error": error, "status": status} if with_status else {"error": error}
        self.headers = dict(headers or {})


def illegal(reason: str, status: int = 400) -> Refused:
    """`illegal_argument_exception`."""
    return Refused(status, "illegal_argument_exception", reason)


def no_such_index(name: str) -> Refused:
    """404 `index_not_found_exception`."""
    refused = Refused(404, "index_not_found_exception", f"no such index [{name}]")
    refused.more = {"resource.type": "index_or_alias", "resource.id": name, "index_uuid": "_na_", "index": name}
    return refused


def excluded(refused: Refused) -> Refused:
    """The same refusal with the remark that data streams were left out of the search for the name."""
    refused.more = {**refused.more, "excluded_ds": "true"}
    return refused


def reply(dialect: Dialect, value: Any, status: int = 200) -> Reply:
    """A JSON reply with the engine's headers."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, headers(dialect, dialect.content_type), body)


def text_reply(dialect: Dialect, text: str, status: int = 200) -> Reply:
    """A plain text reply, as `_cat` gives it."""
    return Reply(status, headers(dialect, "text/plain; charset=UTF-8"), text.encode())


def headers(dialect: Dialect, content_type: str) -> dict[str, str]:
    """The headers that the engine puts on a reply."""
    if dialect.elastic:
        return {"X-elastic-product": "Elasticsearch", "content-type": content_type}
    if dialect.number >= (3, 0):
        return {"X-OpenSearch-Version": f"OpenSearch/{dialect.version} (opensearch)", "content-type": content_type}
    return {"content-type": content_type}


def filtered(value: Any, filter_path: str) -> Any:
    """`filter_path`: only what matches one of the dotted patterns (`*` one level, `**` any); `-pattern` leaves out."""
    patterns = [pattern.strip() for pattern in filter_path.split(",") if pattern.strip()]
    leave = [pattern[1:].split(".") for pattern in patterns if pattern.startswith("-")]
    keep = [pattern.split(".") for pattern in patterns if not pattern.startswith("-")]
    if keep:
        value = _keep(value, keep, {})
        value = {} if value is None else value
    return _leave(value, leave) if leave else value


_Known = dict[tuple[str, int], list[list[str]]]
"""What is left of patterns behind a key: thousands of items of one list have the same keys."""


def _keep(value: Any, patterns: list[list[str]], known: _Known) -> Any:
    if any(not pattern for pattern in patterns):
        return value
    if isinstance(value, list):
        kept = [found for item in value if (found := _keep(item, patterns, known)) is not None]
        return kept or None
    if not isinstance(value, dict):
        return None
    out: dict[str, Any] = {}
    for key, item in value.items():
        deeper = known.get((key, id(patterns)))
        if deeper is None:
            deeper = known[key, id(patterns)] = _step(key, patterns)
        if deeper and (found := _keep(item, deeper, known)) is not None:
            out[key] = found
    return out or None


def _leave(value: Any, patterns: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_leave(item, patterns) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for key, item in value.items():
        deeper = _step(key, patterns)
        if any(not pattern for pattern in deeper):
            continue
        out[key] = _leave(item, deeper)
    return out


def _step(key: str, patterns: list[list[str]]) -> list[list[str]]:
    deeper: list[list[str]] = []
    for pattern in patterns:
        head = pattern[0]
        if head == "**":
            deeper += (
                [pattern, pattern[1:]]
                if len(pattern) == 1 or _glob(pattern[1], key) is False
                else [pattern, pattern[2:]]
            )
        elif _glob(head, key):
            deeper.append(pattern[1:])
    return deeper


def _glob(pattern: str, key: str) -> bool:
    from fnmatch import fnmatchcase

    return pattern == key or ("*" in pattern and fnmatchcase(key, pattern))
