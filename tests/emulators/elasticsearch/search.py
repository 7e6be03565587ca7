"""`_search` and `_count`: which documents, in which order, and what a refused search looks like."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tests.emulators.elasticsearch import hits, sorting
from tests.emulators.elasticsearch.answers import Refused, illegal
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.index import Document, Index
from tests.emulators.elasticsearch.query import Match, compile_query

_KEYS = {
    "query", "from", "size", "sort", "_source", "docvalue_fields", "fields", "track_total_hits", "seq_no_primary_term",
    "version", "timeout", "terminate_after", "stored_fields", "track_scores", "search_after", "explain", "profile",
}  # fmt: skip
_T = TypeVar("_T")


def count(cluster: Cluster, expression: str, body: Mapping[str, Any], *, allow_missing: bool) -> dict[str, Any]:
    """`_count`: what is visible and matches; raises `Refused`."""
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    for key in body:
        if key != "query":
            raise Refused(400, "parsing_exception", f"request does not support [{key}]", line=1, col=2)
    total = sum(len(matching(cluster, index, body.get("query"))) for index in indices)
    return {"count": total, "_shards": _shards(len(indices))}


def matching(cluster: Cluster, index: Index, query: Mapping[str, Any] | None) -> list[Document]:
    """The visible documents of an index that match; raises `Refused` as a search does."""
    match: Match = _on_shard(index, functools.partial(compile_query, query, index))
    return [document for document in index.visible(cluster.clock.monotonic()) if match(document)]


def search(
    cluster: Cluster, expression: str, body: Mapping[str, Any], parameters: Mapping[str, str], *, allow_missing: bool
) -> dict[str, Any]:
    """`_search`; raises `Refused`: the whole search, as the engine does."""
    for key in body:
        if key not in _KEYS:
            raise Refused(400, "parsing_exception", f"Unknown key for a {_token(body[key])} in [{key}].", line=1, col=2)
    size = int(parameters.get("size", body.get("size", 10)))
    start = int(parameters.get("from", body.get("from", 0)))
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    rules = sorting.rules(parameters.get("sort") or body.get("sort"))
    pairs: list[tuple[Index, Document]] = []
    asked: dict[str, list[hits.DocValues]] = {}
    for index in indices:
        pairs += [(index, document) for document in matching(cluster, index, body.get("query"))]
        _on_shard(index, functools.partial(_check_window, index, size + start))
        _on_shard(index, functools.partial(sorting.check, index, rules))
        asked[index.name] = _on_shard(index, functools.partial(hits.asked, index, body.get("docvalue_fields", [])))
    keys = {id(document): sorting.keys(index, document, rules) for index, document in pairs} if rules else {}
    if rules:
        pairs = sorting.ordered(pairs, keys, rules, body.get("search_after"))
    page = pairs[start : start + size]
    tracked = parameters.get("track_total_hits", body.get("track_total_hits", True))
    inner: dict[str, Any] = {}
    if str(tracked).lower() != "false":
        inner["total"] = _total(len(pairs), tracked)
    inner["max_score"] = 0.0 if not indices else 1.0 if page and not rules else None
    inner["hits"] = [
        hits.hit(index, document, body, parameters, asked[index.name], keys.get(id(document)))
        for index, document in page
    ]
    return {"took": 1, "timed_out": False, "_shards": _shards(len(indices)), "hits": inner}


def _on_shard(index: Index, work: Callable[[], _T]) -> _T:
    """Do what each shard does; its refusal is reported as the engine reports a failed shard."""
    try:
        return work()
    except Refused as refusal:
        if refusal.kind == "parsing_exception" or (refusal.reason or "").startswith("query malformed"):
            raise
        inner = refusal.error()
        whole = Refused(
            refusal.status,
            "search_phase_execution_exception",
            "all shards failed",
            phase="query",
            grouped=True,
            failed_shards=[{"shard": 0, "index": index.name, "node": "sandbox", "reason": inner}],
        )
        whole.root = [{key: value for key, value in inner.items() if key != "caused_by"}]
        if refusal.kind == "illegal_argument_exception":
            whole.caused_by = {**inner, "caused_by": inner}
        raise whole from None


def _check_window(index: Index, last: int) -> None:
    limit = int(index.settings.get("index.max_result_window", 10_000))
    if last > limit:
        raise illegal(
            f"Result window is too large, from + size must be less than or equal to: [{limit}] but was [{last}]. "
            "See the scroll api for a more efficient way to request large data sets. "
            "This limit can be set by changing the [index.max_result_window] index level setting."
        )


def _total(total: int, tracked: Any) -> dict[str, Any]:
    limit = int(tracked) if isinstance(tracked, int) and not isinstance(tracked, bool) else None
    if limit is not None and total > limit:
        return {"value": limit, "relation": "gte"}
    return {"value": total, "relation": "eq"}


def _shards(number: int) -> dict[str, int]:
    return {"total": number, "successful": number, "skipped": 0, "failed": 0}


def _token(value: Any) -> str:
    if isinstance(value, dict):
        return "START_OBJECT"
    if isinstance(value, list):
        return "START_ARRAY"
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    return "VALUE_NUMBER" if isinstance(value, (int, float)) else "VALUE_STRING"
