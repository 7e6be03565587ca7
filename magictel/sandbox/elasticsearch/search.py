"""`_search`, `_count` and `_field_caps`: matching documents, their hits, and the searchable fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from magictel.sandbox.elasticsearch import values
from magictel.sandbox.elasticsearch.cluster import Cluster, Document, Index
from magictel.sandbox.elasticsearch.errors import Dialect, Refused, illegal
from magictel.sandbox.elasticsearch.mapping import FLATTENED, Field
from magictel.sandbox.elasticsearch.values import MalformedValue

Match = Callable[[Document], bool]
_KEYS = frozenset({"query", "from", "size", "sort", "_source", "docvalue_fields", "fields", "track_total_hits"})
_MOST_HITS, _MOST_DOC_VALUES = 10_000, 100
_OWN: Mapping[str, tuple[str, bool, bool]] = {
    "_routing": ("_routing", True, False), "_index": ("_index", True, True), "_seq_no": ("_seq_no", True, True),
    "_field_names": ("_field_names", True, False), "_source": ("_source", False, False),
    "_nested_path": ("_nested_path", True, False), "_data_stream_timestamp": ("_data_stream_timestamp", False, False),
}  # fmt: skip
_ELASTIC = {
    "_doc_count": ("integer", False, False), "_ignored": ("_ignored", True, True), "_id": ("_id", True, False),
    "_version": ("_version", False, True), "_ignored_source": ("_ignored_source", False, False),
    "_index_mode": ("_index_mode", True, True), "_tier": ("keyword", True, True),
}  # fmt: skip
_OPENSEARCH = {
    "_doc_count": ("long", False, False), "_ignored": ("_ignored", True, False), "_id": ("_id", True, True),
    "_version": ("_version", False, False),
}  # fmt: skip
"""The metadata fields of the engine: type, searchable, aggregatable."""


def count(cluster: Cluster, expression: str, body: Mapping[str, Any], *, allow_missing: bool) -> dict[str, Any]:
    """Answer `_count`. Raise `Refused`."""
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    for key in body:
        if key != "query":
            raise _parsing(f"request does not support [{key}]")
    total = sum(len(matching(cluster, index, body.get("query"))) for index in indices)
    return {"count": total, "_shards": _shards(len(indices))}


def matching(cluster: Cluster, index: Index, query: Mapping[str, Any] | None) -> list[Document]:
    """Return the visible documents of an index that match. Raise `Refused`."""
    match = _compiled(query or {"match_all": {}}, index)
    return [document for document in index.visible(cluster.clock.monotonic()) if match(document)]


def search(
    cluster: Cluster, expression: str, body: Mapping[str, Any], parameters: Mapping[str, str], *, allow_missing: bool
) -> dict[str, Any]:
    """Answer `_search`. Raise `Refused` for the whole search, as the engine does."""
    for key in body:
        if key not in _KEYS:
            raise _parsing(f"Unknown key in [{key}]: the sandbox supports {', '.join(sorted(_KEYS))}")
    size = int(parameters.get("size", body.get("size", 10)))
    start = int(parameters.get("from", body.get("from", 0)))
    if size + start > _MOST_HITS:
        raise illegal(
            "Result window is too large, from + size must be less than or equal to: "
            f"[{_MOST_HITS}] but was [{size + start}]. See the scroll api for a more efficient way to request large data sets. "
            "This limit can be set by changing the [index.max_result_window] index level setting."
        )
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    hits = [(index, document) for index in indices for document in matching(cluster, index, body.get("query"))]
    wanted = {index.name: _doc_values(index, body.get("docvalue_fields", ())) for index in indices}
    sort = body.get("sort") or parameters.get("sort")
    if sort not in (None, "_doc", ["_doc"]):
        raise illegal("the sandbox sorts by [_doc] only, the order of arrival")
    inner: dict[str, Any] = {}
    if body.get("track_total_hits", parameters.get("track_total_hits")) not in (False, "false"):
        inner["total"] = {"value": len(hits), "relation": "eq"}
    page = hits[start : start + size]
    inner["max_score"] = 0.0 if not indices else 1.0 if page and not sort else None
    inner["hits"] = [
        _hit(index, document, body, wanted[index.name], in_order=bool(sort), source=parameters.get("_source"))
        for index, document in page
    ]
    return {"took": 1, "timed_out": False, "_shards": _shards(len(indices)), "hits": inner}


def field_caps(cluster: Cluster, expression: str, patterns: list[str], *, allow_missing: bool) -> dict[str, Any]:
    """Answer `_field_caps`. Raise `Refused` for a missing index."""
    dialect = cluster.dialect
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    fields: dict[str, dict[str, dict[str, Any]]] = {}

    def wanted(path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in patterns)

    for index in indices:
        leaves = {path: leaf for path, leaf in index.mapping.flat.items() if wanted(path)}
        if not dialect.elastic:
            leaves |= {path: leaf for path in patterns if (leaf := _flattened_above(index, path)) is not None}
        for path, leaf in leaves.items():
            first = {**_capability(dialect, leaf.type, searchable=True, aggregatable=True), "indices": []}
            entry = fields.setdefault(path, {}).setdefault(leaf.type, first)
            searchable = leaf.searchable or (dialect.elastic and leaf.has_doc_values)
            aggregatable = leaf.has_doc_values and (dialect.elastic or leaf.type not in FLATTENED)
            entry["searchable"] = entry["searchable"] and searchable
            entry["aggregatable"] = entry["aggregatable"] and aggregatable
            entry["indices"].append(index.name)
        for path in filter(wanted, index.mapping.objects()):
            entry = _capability(dialect, "object", searchable=False, aggregatable=False)
            fields.setdefault(path, {})["object"] = entry
    metadata_fields = {**_OWN, **(_ELASTIC if dialect.elastic else _OPENSEARCH)} if indices else {}
    for name, (kind, searchable, aggregatable) in metadata_fields.items():
        if wanted(name):
            entry = _capability(dialect, kind, searchable=searchable, aggregatable=aggregatable)
            fields[name] = {kind: {**entry, **({"metadata_field": True} if dialect.elastic else {})}}
    for types in fields.values():
        if len(types) == 1:
            next(iter(types.values())).pop("indices", None)
    return {"indices": sorted(index.name for index in indices), "fields": fields}


def _capability(dialect: Dialect, kind: str, *, searchable: bool, aggregatable: bool) -> dict[str, Any]:
    metadata = {"metadata_field": False} if dialect.elastic else {}
    return {"type": kind, **metadata, "searchable": searchable, "aggregatable": aggregatable}


def _compiled(query: Mapping[str, Any], index: Index) -> Match:
    """Return the query as a test of this index's documents."""
    if len(query) != 1:
        raise illegal("query malformed, empty clause found at [1:2]")
    kind, body = next(iter(query.items()))
    if kind == "match_all":
        return lambda _: True
    if kind == "ids":
        ids = {str(doc_id) for doc_id in body.get("values", ())}
        return lambda document: document.id in ids
    if kind == "exists":
        path = body["field"]
        return lambda document: any(name == path or name.startswith(f"{path}.") for name in document.parsed.values)
    if kind in ("term", "terms"):
        path, sought = next(iter(body.items()))
        sought = sought["value"] if isinstance(sought, dict) else sought
        return _term(path, sought if isinstance(sought, list) else [sought], index)
    if kind == "bool":
        return _bool(body, index)
    raise _parsing(f"unknown query [{kind}]: the sandbox supports match_all, ids, exists, term, terms and bool")


