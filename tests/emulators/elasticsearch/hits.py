"""One hit: doc values, `fields`, parts of the source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tests.emulators.elasticsearch import values
from tests.emulators.elasticsearch.answers import Refused, illegal
from tests.emulators.elasticsearch.fields import DECIMAL, FLATTENED, KEYWORDS, WHOLE, Field
from tests.emulators.elasticsearch.index import Document, Index
from tests.emulators.elasticsearch.values import Malformed


class DocValues(NamedTuple):
    """A field whose doc values are wanted, and in which format (dates)."""

    path: str
    field: Field
    format: str | None


def asked(index: Index, requests: list[Any]) -> list[DocValues]:
    """The fields that `docvalue_fields` names; raises `Refused` for one without doc values, or for too many."""
    dialect = index.mapping.dialect
    limit = int(index.settings.get("index.max_docvalue_fields_search", 100))
    if not dialect.modern and len(requests) > limit and not (dialect.elastic and _none_mapped(index, requests)):
        raise _too_many(limit, len(requests))
    doc_values: dict[tuple[str, str | None], DocValues] = {}
    for pattern, formats in _requests(requests):
        if pattern == "*":
            raise illegal("Fielddata is not supported on field [_routing] of type [_routing]")
        for path in (
            [name for name in index.mapping.flat if fnmatchcase(name, pattern)] if "*" in pattern else [pattern]
        ):
            leaf = index.mapping.flat.get(path) or below_flattened(index, path)
            if leaf is None:
                continue
            if leaf.type == "flat_object" and path in index.mapping.flat:
                raise illegal(f"Field [{path}] of type [flat_object] does not support doc_value in root field")
            if not leaf.has_doc_values:
                raise no_doc_values(index, path, leaf)
            doc_values[path, None if dialect.modern else formats] = DocValues(path, leaf, formats)
    if len(doc_values) > limit:
        raise _too_many(limit, len(doc_values))
    return list(doc_values.values())


def hit(
    index: Index,
    document: Document,
    body: Mapping[str, Any],
    parameters: Mapping[str, str],
    wanted: list[DocValues],
    keys: list[Any] | None,
) -> dict[str, Any]:
    """The hit as users see it."""
    dialect = index.mapping.dialect
    hit: dict[str, Any] = {"_index": index.name}
    if dialect.typed:
        hit["_type"] = "_doc"
    hit["_id"] = document.id
    if body.get("version"):
        hit["_version"] = document.version
    if body.get("seq_no_primary_term"):
        hit.update({"_seq_no": document.seq_no, "_primary_term": 1})
    hit["_score"] = 1.0 if keys is None else None
    if document.routing is not None:
        hit["_routing"] = document.routing
    if document.parsed.ignored:
        hit["_ignored"] = sorted(document.parsed.ignored)
    source = _source(body, parameters, document)
    if source is not None:
        hit["_source"] = source
    fields: dict[str, list[Any]] = {}
    for path, leaf, formats in wanted:
        stored = document.parsed.values.get(path)
        if stored:
            fields.setdefault(path, []).extend(
                values.shown(leaf, value, formats, dialect) for value in values.order(leaf, stored)
            )
    if body.get("fields"):
        seen, ignored = _fetched(index, document, _requests(body["fields"]))
        for path, contents in seen.items():
            fields.setdefault(path, contents)
        if ignored and dialect.elastic:
            hit["ignored_field_values"] = ignored
    if fields:
        hit["fields"] = fields
    if keys is not None:
        hit["sort"] = keys
    return hit


def no_doc_values(index: Index, path: str, leaf: Field) -> Refused:
    """Why a field cannot be read by its doc values."""
    if leaf.type not in {"text", "match_only_text"}:
        return illegal(
            f"Can't load fielddata on [{path}] because fielddata is unsupported on fields of type [{leaf.type}]. "
            "Use doc values instead."
        )
    where = f"Fielddata is disabled on [{path}] in [{index.name}]. " if index.mapping.dialect.modern else ""
    return illegal(
        f"{where}Text fields are not optimised for operations that require per-document field data like aggregations and "
        "sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, set "
        f"fielddata=true on [{path}] in order to load field data by uninverting the inverted index. "
        "Note that this can use significant memory."
    )


def below_flattened(index: Index, path: str) -> Field | None:
    """The flattened field that a path is a key of."""
    for root, leaf in index.mapping.flat.items():
        if leaf.type in FLATTENED and path.startswith(f"{root}."):
            return leaf
    return None


def _fetched(
    index: Index, document: Document, requests: list[tuple[str, str | None]]
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """What `fields` shows: values out of the source in their order, as the mapping reads them; and those ignored."""
    leaves: dict[str, list[Any]] = {}
    _walk(json.loads(document.source), "", leaves, index)
    seen: dict[str, list[Any]] = {}
    ignored: dict[str, list[Any]] = {}
    for pattern, formats in requests:
        for path, leaf in index.mapping.flat.items():
            if not fnmatchcase(path, pattern):
                continue
            source = path.rpartition(".")[0] if _is_multi_field(index, path) else path
            for value in leaves.get(source, []):
                shown = _fetched_value(index, leaf, value, formats)
                (ignored if shown is None else seen).setdefault(path, []).append(value if shown is None else shown)
        if pattern not in index.mapping.flat and index.mapping.dialect.elastic:
            for root, leaf in index.mapping.flat.items():
                if leaf.type in FLATTENED and pattern.startswith(f"{root}."):
                    entry = [
                        entries for value in leaves.get(root, []) for entries in _below(value, pattern[len(root) + 1 :])
                    ]
                    if entry:
                        seen[pattern] = entry
    return seen, ignored


def _below(value: Any, path: str) -> list[Any]:
    """The values of a flattened field's key as they stand in the source."""
    if isinstance(value, list):
        return [entry for item in value for entry in _below(item, path)]
    if not isinstance(value, dict):
        return []
    entries: list[Any] = []
    for name, item in value.items():
        if name == path and not isinstance(item, dict):
            entries += item if isinstance(item, list) else [item]
        elif path.startswith(f"{name}."):
            entries += _below(item, path[len(name) + 1 :])
    return entries


