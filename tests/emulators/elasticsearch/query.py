"""Which documents a query matches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.elasticsearch import dates, values
from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.fields import DECIMAL, FLATTENED, KEYWORDS, WHOLE, Field
from tests.emulators.elasticsearch.index import Document, Index
from tests.emulators.elasticsearch.values import Malformed

Match = Callable[[Document], bool]
_WORDS = {"text", "match_only_text"}


def compile_query(query: Mapping[str, Any] | None, index: Index) -> Match:
    """The query as a test of this index's documents; raises `Refused` for one that the engine refuses."""
    if query is None:
        return lambda _: True
    if len(query) != 1:
        if not query:
            raise Refused(400, "illegal_argument_exception", "query malformed, empty clause found at [1:2]")
        raise Refused(
            400,
            "parsing_exception",
            f"[{next(iter(query))}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
            line=1,
            col=2,
        )
    kind, body = next(iter(query.items()))
    maker = _KINDS.get(kind)
    if maker is None:
        raise Refused(
            400,
            "parsing_exception",
            f"unknown query [{kind}]",
            {"type": "named_object_not_found_exception", "reason": f"[1:2] unknown field [{kind}]"},
            line=1,
            col=2,
        )
    return maker(body, index)


def _match_all(body: Any, index: Index) -> Match:
    return lambda _: True


def _match_none(body: Any, index: Index) -> Match:
    return lambda _: False


def _term(body: Mapping[str, Any], index: Index) -> Match:
    path, wanted = next(iter(body.items()))
    return _any_of(path, [wanted["value"] if isinstance(wanted, dict) else wanted], index)


def _terms(body: Mapping[str, Any], index: Index) -> Match:
    path, wanted = next((path, wanted) for path, wanted in body.items() if path != "boost")
    if not isinstance(wanted, list):
        raise Refused(400, "parsing_exception", f"[terms] query does not support [{path}]", line=1, col=2)
    return _any_of(path, wanted, index)


def _match(body: Mapping[str, Any], index: Index) -> Match:
    path, wanted = next(iter(body.items()))
    wanted = wanted["query"] if isinstance(wanted, dict) else wanted
    leaf = index.mapping.flat.get(path)
    if leaf is None or leaf.type not in _WORDS:
        return _any_of(path, [wanted], index)
    terms = set(values.words(values.text(wanted)))
    return lambda document: bool(terms & _terms_of(document, path))


def _match_phrase(body: Mapping[str, Any], index: Index) -> Match:
    path, wanted = next(iter(body.items()))
    wanted = wanted["query"] if isinstance(wanted, dict) else wanted
    leaf = index.mapping.flat.get(path)
    if leaf is None or leaf.type not in _WORDS:
        return _any_of(path, [wanted], index)
    phrase = " ".join(values.words(values.text(wanted)))
    return lambda document: any(
        f" {phrase} " in f" {' '.join(values.words(text))} " for text in document.parsed.values.get(path, ())
    )


def _ids(body: Mapping[str, Any], index: Index) -> Match:
    wanted = {str(value) for value in body.get("values", [])}
    return lambda document: document.id in wanted


def _exists(body: Mapping[str, Any], index: Index) -> Match:
    path, dialect = body["field"], index.mapping.dialect
    below = f"{path}."
    if _is_below_flattened(path, index) and (dialect.elastic or dialect.number >= (3, 0)):
        return lambda document: path in document.parsed.values
    return lambda document: any(name == path or name.startswith(below) for name in document.parsed.values)


def _prefix(body: Mapping[str, Any], index: Index) -> Match:
    path, wanted = next(iter(body.items()))
    text = str(wanted["value"] if isinstance(wanted, dict) else wanted)
    return lambda document: any(str(value).startswith(text) for value in _searched(document, path, index))


def _wildcard(body: Mapping[str, Any], index: Index) -> Match:
    path, wanted = next(iter(body.items()))
    pattern = str(wanted.get("value", wanted.get("wildcard")) if isinstance(wanted, dict) else wanted)
    return lambda document: any(fnmatchcase(str(value), pattern) for value in _searched(document, path, index))


def _range(body: Mapping[str, Any], index: Index) -> Match:
    path, bounds = next(iter(body.items()))
    leaf = index.mapping.flat.get(path)
    if leaf is None:
        return lambda _: False
    tests: list[Callable[[Any], bool]] = []
    for name, bound in bounds.items():
        if name in {"format", "boost", "time_zone", "relation"} or bound is None:
            continue
        limit = _bound(leaf, bound, bounds.get("format"), index)
        tests.append(_COMPARE[name](limit))
    return lambda document: any(all(test(value) for test in tests) for value in document.parsed.values.get(path, ()))


