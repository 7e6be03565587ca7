"""Replies and errors in the engine's own shapes: the sandbox's, and what only other versions and requests show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch import errors
from magictel.sandbox.elasticsearch.errors import PlainRefused, reply, step_into, text_reply
from tests.emulators.elasticsearch.dialect import Dialect

__all__ = [
    "PlainRefused",
    "Refused",
    "Reply",
    "excluded",
    "filtered",
    "illegal",
    "no_such_index",
    "reply",
    "text_reply",
]


class Refused(errors.Refused):
    """A refusal that may name another root cause, and an id that the engine made."""

    def __init__(
        self, status: int, kind: str, reason: str | None, caused_by: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        super().__init__(status, kind, reason, caused_by, **more)
        self.root: list[dict[str, Any]] | None = None
        self.made_id: str | None = None

    def root_cause(self) -> list[dict[str, Any]]:
        """Return the root that was named, or the error itself."""
        return super().root_cause() if self.root is None else self.root


def illegal(reason: str) -> Refused:
    """Return an `illegal_argument_exception`."""
    return Refused(400, "illegal_argument_exception", reason)


def no_such_index(name: str) -> Refused:
    """Return the 404 of a missing index."""
    missing = errors.no_such_index(name)
    return Refused(missing.status, missing.kind, missing.reason, **missing.more)


def excluded(refused: Refused) -> Refused:
    """Return the same refusal with the remark that data streams were left out of the search for the name."""
    refused.more = {**refused.more, "excluded_ds": "true"}
    return refused


def headers(dialect: Dialect, content_type: str) -> dict[str, str]:
    """Return the headers that the engine puts on a reply."""
    return {**dialect.headers, "content-type": content_type}


def filtered(value: Any, filter_path: str) -> Any:
    """Apply `filter_path`: as the sandbox does; and `-pattern` leaves out."""
    patterns = [pattern.strip() for pattern in filter_path.split(",") if pattern.strip()]
    leave = [pattern[1:].split(".") for pattern in patterns if pattern.startswith("-")]
    keep = [pattern for pattern in patterns if not pattern.startswith("-")]
    if keep:
        value = errors.filtered(value, ",".join(keep))
    return _leave(value, leave) if leave else value


def _leave(value: Any, patterns: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_leave(item, patterns) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for key, item in value.items():
        deeper = step_into(key, patterns)
        if not any(not pattern for pattern in deeper):
            out[key] = _leave(item, deeper)
    return out
