"""`_search` and `_count`: hits as users see the data."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from magictel.sandbox.elasticsearch import values
from magictel.sandbox.elasticsearch.answers import Refused, illegal
from magictel.sandbox.elasticsearch.cluster import Cluster, Document, Index
from magictel.sandbox.elasticsearch.mapping import DECIMAL, FLATTENED, KEYWORDS, WHOLE, Field
from magictel.sandbox.elasticsearch.query import compile_query
from magictel.sandbox.elasticsearch.values import Malformed

_BODY = {
    "query", "from", "size", "sort", "_source", "docvalue_fields", "fields", "track_total_hits", "seq_no_primary_term",
    "version", "timeout", "terminate_after", "stored_fields", "track_scores", "min_score", "search_after", "profile",
    "explain", "aggs", "aggregations", "post_filter", "highlight", "collapse", "rescore", "runtime_mappings", "pit",
    "stats", "indices_boost", "script_fields", "suggest", "ext", "slice",
}  # fmt: skip
_METADATA = {
    "_id",
    "_index",
    "_seq_no",
    "_version",
    "_source",
    "_ignored",
    "_routing",
    "_doc_count",
    "_tier",
    "_field_names",
}


def count(cluster: Cluster, expression: str, body: Mapping[str, Any], *, allow_missing: bool) -> dict[str, Any]:
    """`_count`: what is visible and matches."""
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    for key in body:
        if key != "query":
            raise Refused(400, "parsing_exception", f"request does not support [{key}]", line=1, col=2)
    total = sum(len(matching(cluster, index, body.get("query"))) for index in indices)
    return {"count": total, "_shards": _shards(len(indices))}


def matching(cluster: Cluster, index: Index, query: Mapping[str, Any] | None) -> list[Document]:
    """The visible documents of an index that match."""
    match = compile_query(query, index)
    return [document for document in index.visible(cluster.clock.monotonic()) if match(document)]


def search(
    cluster: Cluster, expression: str, body: Mapping[str, Any], parameters: Mapping[str, str], *, allow_missing: bool
) -> dict[str, Any]:
    """`_search`; raises `Refused`, a whole search at a time as the engine does."""
    for key in body:
        if key not in _BODY:
            raise Refused(
                400,
                "parsing_exception",
                f"unknown key [{key}] for a [VALUE_STRING] in [query]"
                if False
                else f"Unknown key for a {_token(body[key])} in [{key}].",
                line=1,
                col=2,
            )
    size = int(parameters.get("size", body.get("size", 10)))
    start = int(parameters.get("from", body.get("from", 0)))
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    _check_window(indices, size, start)
    query = body.get("query")
    found: list[tuple[Index, Document]] = []
    for index in indices:
        found += _on_shard(
            index, lambda index=index: [(index, document) for document in matching(cluster, index, query)]
        )  # type: ignore[misc]
    sort = _sorting(parameters.get("sort") or body.get("sort"))
    for index in indices:
        _on_shard(index, functools.partial(_check_sort, index, sort))
    keys = {id(document): _keys(index, document, sort) for index, document in found} if sort else {}
    if sort:
        found.sort(
            key=lambda pair: [_orderable(key, rule["order"]) for key, rule in zip(keys[id(pair[1])], sort, strict=True)]
        )
        found = _after(found, keys, sort, body.get("search_after"))
    page = found[start : start + size]
    hits = []
    for index in indices:
        asked = _on_shard(index, functools.partial(_asked, index, body))
        for owner, document in page:
            if owner is index:
                hits.append(
                    (document, _hit(cluster, index, document, body, asked, parameters, keys.get(id(document)), sort))
                )
    order = {id(document): place for place, (_, document) in enumerate(page)}
    hits.sort(key=lambda pair: order[id(pair[0])])
    total = len(found)
    answer: dict[str, Any] = {"took": 1, "timed_out": False, "_shards": _shards(len(indices)), "hits": {}}
    tracked = parameters.get("track_total_hits", body.get("track_total_hits", True))
    if str(tracked).lower() != "false":
        answer["hits"]["total"] = _total(total, tracked)
    answer["hits"]["max_score"] = 1.0 if page and not sort else None
    answer["hits"]["hits"] = [hit for _, hit in hits]
    return answer


def field_caps(cluster: Cluster, expression: str, patterns: list[str], *, allow_missing: bool) -> dict[str, Any]:
    """`_field_caps`: every field's type, whether it can be searched and aggregated."""
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for index in indices:
        for path, leaf in index.mapping.flat.items():
            if any(fnmatchcase(path, pattern) for pattern in patterns):
                kind = "keyword" if leaf.type in {"constant_keyword", "wildcard"} else leaf.type
                _cap(cluster, found, index, path, kind, leaf)
        for path, node in index.mapping.objects().items():
            if any(fnmatchcase(path, pattern) for pattern in patterns):
                found.setdefault(path, {}).setdefault(
                    node.type, {"type": node.type, **_metadata(cluster), "searchable": False, "aggregatable": False}
                )
    for types in found.values():
        for capability in types.values():
            owners = capability.pop("_indices", None)
            if len(types) > 1 and owners:
                capability["indices"] = owners
    return {"indices": sorted(index.name for index in indices), "fields": found}


