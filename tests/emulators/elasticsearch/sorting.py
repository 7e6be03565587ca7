"""Sort rules, a document's sort keys, and the order they make."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from tests.emulators.elasticsearch import hits, values
from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.fields import DECIMAL, FLATTENED, KEYWORDS
from tests.emulators.elasticsearch.index import Document, Index

_MAX, _MIN = (1 << 63) - 1, -(1 << 63)
_OF_THE_ENGINE = {"_doc", "_score", "_id", "_seq_no", "_shard_doc"}


def rules(sort: Any) -> list[dict[str, Any]]:
    """`sort` in any of its spellings as `{"field", "order", …}`; empty where the score decides."""
    if not sort:
        return []
    if isinstance(sort, str):
        sort = [{part.partition(":")[0]: part.partition(":")[2] or "asc"} for part in sort.split(",")]
    rules: list[dict[str, Any]] = []
    for given in sort if isinstance(sort, list) else [sort]:
        path, how = (given, None) if isinstance(given, str) else next(iter(given.items()))
        rule = {"order": how} if isinstance(how, str) else dict(how or {})
        rules.append({"field": path, **rule, "order": rule.get("order") or ("desc" if path == "_score" else "asc")})
    return [] if rules == [{"field": "_score", "order": "desc"}] else rules


def check(index: Index, rules: list[dict[str, Any]]) -> None:
    """Refuse sorting on what is not mapped or has no doc values."""
    for rule in rules:
        path = rule["field"]
        if path in _OF_THE_ENGINE:
            continue
        leaf = index.mapping.flat.get(path) or hits.below_flattened(index, path)
        if leaf is None:
            if "unmapped_type" not in rule:
                reason = f"No mapping found for [{path}] in order to sort on"
                raise Refused(400, "query_shard_exception", reason, index_uuid=index.uuid, index=index.name)
        elif not leaf.has_doc_values:
            raise hits.no_doc_values(index, path, leaf)


def keys(index: Index, document: Document, rules: list[dict[str, Any]]) -> list[Any]:
    """The document's `sort` values: the least of several ascending, the greatest descending."""
    return [_key(index, document, rule) for rule in rules]


def ordered(
    hits: list[tuple[Index, Document]], keys: Mapping[int, list[Any]], rules: list[dict[str, Any]], after: Any
) -> list[tuple[Index, Document]]:
    """The documents in their order, from behind `search_after` on."""

    def position(sort_values: list[Any]) -> list[Any]:
        return [_orderable(key, rule["order"]) for key, rule in zip(sort_values, rules, strict=True)]

    hits = sorted(hits, key=lambda pair: position(keys[id(pair[1])]))
    if not after:
        return hits
    limit = position(list(after))
    return [pair for pair in hits if position(keys[id(pair[1])]) > limit]


def _key(index: Index, document: Document, rule: Mapping[str, Any]) -> Any:
    path, descending = rule["field"], rule["order"] == "desc"
    if path in {"_doc", "_seq_no", "_shard_doc"}:
        return document.seq_no
    if path == "_id":
        return document.id
    if path == "_score":
        return 1.0
    leaf = index.mapping.flat.get(path) or hits.below_flattened(index, path)
    if leaf is None:
        return None if rule.get("unmapped_type") == "keyword" else _MIN if descending else _MAX
    stored = values.order(leaf, document.parsed.values.get(path, []))
    if not stored:
        if leaf.type in KEYWORDS or leaf.type in FLATTENED or leaf.type == "ip":
            return None
        if leaf.type in DECIMAL:
            return "-Infinity" if descending else "Infinity"
        return _MIN if descending else _MAX
    value = stored[-1] if descending else stored[0]
    if leaf.type == "date":
        return value // 1_000_000
    return str(value) if leaf.type == "ip" else int(value) if leaf.type == "boolean" else value


@functools.total_ordering
class _Descending:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def _orderable(key: Any, order: str) -> tuple[bool, Any]:
    if key in {"Infinity", "-Infinity"}:
        key = float(key)
    elif isinstance(key, str):
        key = key.encode()
    if key is None:
        return True, 0
    return False, _Descending(key) if order == "desc" else key