def _bool(body: Mapping[str, Any], index: Index) -> Match:
    def clauses(name: str) -> list[Match]:
        given = body.get(name, [])
        return [_compiled(clause, index) for clause in (given if isinstance(given, list) else [given])]

    must, should, never = clauses("must") + clauses("filter"), clauses("should"), clauses("must_not")
    least = int(body.get("minimum_should_match", 0 if must else 1)) if should else 0

    def test(document: Document) -> bool:
        if not all(match(document) for match in must) or any(match(document) for match in never):
            return False
        return sum(match(document) for match in should) >= least

    return test


def _term(path: str, sought: list[Any], index: Index) -> Match:
    leaf = index.mapping.flat.get(path) or _flattened_above(index, path)
    if path == "_id":
        return lambda document: document.id in sought
    if leaf is None:
        return lambda _: False
    if leaf.type == "text":
        raise illegal(f"the sandbox does not analyse text: search a keyword instead of [{path}]")
    kind = "keyword" if leaf.type in FLATTENED else leaf.type
    try:
        terms = [values.parse(kind, term) for term in sought]
    except MalformedValue as problem:
        reason = f"failed to create query: {problem.reason}"
        cause = {"type": problem.kind, "reason": problem.reason}
        raise Refused(400, "query_shard_exception", reason, cause, index_uuid=index.uuid, index=index.name) from None
    return lambda document: any(value in terms for value in document.parsed.values.get(path, ()))


