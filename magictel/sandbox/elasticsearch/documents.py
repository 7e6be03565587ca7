"""Parsing of a document with a mapping: its doc values, ignored fields, new fields, or the refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magictel.sandbox.elasticsearch import values
from magictel.sandbox.elasticsearch.errors import Dialect, Refused
from magictel.sandbox.elasticsearch.mapping import DECIMAL, FLATTENED, WHOLE, Field, IndexMapping, Object, no_object
from magictel.sandbox.elasticsearch.values import MalformedValue

_METADATA = frozenset(
    {"_id", "_index", "_source", "_type", "_routing", "_seq_no", "_version", "_ignored", "_doc_count"}
)
_FIELD_LIMIT = 1000
_TERM_BYTES = 32_766
"""Lucene's limit of a term."""


@dataclass(slots=True)
class Parsed:
    """A parsed document: values by full path in document order, ignored paths, new fields."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    new: dict[str, Field | Object] = field(default_factory=dict)


def load(dialect: Dialect, line: bytes) -> dict[str, Any]:
    """Read the line of a document. Raise `Refused` unless it is one JSON object without repeated keys."""
    try:
        value = json.loads(line, object_pairs_hook=_without_repeats, parse_float=values.Written)
    except (ValueError, RecursionError) as problem:
        cause = {
            "type": "x_content_parse_exception" if dialect.elastic else "json_parse_exception",
            "reason": str(problem),
        }
        raise Refused(400, dialect.document_error, dialect.at("failed to parse"), cause) from None
    if not isinstance(value, dict):
        raise Refused(400, dialect.document_error, "Malformed content, must start with an object")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"Duplicate field '{next(name for name in names if names.count(name) > 1)}'")
    return value


def parse(mapping: IndexMapping, document: Mapping[str, Any], described: str) -> Parsed:
    """Parse a document without changing the mapping. Raise `Refused`, which calls the document `described`."""
    run = _Run(mapping, described)
    for name in _METADATA & document.keys():
        raise run.refuse(
            f"Field [{name}] is a metadata field and cannot be added inside a document. Use the index API request parameters."
        )
    run.object(document, mapping.root, "", mapping.root.dynamic or "true")
    run.check_limit()
    return run.parsed


def apply(mapping: IndexMapping, parsed: Parsed) -> None:
    """Add the new fields of a document to the mapping."""
    for path, leaf in parsed.new.items():
        if mapping.find(path) is None:
            mapping.add(path, leaf)


class _Run:
    def __init__(self, mapping: IndexMapping, described: str) -> None:
        self.parsed = Parsed()
        self._mapping = mapping
        self._dialect = mapping.dialect
        self._described = described

    def object(self, document: Mapping[str, Any], node: Object | None, prefix: str, dynamic: str) -> None:
        for name, value in document.items():
            path = f"{prefix}{name}"
            child = node.children.get(name) if node is not None else None
            if child is not None:
                self._take(path, child, value, dynamic)
            else:
                self._descend(self._parts(name), value, node, prefix, dynamic)

    def check_limit(self) -> None:
        new = sum(1 + (len(leaf.fields) if isinstance(leaf, Field) else 0) for leaf in self.parsed.new.values())
        if self._mapping.count() + new <= _FIELD_LIMIT:
            return
        reason = f"Limit of total fields [{_FIELD_LIMIT}] has been exceeded"
        if not self._dialect.elastic:
            raise Refused(400, "illegal_argument_exception", reason)
        reason += f" while adding new fields [{new}]"
        raise self.refuse(f"failed to parse: {reason}", {"type": "illegal_argument_exception", "reason": reason})

    def refuse(self, reason: str, cause: Mapping[str, Any] | None = None) -> Refused:
        return Refused(400, self._dialect.document_error, self._dialect.at(reason), cause)

    def _parts(self, name: str) -> list[str]:
        """Split a name at its dots, which separate objects."""
        parts = name.rstrip(".").split(".")
        if all(part.strip() for part in parts):
            return parts
        reason = (
            f"field name cannot contain only whitespace: ['{name}']" if name else "field name cannot be an empty string"
        )
        cause = {"type": "illegal_argument_exception", "reason": reason}
        raise self.refuse(f"failed to parse: {reason}" if self._dialect.elastic else "failed to parse", cause)

    def _descend(self, parts: list[str], value: Any, node: Object | None, prefix: str, dynamic: str) -> None:
        for place, part in enumerate(parts):
            path, rest = f"{prefix}{part}", parts[place + 1 :]
            child = node.children.get(part) if node is not None else None
            if child is None:
                self._unknown(".".join([path, *rest]), value, dynamic)
                return
            if isinstance(child, Field) or not rest:
                if rest and isinstance(child, Field) and child.type not in FLATTENED and not self._dialect.elastic:
                    raise self.refuse(
                        f"Could not dynamically add mapping for field [{'.'.join(parts)}]. "
                        f"Existing mapping for [{path}] must be of type object but found [{child.type}]."
                    )
                for inner in reversed(rest):
                    value = {inner: value}
                self._take(path, child, value, dynamic)
                return
            node, prefix, dynamic = child, f"{path}.", child.dynamic or dynamic

    def _take(self, path: str, child: Field | Object, value: Any, dynamic: str) -> None:
        if isinstance(value, list) and not (isinstance(child, Field) and child.type in FLATTENED):
            for item in value:
                self._take(path, child, item, dynamic)
        elif isinstance(child, Field):
            self._leaf(path, child, value)
        elif isinstance(value, dict):
            self.object(value, child, f"{path}.", child.dynamic or dynamic)
        elif value is not None:
            name = path.rpartition(".")[2]
            raise self.refuse(
                f"object mapping for [{path}] tried to parse field [{name}] as object, but found a concrete value"
            )

    def _unknown(self, path: str, value: Any, dynamic: str) -> None:
        if value is None or dynamic == "false":
            return
        if dynamic == "strict":
            reason = f"mapping set to strict, dynamic introduction of [{path}] within [_doc] is not allowed"
            raise Refused(400, "strict_dynamic_mapping_exception", self._dialect.at(reason))
        if isinstance(value, list):
            for item in value:
                self._unknown(path, item, dynamic)
            return
        if isinstance(value, dict):
            self._claim(path, Object())
            self.object(value, None, f"{path}.", dynamic)
            return
        leaf = self._mapping.new_leaf(path, value)
        self._claim(path, leaf)
        self._leaf(path, leaf, value)

    def _claim(self, path: str, leaf: Field | Object) -> None:
        """Add a new field with its parents. Raise `Refused` if it contradicts another one of the document."""
        parts = path.split(".")
        for depth in range(1, len(parts)):
            parent = ".".join(parts[:depth])
            if isinstance(self._mapping.find(parent), Object):
                continue
            self._add_new(parent, Object())
        self._add_new(path, leaf)

    def _add_new(self, path: str, leaf: Field | Object) -> None:
        other = self.parsed.new.setdefault(path, leaf)
        if isinstance(other, Object):
            if isinstance(leaf, Field):
                raise no_object(path)
        elif isinstance(leaf, Object) and (not self._dialect.elastic or "." in path):
            raise no_object(path)
        elif isinstance(leaf, Object) or other.type != leaf.type:
            kind = "ObjectMapper" if isinstance(leaf, Object) else leaf.type
            reason = f"mapper [{path}] cannot be changed from type [{other.type}] to [{kind}]"
            raise Refused(400, "illegal_argument_exception", reason)

    def _leaf(self, path: str, leaf: Field, value: Any) -> None:
        if value is None:
            return
        if leaf.type in FLATTENED:
            self._flattened(path, leaf, value)
            return
        try:
            if isinstance(value, dict):
                raise self._object_in_a_leaf(leaf)
            parsed = None if value == "" and leaf.type in (*WHOLE, *DECIMAL) else values.parse(leaf.type, value)
        except MalformedValue as problem:
            raise self._malformed(path, leaf, value, problem) from None
        if parsed is not None:
            self._keep(path, leaf, parsed)
        for name, sub in leaf.fields.items():
            self._leaf(f"{path}.{name}", sub, value)

    def _keep(self, path: str, leaf: Field, value: Any) -> None:
        limit = leaf.params.get("ignore_above")
        if limit is not None and len(value.encode("utf-16-le", "surrogatepass")) // 2 > int(limit):
            if self._dialect.elastic:
                self.parsed.ignored.add(path)
            return
        self.parsed.values.setdefault(path, []).append(value)

    def _flattened(self, path: str, leaf: Field, value: Any) -> None:
        """Store an object as keywords by their paths."""
        if not isinstance(value, (dict, list)):
            reason = "Failed to parse object: expecting token of type [START_OBJECT] but found [VALUE_STRING]"
            raise self._malformed(path, leaf, value, MalformedValue("parsing_exception", reason))
        limit = int(leaf.params.get("ignore_above", 1 << 31))
        for key, text in _leaves(value, ""):
            if len(f"{key}{text}".encode("utf-8", "surrogatepass")) >= _TERM_BYTES and self._dialect.elastic:
                reason = (
                    f"Flattened field [{path}] contains one immense field whose keyed encoding is longer than the allowed max "
                    f"length of {_TERM_BYTES} bytes. Key length: {len(key.encode())}, value length: "
                    f"{len(text.encode('utf-8', 'surrogatepass'))} for key starting with [{key[:50]}]"
                )
                raise self._malformed(path, leaf, text, MalformedValue("illegal_argument_exception", reason))
            if len(text) <= limit:
                self.parsed.values.setdefault(path, []).append(text)
                self.parsed.values.setdefault(f"{path}.{key}", []).append(text)
            elif self._dialect.elastic:
                self.parsed.ignored.add(path)

    def _object_in_a_leaf(self, leaf: Field) -> MalformedValue:
        elastic = self._dialect.elastic
        if leaf.type in WHOLE or leaf.type in DECIMAL:
            return (
                MalformedValue("illegal_argument_exception", "Cannot parse object as number")
                if elastic
                else values.wrong_token({}, "not numeric, can not use numeric value accessors")
            )
        if leaf.type == "boolean":
            return values.wrong_token({}, "not of boolean type")
        if elastic and leaf.type != "date":
            return MalformedValue("illegal_argument_exception", "Expected text at 1:7 but found START_OBJECT")
        return MalformedValue("illegal_state_exception", "Can't get text on a START_OBJECT at 1:7")

    def _malformed(self, path: str, leaf: Field, value: Any, problem: MalformedValue) -> Refused:
        cause: dict[str, Any] = {"type": problem.kind, "reason": problem.reason}
        if self._dialect.elastic and problem.kind in {"json_parse_exception", "input_coercion_exception"}:
            reason = self._dialect.at(problem.reason)
            cause = {"type": "x_content_parse_exception", "reason": reason, "caused_by": cause}
        if problem.reason.startswith("failed to parse date field"):
            inner = {"type": "date_time_parse_exception", "reason": "Failed to parse with all enclosed parsers"}
            cause["caused_by"] = inner
        preview = _preview(values.float32(value) if leaf.type == "float" and isinstance(value, float) else value)
        return self.refuse(
            f"failed to parse field [{path}] of type [{leaf.type}] {self._described}. Preview of field's value: '{preview}'",
            cause,
        )


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield every scalar as its dotted path and its text; nulls are left out."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, prefix)
    elif value is not None:
        yield prefix, values.parse("keyword", value)


def _preview(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_preview(item)}" for key, item in value.items()) + "}"
    return values.text(value)
