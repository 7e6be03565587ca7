"""Mappings: objects, fields, multi-fields and dynamic templates, from and to JSON; and the mapping of new fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from magictel.sandbox.elasticsearch import values
from magictel.sandbox.elasticsearch.errors import Dialect, Refused, check_keys

WHOLE = {"long": 64, "integer": 32}
DECIMAL = frozenset({"double", "float"})
FLATTENED = frozenset({"flattened", "flat_object"})
_TYPES = {*WHOLE, *DECIMAL, "keyword", "text", "boolean", "date"}
_PARAMETERS = frozenset({"ignore_above", "index", "doc_values", "meta", "norms"})
_TOP = frozenset({"_meta", "date_detection", "dynamic_templates", "_data_stream_timestamp"})
_NEW = {"string": "text", "double": "float"}
"""Types of dynamic mapping whose names differ from the matched JSON type."""


@dataclass(slots=True)
class Field:
    """A leaf: type, parameters as given, multi-fields."""

    type: str
    params: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def has_doc_values(self) -> bool:
        """True when `docvalue_fields` and sorting can read it."""
        return self.type != "text" and self.params.get("doc_values", True) is True

    @property
    def searchable(self) -> bool:
        """True when it is indexed."""
        return self.params.get("index", True) is True

    def json(self) -> dict[str, Any]:
        """Return it as the mapping API shows it."""
        shown: dict[str, Any] = {"type": self.type, **self.params}
        if self.fields:
            shown["fields"] = {name: sub.json() for name, sub in sorted(self.fields.items())}
        return shown


@dataclass(slots=True)
class Object:
    """A node with children; `dynamic` is None if inherited."""

    children: dict[str, Object | Field] = field(default_factory=dict)
    dynamic: str | None = None

    def json(self) -> dict[str, Any]:
        """Return it as the mapping API shows it."""
        shown: dict[str, Any] = {} if self.children else {"type": "object"}
        if self.dynamic is not None:
            shown["dynamic"] = self.dynamic
        if self.children:
            shown["properties"] = {name: child.json() for name, child in sorted(self.children.items())}
        return shown


class IndexMapping:
    """The mapping of an index. `flat` has every leaf by its full path, multi-fields included; `top` has the keys beside the fields."""

    def __init__(self, dialect: Dialect, source: Mapping[str, Any]) -> None:
        self.dialect = dialect
        self.root = Object()
        self.top = {key: value for key, value in source.items() if key not in ("properties", "dynamic")}
        self.flat: dict[str, Field] = {}
        check_keys(self.top, "a mapping", _TOP)
        if "dynamic" in source:
            self.root.dynamic = str(source["dynamic"]).lower()
        self._take(self.root, source.get("properties", {}), "")

    def json(self) -> dict[str, Any]:
        """Return it as the mapping API shows it."""
        shown: dict[str, Any] = {} if self.root.dynamic is None else {"dynamic": self.root.dynamic}
        shown.update(self.top)
        if self.root.children:
            shown["properties"] = {name: child.json() for name, child in sorted(self.root.children.items())}
        return shown

    def count(self) -> int:
        """Count the fields toward `index.mapping.total_fields.limit`: objects, leaves, multi-fields."""
        return len(self.flat) + sum(1 for _ in self.objects())

    def find(self, path: str) -> Object | Field | None:
        """Return what is mapped at a full path, or None."""
        node: Object | Field | None = self.root
        for part in path.split("."):
            node = node.children.get(part) if isinstance(node, Object) else None
        return node

    def objects(self) -> Iterator[str]:
        """Yield the full path of every object below the root."""
        return _objects(self.root, "")

    def add(self, path: str, leaf: Field | Object) -> None:
        """Put a new field at a path; missing parents are created."""
        *parents, name = path.split(".")
        node = self.root
        for part in parents:
            child = node.children.setdefault(part, Object())
            if not isinstance(child, Object):
                raise no_object(path)
            node = child
        node.children[name] = leaf
        if isinstance(leaf, Field):
            self._register(path, leaf)

    def field(self, name: str, definition: Mapping[str, Any]) -> Field:
        """Read the definition of a leaf. Raise `Refused` for a type that the sandbox does not support."""
        kind = str(definition.get("type", ""))
        if kind not in _TYPES and kind != self.dialect.flattened:
            cause = {
                "type": "mapper_parsing_exception",
                "reason": f"the sandbox has no mapper type [{kind}], declared on field [{name}]",
            }
            raise Refused(400, cause["type"], f"Failed to parse mapping: {cause['reason']}", cause)
        params = {key: value for key, value in definition.items() if key not in {"type", "fields"}}
        check_keys(params, "a field", _PARAMETERS)
        subs = {sub: self.field(sub, below) for sub, below in definition.get("fields", {}).items()}
        return Field(kind, params, subs)

    def template(self, path: str, matched: str) -> Mapping[str, Any] | None:
        """Return the `mapping` of the first dynamic template for a new field, or None; `matched` is its JSON type."""
        name = path.rpartition(".")[2]
        for entry in self.top.get("dynamic_templates", []):
            for rule in entry.values():
                conditions = (("match_mapping_type", matched), ("match", name), ("path_match", path))
                if all(key not in rule or fnmatchcase(value, str(rule[key])) for key, value in conditions):
                    return dict(rule.get("mapping", {}))
        return None

    def new_leaf(self, path: str, value: Any) -> Field:
        """Return the new field of a value without a mapping: from the dynamic templates, or its JSON type."""
        matched = _json_type(value, dates=self.top.get("date_detection", True) is not False)
        rule = self.template(path, matched)
        if rule is not None:
            return self.field(path, {"type": _NEW.get(matched, matched), **rule})
        if matched == "string":
            return Field("text", {}, {"keyword": Field("keyword", {"ignore_above": 256})})
        return Field(_NEW.get(matched, matched))

    def _register(self, path: str, leaf: Field) -> None:
        self.flat[path] = leaf
        for name, sub in leaf.fields.items():
            self.flat[f"{path}.{name}"] = sub

    def _take(self, node: Object, properties: Mapping[str, Any], prefix: str) -> None:
        for name, definition in properties.items():
            path = f"{prefix}{name}"
            if "." in name:
                self.add(path, self.field(name, definition))
            elif definition.get("type", "object") == "object":
                child = node.children[name] = Object()
                if "dynamic" in definition:
                    child.dynamic = str(definition["dynamic"]).lower()
                self._take(child, definition.get("properties", {}), f"{path}.")
            else:
                leaf = node.children[name] = self.field(name, definition)
                self._register(path, leaf)


def no_object(path: str) -> Refused:
    """Return the refusal of an object that is mapped as a leaf, or the reverse."""
    reason = f"can't merge a non object mapping [{path}] with an object mapping"
    return Refused(400, "illegal_argument_exception", reason)


def _objects(node: Object, prefix: str) -> Iterator[str]:
    for name, child in node.children.items():
        if isinstance(child, Object):
            yield prefix + name
            yield from _objects(child, f"{prefix}{name}.")


def _json_type(value: Any, *, dates: bool) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "long" if isinstance(value, int) else "double"
    return "date" if dates and values.is_iso_date(value) else "string"
