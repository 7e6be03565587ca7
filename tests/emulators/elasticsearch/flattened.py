"""`flattened` and `flat_object`: a whole object as keywords by their paths."""

from __future__ import annotations

from typing import Any

from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.values import TERM_BYTES, Malformed, written

_TOKENS = {bool: "VALUE_BOOLEAN", int: "VALUE_NUMBER", float: "VALUE_NUMBER"}


def leaves(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Every scalar as its dotted path and its text; nulls are left out."""
    pairs: list[tuple[str, str]] = []
    if isinstance(value, dict):
        for name, item in value.items():
            pairs += leaves(item, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for item in value:
            pairs += leaves(item, prefix)
    elif value is not None:
        pairs.append((prefix, written(value)))
    return pairs


def not_an_object(dialect: Dialect, path: str, value: Any) -> Malformed:
    """Why a scalar in place of the object is refused."""
    token = next((name for kind, name in _TOKENS.items() if isinstance(value, kind)), "VALUE_STRING")
    if dialect.elastic:
        reason = f"Failed to parse object: expecting token of type [START_OBJECT] but found [{token}]"
    else:
        reason = f"[{path}] unexpected token [{token}] in flat_object field value"
    return Malformed("parsing_exception", reason)


def problem(path: str, key: str, text: str) -> Malformed | None:
    """Why Elasticsearch refuses a key and its value, or None."""
    if "\0" in key:
        reason = f"Keys in [flattened] fields cannot contain the reserved character \\0. Offending key: [{key}]."
        return Malformed("illegal_argument_exception", reason)
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in (key, text)]
    if sum(sizes) + 1 <= TERM_BYTES:
        return None
    reason = (
        f"Flattened field [{path}] contains one immense field whose keyed encoding is longer than the allowed max length of "
        f"{TERM_BYTES} bytes. Key length: {sizes[0]}, value length: {sizes[1]} for key starting with [{key[:50]}]"
    )
    return Malformed("illegal_argument_exception", reason)