def _bool(body: Mapping[str, Any], index: Index) -> Match:
    def several(name: str) -> list[Match]:
        clauses = body.get(name, [])
        return [compile_query(clause, index) for clause in (clauses if isinstance(clauses, list) else [clauses])]

    must, should, never = several("must") + several("filter"), several("should"), several("must_not")
    least = int(body.get("minimum_should_match", 0 if must else 1)) if should else 0

    def test(document: Document) -> bool:
        if not all(match(document) for match in must) or any(match(document) for match in never):
            return False
        return least == 0 or sum(match(document) for match in should) >= least

    return test


def _constant_score(body: Mapping[str, Any], index: Index) -> Match:
    return compile_query(body["filter"], index)


_KINDS: dict[str, Callable[[Any, Index], Match]] = {
    "match_all": _match_all,
    "match_none": _match_none,
    "term": _term,
    "terms": _terms,
    "match": _match,
    "match_phrase": _match_phrase,
    "ids": _ids,
    "exists": _exists,
    "prefix": _prefix,
    "wildcard": _wildcard,
    "range": _range,
    "bool": _bool,
    "constant_score": _constant_score,
}
_COMPARE: dict[str, Callable[[Any], Callable[[Any], bool]]] = {
    "gte": lambda limit: lambda value: value >= limit,
    "gt": lambda limit: lambda value: value > limit,
    "lte": lambda limit: lambda value: value <= limit,
    "lt": lambda limit: lambda value: value < limit,
    "from": lambda limit: lambda value: value >= limit,
    "to": lambda limit: lambda value: value <= limit,
}


def _any_of(path: str, wanted: list[Any], index: Index) -> Match:
    if path == "_id":
        chosen = {str(term) for term in wanted}
        return lambda document: document.id in chosen
    if path == "_index":
        return (lambda _: True) if index.name in wanted or index.stream in wanted else (lambda _: False)
    if path == "_ignored":
        return lambda document: any(term in document.parsed.ignored for term in wanted)
    leaf = index.mapping.flat.get(path)
    if leaf is None:
        return _below_flattened(path, wanted, index)
    _check_searchable(path, leaf, index)
    if leaf.type in _WORDS:
        terms = {values.text(term) for term in wanted}
        return lambda document: bool(terms & _terms_of(document, path))
    chosen_values = [value for term in wanted for value in _sought(leaf, term, index)]
    return lambda document: any(value in chosen_values for value in document.parsed.values.get(path, ()))


def _below_flattened(path: str, wanted: list[Any], index: Index) -> Match:
    if not _is_below_flattened(path, index):
        return lambda _: False
    chosen = {values.text(term) for term in wanted}
    return lambda document: any(value in chosen for value in document.parsed.values.get(path, ()))


def _is_below_flattened(path: str, index: Index) -> bool:
    return any(leaf.type in FLATTENED and path.startswith(f"{root}.") for root, leaf in index.mapping.flat.items())


def _check_searchable(path: str, leaf: Field, index: Index) -> None:
    dialect = index.mapping.dialect
    by_doc_values = leaf.has_doc_values and not dialect.typed
    if leaf.searchable or by_doc_values:
        return
    if dialect.typed:
        why = "it is not indexed."
    elif dialect.elastic:
        why = "it is not indexed nor has doc values."
    else:
        why = "it is both not indexed, and does not have doc_values enabled."
    reason = f"Cannot search on field [{path}] since {why}"
    cause = {"type": "illegal_argument_exception", "reason": reason}
    raise Refused(
        400,
        "query_shard_exception",
        f"failed to create query: {reason}",
        cause,
        index_uuid=index.uuid,
        index=index.name,
    )


def _sought(leaf: Field, wanted: Any, index: Index) -> list[Any]:
    if leaf.type in KEYWORDS or leaf.type in FLATTENED:
        return [values.text(wanted)]
    if leaf.type in WHOLE and isinstance(wanted, float) and wanted != int(wanted):
        return []
    try:
        parsed = values.parse(leaf, wanted)
    except Malformed as problem:
        reason = f"failed to create query: {problem.reason}"
        cause = {
            "type": "number_format_exception" if "input string" in problem.reason else problem.kind,
            "reason": problem.reason,
        }
        raise Refused(400, "query_shard_exception", reason, cause, index_uuid=index.uuid, index=index.name) from None
    return [parsed]


def _bound(leaf: Field, bound: Any, formats: Any, index: Index) -> Any:
    if leaf.type in {"date", "date_nanos"}:
        text = values.text(bound) if not isinstance(bound, float) else str(int(bound))
        moment = dates.parse(text, str(formats or leaf.format))
        if moment is None:
            reason = f"failed to parse date field [{text}] with format [{formats or leaf.format}]"
            raise Refused(400, "parse_exception", f"{reason}: [Failed to parse with all enclosed parsers]")
        return moment
    if leaf.type in WHOLE or leaf.type in DECIMAL:
        return float(bound) if isinstance(bound, str) else bound
    return values.text(bound)


def _searched(document: Document, path: str, index: Index) -> list[Any]:
    return document.parsed.values.get(path, [])


def _terms_of(document: Document, path: str) -> set[str]:
    return {word for text in document.parsed.values.get(path, ()) for word in values.words(text)}
