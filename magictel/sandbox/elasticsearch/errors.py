"""The differences of the two products, and refusals and replies in the engine's shapes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from magictel.http.wire import Reply
from magictel.sandbox.endpoints import json_reply

ProductName = Literal["elasticsearch", "opensearch"]


@dataclass(frozen=True)
class Dialect:
    """An engine: `elasticsearch` or `opensearch`, in a version such as `8.19.0`."""

    product: ProductName
    version: str

    @property
    def elastic(self) -> bool:
        """True for Elasticsearch."""
        return self.product == "elasticsearch"

    @property
    def document_error(self) -> str:
        """The error type of a document that does not fit its mapping."""
        return "document_parsing_exception" if self.elastic else "mapper_parsing_exception"

    def at(self, text: str) -> str:
        """Return the reason of a parse error, with the position in the document if the engine reports it."""
        return f"[1:2] {text}" if self.elastic else text

    @property
    def content_type(self) -> str:
        """The content type of its JSON."""
        return "application/json" if self.elastic else "application/json; charset=UTF-8"

    @property
    def flattened(self) -> str:
        """The field type of a whole object as keywords."""
        return "flattened" if self.elastic else "flat_object"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every reply carries."""
        return {"X-elastic-product": "Elasticsearch"} if self.elastic else {}


class Refused(Exception):  # noqa: N818
    """The refusal of a request or an item: the engine's status, error type, reason and cause."""

    def __init__(
        self, status: int, kind: str, reason: str | None, caused_by: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.kind = kind
        self.reason = reason
        self.caused_by = caused_by
        self.more = more

    def error(self) -> dict[str, Any]:
        """Return the error of an item."""
        error: dict[str, Any] = {"type": self.kind, "reason": self.reason}
        if self.caused_by is not None:
            error["caused_by"] = dict(self.caused_by)
        return {**error, **self.more}

    def root_cause(self) -> list[dict[str, Any]]:
        """Return the list of root causes in the error of a whole reply."""
        return [{key: value for key, value in self.error().items() if key != "caused_by"}]

    def body(self) -> dict[str, Any]:
        """Return the body of a whole reply."""
        return {"error": {"root_cause": self.root_cause(), **self.error()}, "status": self.status}


class PlainRefused(Exception):  # noqa: N818
    """A refusal whose `error` is a text, not an object."""

    def __init__(
        self, status: int, error: str, *, with_status: bool = True, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {"error": error, "status": status} if with_status else {"error": error}
        self.headers = dict(headers or {})


def illegal(reason: str) -> Refused:
    """Return an `illegal_argument_exception`."""
    return Refused(400, "illegal_argument_exception", reason)


def check_keys(given: Mapping[str, Any], what: str, known: Collection[str]) -> None:
    """Raise `Refused` for a key that the sandbox does not support, which it would otherwise ignore."""
    for key in given:
        if key not in known and given[key]:
            raise illegal(f"the sandbox does not support [{key}] of {what}, only {', '.join(sorted(known))}")


def no_such_index(name: str) -> Refused:
    """Return the 404 of a missing index."""
    refused = Refused(404, "index_not_found_exception", f"no such index [{name}]")
    refused.more = {"resource.type": "index_or_alias", "resource.id": name, "index_uuid": "_na_", "index": name}
    return refused


def reply(dialect: Dialect, value: Any, status: int = 200) -> Reply:
    """Return a JSON reply with the engine's headers."""
    plain = json_reply(value, status)
    return replace(plain, headers={**dialect.headers, "content-type": dialect.content_type})


def text_reply(dialect: Dialect, text: str) -> Reply:
    """Return a plain text reply, as `_cat` gives it."""
    return Reply(200, {**dialect.headers, "content-type": "text/plain; charset=UTF-8"}, text.encode())


def filtered(value: Any, filter_path: str) -> Any:
    """Apply `filter_path`: keep only what matches one of the dotted patterns (`*` one level, `**` any)."""
    patterns = [pattern.strip().split(".") for pattern in filter_path.split(",") if pattern.strip()]
    kept = _keep(value, patterns, {})
    return {} if kept is None else kept


def _keep(value: Any, patterns: list[list[str]], known: dict[tuple[str, int], list[list[str]]]) -> Any:
    """`known` caches the rest of the patterns behind a key: thousands of items of a list have the same keys."""
    if any(not pattern for pattern in patterns):
        return value
    if isinstance(value, list):
        return [kept for item in value if (kept := _keep(item, patterns, known)) is not None] or None
    if not isinstance(value, dict):
        return None
    out: dict[str, Any] = {}
    for key, item in value.items():
        deeper = known.get((key, id(patterns)))
        if deeper is None:
            deeper = known[key, id(patterns)] = step_into(key, patterns)
        if deeper and (kept := _keep(item, deeper, known)) is not None:
            out[key] = kept
    return out or None


def step_into(key: str, patterns: list[list[str]]) -> list[list[str]]:
    """Return the rest of the patterns below a key."""
    deeper: list[list[str]] = []
    for pattern in patterns:
        if pattern[0] == "**":
            skips = len(pattern) > 1 and fnmatchcase(key, pattern[1])
            deeper += [pattern, pattern[2:] if skips else pattern[1:]]
        elif fnmatchcase(key, pattern[0]):
            deeper.append(pattern[1:])
    return deeper