def _is_multi_field(index: Index, path: str) -> bool:
    parent = index.mapping.flat.get(path.rpartition(".")[0])
    return parent is not None and path.rpartition(".")[2] in parent.fields


def _walk(value: Any, path: str, leaves: dict[str, list[Any]], index: Index) -> None:
    leaf = index.mapping.flat.get(path)
    if leaf is not None and leaf.type in FLATTENED:
        leaves.setdefault(path, []).extend(value if isinstance(value, list) else [value])
    elif isinstance(value, dict):
        for name, item in value.items():
            _walk(item, f"{path}.{name}" if path else name, leaves, index)
    elif isinstance(value, list):
        for item in value:
            _walk(item, path, leaves, index)
    elif value is not None:
        leaves.setdefault(path, []).append(value)


def _fetched_value(index: Index, leaf: Field, value: Any, formats: str | None) -> Any:
    dialect = index.mapping.dialect
    if leaf.type in FLATTENED:
        return value
    if leaf.type in KEYWORDS:
        text = values.text(value)
        return None if values.too_long(leaf, text) else text
    if value == "" and (leaf.type in WHOLE or leaf.type in DECIMAL):
        return None
    try:
        parsed = values.parse(leaf, value)
    except Malformed:
        return None
    if leaf.type == "half_float" and not dialect.elastic:
        return float(value)
    if leaf.type in {"float", "half_float"}:
        return values.shortest32(parsed)
    return values.shown(leaf, parsed, formats, dialect)


def _source(body: Mapping[str, Any], parameters: Mapping[str, str], document: Document) -> Any:
    wanted = body.get("_source", parameters.get("_source", True))
    if wanted in (False, "false") or body.get("stored_fields") == "_none_":
        return None
    source = json.loads(document.source)
    if wanted in (True, "true"):
        return source
    include = wanted.get("includes", wanted.get("include", [])) if isinstance(wanted, dict) else wanted
    exclude = wanted.get("excludes", wanted.get("exclude", [])) if isinstance(wanted, dict) else []
    return _chosen(source, "", _listed(include), _listed(exclude))


def _listed(patterns: Any) -> list[str]:
    return patterns.split(",") if isinstance(patterns, str) else list(patterns or [])


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


def _requests(requests: list[Any]) -> list[tuple[str, str | None]]:
    return [
        (request, None) if isinstance(request, str) else (request["field"], request.get("format"))
        for request in requests
    ]


def _none_mapped(index: Index, requests: list[Any]) -> bool:
    return not any(path in index.mapping.flat or "*" in path for path, _ in _requests(requests))


def _too_many(limit: int, number: int) -> Refused:
    return illegal(
        f"Trying to retrieve too many docvalue_fields. Must be less than or equal to: [{limit}] but was [{number}]. "
        "This limit can be set by changing the [index.max_docvalue_fields_search] index level setting."
    )