def _cap(
    cluster: Cluster, found: dict[str, dict[str, dict[str, Any]]], index: Index, path: str, kind: str, leaf: Field
) -> None:
    dimension = leaf.params.get("time_series_dimension") is True
    entry = found.setdefault(path, {}).setdefault(
        kind, {"type": kind, **_metadata(cluster), "searchable": True, "aggregatable": True, "_indices": []}
    )
    entry["searchable"] = entry["searchable"] and leaf.searchable
    entry["aggregatable"] = entry["aggregatable"] and leaf.has_doc_values
    entry["_indices"].append(index.name)
    if dimension and index.series is not None:
        entry["time_series_dimension"] = True
    if "time_series_metric" in leaf.params and index.series is not None:
        entry["time_series_metric"] = leaf.params["time_series_metric"]


def _metadata(cluster: Cluster) -> dict[str, Any]:
    return {"metadata_field": False} if cluster.dialect.elastic else {}


def _asked(index: Index, body: Mapping[str, Any]) -> list[tuple[str, Field, str | None]]:
    asked: dict[tuple[str, str | None], tuple[str, Field, str | None]] = {}
    for path, formats in _requests(body.get("docvalue_fields", [])):
        names = [name for name in index.mapping.flat if fnmatchcase(name, path)] if "*" in path else [path]
        for name in names:
            leaf = index.mapping.flat.get(name) or _below(index, name)
            if leaf is None:
                continue
            if not leaf.has_doc_values:
                raise _no_doc_values(index, name, leaf)
            asked[name, formats] = (name, leaf, formats)
    limit = int(index.settings.get("index.max_docvalue_fields_search", 100))
    if len(body.get("docvalue_fields", [])) > limit or len(asked) > limit:
        number = max(len(asked), len(body.get("docvalue_fields", [])))
        raise illegal(
            f"Trying to retrieve too many docvalue_fields. Must be less than or equal to: [{limit}] but was [{number}]. "
            "This limit can be set by changing the [index.max_docvalue_fields_search] index level setting."
        )
    return list(asked.values())


def _below(index: Index, path: str) -> Field | None:
    for root, leaf in index.mapping.flat.items():
        if leaf.type in FLATTENED and path.startswith(f"{root}."):
            return leaf
    return None


def _hit(
    cluster: Cluster,
    index: Index,
    document: Document,
    body: Mapping[str, Any],
    asked: list[tuple[str, Field, str | None]],
    parameters: Mapping[str, str],
    keys: list[Any] | None,
    sort: list[dict[str, Any]],
) -> dict[str, Any]:
    hit: dict[str, Any] = {"_index": index.name}
    if cluster.dialect.typed:
        hit["_type"] = "_doc"
    hit["_id"] = document.id
    if body.get("version"):
        hit["_version"] = document.version
    if body.get("seq_no_primary_term"):
        hit.update({"_seq_no": document.seq_no, "_primary_term": 1})
    hit["_score"] = None if sort else 1.0
    if document.parsed.ignored and cluster.dialect.elastic:
        hit["_ignored"] = sorted(document.parsed.ignored)
    source = _source(body, parameters, document)
    if source is not None:
        hit["_source"] = source
    fields: dict[str, list[Any]] = {}
    for path, leaf, formats in asked:
        stored = document.parsed.values.get(path)
        if stored:
            fields[path] = [values.shown(leaf, value, formats) for value in values.order(leaf, stored)]
    if body.get("fields"):
        seen, ignored = fetched(index, document, _requests(body["fields"]))
        for path, found in seen.items():
            fields.setdefault(path, found)
        if ignored and cluster.dialect.modern:
            hit["ignored_field_values"] = ignored
    if fields:
        hit["fields"] = fields
    if keys is not None:
        hit["sort"] = keys
    return hit