def _flattened_above(index: Index, path: str) -> Field | None:
    """Return the flattened field that a path is a key of."""
    for root, leaf in index.mapping.flat.items():
        if leaf.type in FLATTENED and path.startswith(f"{root}."):
            return leaf
    return None


def _doc_values(index: Index, requests: list[Any]) -> dict[str, Field]:
    """Return the fields of `docvalue_fields`. Raise `Refused` for a field without doc values, and for too many."""
    fields: dict[str, Field] = {}
    for request in requests:
        path = request["field"] if isinstance(request, dict) else request
        leaf = index.mapping.flat.get(path) or _flattened_above(index, path)
        if leaf is None:
            continue
        if not leaf.has_doc_values or (leaf.type == "flat_object" and path in index.mapping.flat):
            raise illegal(
                f"Fielddata is disabled on [{path}] in [{index.name}]: fields of type [{leaf.type}] have no doc values"
            )
        fields[path] = leaf
    if len(fields) > _MOST_DOC_VALUES:
        raise illegal(
            f"Trying to retrieve too many docvalue_fields. Must be less than or equal to: [{_MOST_DOC_VALUES}] but was [{len(fields)}]. "
            "This limit can be set by changing the [index.max_docvalue_fields_search] index level setting."
        )
    return fields


def _hit(
    index: Index,
    document: Document,
    body: Mapping[str, Any],
    doc_values: Mapping[str, Field],
    *,
    in_order: bool,
    source: str | None,
) -> dict[str, Any]:
    hit: dict[str, Any] = {"_index": index.name, "_id": document.id, "_score": None if in_order else 1.0}
    if document.routing is not None:
        hit["_routing"] = document.routing
    if document.parsed.ignored:
        hit["_ignored"] = sorted(document.parsed.ignored)
    if body.get("_source", source) not in (False, "false"):
        hit["_source"] = json.loads(document.source)
    fields = {
        path: [values.shown(leaf.type, value) for value in values.ordered(leaf.type, stored)]
        for path, leaf in doc_values.items()
        if (stored := document.parsed.values.get(path))
    }
    if body.get("fields"):
        fields.update(_fetched(index, document, body["fields"]))
    if fields:
        hit["fields"] = fields
    if in_order:
        hit["sort"] = [document.seq_no]
    return hit


def _fetched(index: Index, document: Document, patterns: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the values for `fields`, in the order of the source and converted by the mapping."""
    for path, leaf in index.mapping.flat.items():
        stored = document.parsed.values.get(path)
        if stored and leaf.type not in FLATTENED and any(fnmatchcase(path, pattern) for pattern in patterns):
            short = leaf.type == "float"
            yield path, [values.shortest32(value) if short else values.shown(leaf.type, value) for value in stored]


def _parsing(reason: str) -> Refused:
    return Refused(400, "parsing_exception", reason, line=1, col=2)


def _shards(number: int) -> dict[str, int]:
    return {"total": number, "successful": number, "skipped": 0, "failed": 0}
