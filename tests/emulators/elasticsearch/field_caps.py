"""`_field_caps`: every field's type, whether it can be searched and aggregated, the engine's own fields included."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.fields import FLATTENED, Field
from tests.emulators.elasticsearch.hits import below_flattened
from tests.emulators.elasticsearch.index import Index

# Name: (type where it is not the name, searchable, aggregatable); of every engine, and what each kind has beside it.
_OWN: Mapping[str, tuple[str, bool, bool]] = {
    "_routing": ("", True, False),
    "_index": ("", True, True),
    "_seq_no": ("", True, True),
    "_field_names": ("", True, False),
    "_source": ("", False, False),
}
_ES7 = {
    "_doc_count": ("integer", False, False), "_type": ("", True, True), "_ignored": ("", True, False),
    "_id": ("", True, True), "_version": ("", False, True),
}  # fmt: skip
_MODERN = {
    "_doc_count": ("integer", False, False), "_ignored": ("", True, True), "_id": ("", True, False), "_version": ("", False, True),
    "_ignored_source": ("", False, False), "_data_stream_timestamp": ("", False, False), "_index_mode": ("", True, True),
    "_nested_path": ("", True, False),
}  # fmt: skip
_OPENSEARCH = {
    "_doc_count": ("long", False, False), "_ignored": ("", True, False), "_id": ("", True, True), "_version": ("", False, False),
    "_nested_path": ("", True, False), "_data_stream_timestamp": ("", False, False),
}  # fmt: skip
_SEARCHED_BY_DOC_VALUES = {"text", "match_only_text", "binary"}


def field_caps(cluster: Cluster, expression: str, patterns: list[str], *, allow_missing: bool) -> dict[str, Any]:
    """The reply to `_field_caps`; raises `Refused` for a missing index."""
    dialect = cluster.dialect
    indices = cluster.resolve(expression, allow_missing=allow_missing)
    capabilities: dict[str, dict[str, dict[str, Any]]] = {}

    def wanted(path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in patterns)

    for index in indices:
        for path, leaf in index.mapping.flat.items():
            if wanted(path):
                _leaf(dialect, capabilities, index, path, leaf)
        for path in patterns if not dialect.elastic else ():
            leaf_above = below_flattened(index, path)
            if leaf_above is not None:
                _leaf(dialect, capabilities, index, path, leaf_above)
        for path, node in index.mapping.objects().items():
            if wanted(path):
                capabilities.setdefault(path, {})[node.type] = _capability(
                    dialect, node.type, searchable=False, aggregatable=False
                )
    if indices:
        for name, (kind, searchable, aggregatable) in _metadata_fields(dialect).items():
            if wanted(name):
                shape = _capability(dialect, kind or name, searchable=searchable, aggregatable=aggregatable)
                capabilities[name] = {shape["type"]: {**shape, **({"metadata_field": True} if dialect.elastic else {})}}
    for types in capabilities.values():
        for capability in types.values():
            owners = capability.pop("_indices", None)
            if len(types) > 1 and owners:
                capability["indices"] = owners
    return {"indices": sorted(index.name for index in indices), "fields": capabilities}


def searchable(dialect: Dialect, leaf: Field) -> bool:
    """True when `_field_caps` says that a field can be searched."""
    if leaf.searchable:
        return True
    return dialect.modern and leaf.has_doc_values and leaf.type not in _SEARCHED_BY_DOC_VALUES


def _leaf(
    dialect: Dialect, capabilities: dict[str, dict[str, dict[str, Any]]], index: Index, path: str, leaf: Field
) -> None:
    kind = "keyword" if leaf.type in {"constant_keyword", "wildcard"} else leaf.type
    entry = capabilities.setdefault(path, {}).setdefault(
        kind, {**_capability(dialect, kind, searchable=True, aggregatable=True), "_indices": []}
    )
    aggregatable = leaf.has_doc_values and not (leaf.type in FLATTENED and not dialect.elastic)
    entry["searchable"] = entry["searchable"] and searchable(dialect, leaf)
    entry["aggregatable"] = entry["aggregatable"] and aggregatable
    entry["_indices"].append(index.name)
    if index.series is not None:
        if leaf.params.get("time_series_dimension") is True or leaf.params.get("time_series_dimensions"):
            entry["time_series_dimension"] = True
        if "time_series_metric" in leaf.params:
            entry["time_series_metric"] = leaf.params["time_series_metric"]


def _capability(dialect: Dialect, kind: str, *, searchable: bool, aggregatable: bool) -> dict[str, Any]:
    metadata = {"metadata_field": False} if dialect.elastic else {}
    return {"type": kind, **metadata, "searchable": searchable, "aggregatable": aggregatable}


def _metadata_fields(dialect: Dialect) -> dict[str, tuple[str, bool, bool]]:
    if not dialect.elastic:
        return {**_OWN, **_OPENSEARCH}
    if not dialect.modern:
        return {**_OWN, **_ES7}
    return {**_OWN, **_MODERN, **({"_tier": ("keyword", True, True)} if dialect.number < (9, 0) else {})}