def fetched(
    index: Index, document: Document, requests: list[tuple[str, str | None]]
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """What `fields` shows: values out of `_source` in their order, as the mapping reads them; and those ignored."""
    leaves: dict[str, list[Any]] = {}
    _walk(json.loads(document.source), "", leaves, index)
    seen: dict[str, list[Any]] = {}
    ignored: dict[str, list[Any]] = {}
    for pattern, formats in requests:
        for path, leaf in index.mapping.flat.items():
            if not fnmatchcase(path, pattern):
                continue
            parent = path if path in leaves else path.rsplit(".", 1)[0]
            found = leaves.get(parent if _is_sub(index, path) else path, [])
            shown = []
            for value in found:
                made = _fetched_value(leaf, value, formats)
                if made is None or (
                    path in document.parsed.ignored and made not in map(_plain, document.parsed.values.get(path, []))
                ):
                    if path in document.parsed.ignored:
                        ignored.setdefault(path, []).append(value)
                    continue
                shown.append(made)
            if shown:
                seen[path] = shown
    return seen, ignored


def _plain(value: Any) -> Any:
    return value


def _is_sub(index: Index, path: str) -> bool:
    parent = index.mapping.flat.get(path.rpartition(".")[0])
    return parent is not None and path.rpartition(".")[2] in parent.fields


def _walk(value: Any, path: str, leaves: dict[str, list[Any]], index: Index) -> None:
    leaf = index.mapping.flat.get(path)
    if leaf is not None and leaf.type in FLATTENED:
        leaves.setdefault(path, []).append(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            _walk(item, f"{path}.{name}" if path else name, leaves, index)
    elif isinstance(value, list):
        for item in value:
            _walk(item, path, leaves, index)
    elif value is not None:
        leaves.setdefault(path, []).append(value)


def _fetched_value(leaf: Field, value: Any, formats: str | None) -> Any:
    if leaf.type in FLATTENED:
        return value
    if leaf.type in KEYWORDS:
        text = values.text(value)
        limit = leaf.params.get("ignore_above")
        return None if limit is not None and len(text) > int(limit) else text
    if value == "" and (leaf.type in WHOLE or leaf.type in DECIMAL):
        return None
    try:
        parsed = values.parse(leaf, value)
    except Malformed:
        return None
    if leaf.type in {"float", "half_float"}:
        return values.shortest32(parsed)
    return values.shown(leaf, parsed, formats)


def _source(body: Mapping[str, Any], parameters: Mapping[str, str], document: Document) -> Any:
    wanted = body.get("_source", parameters.get("_source", True))
    if wanted in (False, "false") or body.get("stored_fields") == "_none_":
        return None
    source = json.loads(document.source)
    if wanted in (True, "true"):
        return source
    include = wanted.get("includes", wanted.get("include", [])) if isinstance(wanted, dict) else wanted
    exclude = wanted.get("excludes", wanted.get("exclude", [])) if isinstance(wanted, dict) else []
    include = include.split(",") if isinstance(include, str) else include
    exclude = exclude.split(",") if isinstance(exclude, str) else exclude
    return _chosen(source, "", include, exclude)


def _chosen(value: Any, path: str, include: list[str], exclude: list[str]) -> Any:
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for name, item in value.items():
        full = f"{path}.{name}" if path else name
        if any(fnmatchcase(full, pattern) for pattern in exclude):
            continue
        if not include or any(fnmatchcase(full, pattern) or full.startswith(f"{pattern}.") for pattern in include):
            kept[name] = _chosen(item, full, [], exclude)
        elif isinstance(item, dict) and (below := _chosen(item, full, include, exclude)):
            kept[name] = below
    return kept


def _requests(asked: Any) -> list[tuple[str, str | None]]:
    return [(one, None) if isinstance(one, str) else (one["field"], one.get("format")) for one in asked]


def _sorting(sort: Any) -> list[dict[str, Any]]:
    if not sort:
        return []
    rules: list[dict[str, Any]] = []
    if isinstance(sort, str):
        sort = [{part.partition(":")[0]: part.partition(":")[2] or "asc"} for part in sort.split(",")]
    for one in sort if isinstance(sort, list) else [sort]:
        path, how = (one, "asc") if isinstance(one, str) else next(iter(one.items()))
        rule = {"order": how} if isinstance(how, str) else dict(how)
        rules.append(
            {
                "field": path,
                "order": rule.get("order", "desc" if path == "_score" else "asc"),
                **{key: rule[key] for key in rule if key != "order"},
            }
        )
    return [] if rules == [{"field": "_score", "order": "desc"}] else rules


def _check_sort(index: Index, sort: list[dict[str, Any]]) -> None:
    for rule in sort:
        path = rule["field"]
        if path in {"_doc", "_score", "_id", "_seq_no", "_shard_doc"}:
            continue
        leaf = index.mapping.flat.get(path) or _below(index, path)
        if leaf is None:
            if "unmapped_type" not in rule:
                raise Refused(
                    400,
                    "query_shard_exception",
                    f"No mapping found for [{path}] in order to sort on",
                    index_uuid=index.uuid,
                    index=index.name,
                )
        elif not leaf.has_doc_values:
            raise _no_doc_values(index, path, leaf)


def _keys(index: Index, document: Document, sort: list[dict[str, Any]]) -> list[Any]:
    keys: list[Any] = []
    for rule in sort:
        path = rule["field"]
        if path in {"_doc", "_seq_no", "_shard_doc"}:
            keys.append(document.seq_no)
        elif path == "_id":
            keys.append(document.id)
        elif path == "_score":
            keys.append(1.0)
        else:
            leaf = index.mapping.flat.get(path)
            stored = values.order(leaf, document.parsed.values.get(path, [])) if leaf else []
            value = (stored[-1] if rule["order"] == "desc" else stored[0]) if stored else None
            if leaf is not None and value is not None and leaf.type == "date":
                value //= 1_000_000
            keys.append(value)
    return keys


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
    if key is None:
        return True, 0
    return False, _Descending(key) if order == "desc" else key


def _after(
    found: list[tuple[Index, Document]], keys: Mapping[int, list[Any]], sort: list[dict[str, Any]], after: Any
) -> list[tuple[Index, Document]]:
    if not after:
        return found
    limit = [_orderable(key, rule["order"]) for key, rule in zip(after, sort, strict=True)]
    return [
        pair
        for pair in found
        if [_orderable(key, rule["order"]) for key, rule in zip(keys[id(pair[1])], sort, strict=True)] > limit
    ]


def _on_shard(index: Index, work: Any) -> Any:
    try:
        return work()
    except Refused as refusal:
        if refusal.kind in {"parsing_exception", "search_phase_execution_exception"}:
            raise
        reason = refusal.error()
        whole = Refused(
            refusal.status,
            "search_phase_execution_exception",
            "all shards failed",
            phase="query",
            grouped=True,
            failed_shards=[{"shard": 0, "index": index.name, "node": "sandbox", "reason": reason}],
        )
        whole.root = [{key: value for key, value in reason.items() if key != "caused_by"}]
        whole.caused_by = None
        raise whole from None


def _no_doc_values(index: Index, path: str, leaf: Field) -> Refused:
    if leaf.type in {"text", "match_only_text"}:
        optimised = "optimised" if index.mapping.dialect.elastic or True else "optimized"
        return illegal(
            f"Text fields are not {optimised} for operations that require per-document field data like aggregations and sorting, "
            "so these operations are disabled by default. Please use a keyword field instead. Alternatively, set "
            f"fielddata=true on [{path}] in order to load field data by uninverting the inverted index. "
            "Note that this can use significant memory."
        )
    return illegal(
        f"Can't load fielddata on [{path}] because fielddata is unsupported on fields of type [{leaf.type}]. Use doc values instead."
    )


def _check_window(indices: list[Index], size: int, start: int) -> None:
    for index in indices:
        limit = int(index.settings.get("index.max_result_window", 10_000))
        if size + start > limit:
            raise _on_shard_error(
                index,
                illegal(
                    f"Result window is too large, from + size must be less than or equal to: [{limit}] but was [{size + start}]. "
                    "See the scroll api for a more efficient way to request large data sets. "
                    "This limit can be set by changing the [index.max_result_window] index level setting."
                ),
            )


def _on_shard_error(index: Index, refusal: Refused) -> Refused:
    def work() -> None:
        raise refusal

    try:
        _on_shard(index, work)
    except Refused as whole:
        return whole
    return refusal


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
