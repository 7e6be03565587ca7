"""Refusals and replies in the engine's own shapes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch.dialect import Dialect
from magictel.sandbox.endpoints import json_reply


class Refused(Exception):  # noqa: N818
    """A request or an item is refused: the engine's status, error type, reason and cause."""

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
        """Return the error as an item carries it."""
        error: dict[str, Any] = {"type": self.kind, "reason": self.reason}
        if self.caused_by is not None:
            error["caused_by"] = dict(self.caused_by)
        return {**error, **self.more}

    def root_cause(self) -> list[dict[str, Any]]:
        """Return what a whole reply repeats of the error as its root."""
        return [{key: value for key, value in self.error().items() if key != "caused_by"}]

    def body(self) -> dict[str, Any]:
        """Return the error as a whole reply carries it."""
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
    """Refuse what the sandbox would not do, rather than leave it out; raises `Refused`."""
    for key in given:
        if key not in known and given[key]:
            raise illegal(f"the sandbox knows no [{key}] of {what}, only {', '.join(sorted(known))}")


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
    """`known`: what is left of the patterns behind a key, as thousands of items of one list have the same keys."""
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
    """Return what is left of the patterns below a key."""
    deeper: list[list[str]] = []
    for pattern in patterns:
        if pattern[0] == "**":
            skips = len(pattern) > 1 and fnmatchcase(key, pattern[1])
            deeper += [pattern, pattern[2:] if skips else pattern[1:]]
        elif fnmatchcase(key, pattern[0]):
            deeper.append(pattern[1:])
    return deeper
