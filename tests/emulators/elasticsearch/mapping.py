"""A mapping: objects, fields, multi-fields and dynamic templates, as JSON and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.fields import FLATTENED, KNOWN, PARAMETERS, Field, Object


class IndexMapping:
    """An index's mapping. `flat` knows every leaf by its full path, multi-fields included."""

    def __init__(self, dialect: Dialect, source: Mapping[str, Any] | None = None) -> None:
        self.dialect = dialect
        self.root = Object()
        self.top: dict[str, Any] = {}
        self.flat: dict[str, Field] = {}
        if source:
            self.merge(source)

    def merge(self, source: Mapping[str, Any]) -> None:
        """Take further properties in; raises `Refused` where they contradict what stands."""
        properties = source.get("properties", {})
        for key, value in source.items():
            if key == "properties":
                continue
            if key == "dynamic":
                self.root.dynamic = str(value).lower()
            elif key == "enabled":
                self.root.enabled = bool(value)
            elif key in {"dynamic_templates", "date_detection", "numeric_detection", "dynamic_date_formats", "_meta",
                         "_source", "_routing", "_data_stream_timestamp", "_doc", "subobjects", "_size"}:  # fmt: skip
                if key == "dynamic_templates" and not self.dialect.modern:
                    self._check_templates(value)
                self.top[key] = value
            else:
                raise self._wrong(f"Root mapping definition has unsupported parameters:  [{key} : {_java(value)}]")
        self._take(self.root, properties, "")

    def copy(self) -> IndexMapping:
        """A mapping of its own with the same content."""
        return IndexMapping(self.dialect, self.json())

    def json(self) -> dict[str, Any]:
        """As the mapping API shows it."""
        mapping: dict[str, Any] = {}
        if self.root.dynamic is not None:
            mapping["dynamic"] = self.root.dynamic
        mapping.update(self.top)
        if "dynamic_templates" in mapping and not self.dialect.modern:
            mapping["dynamic_templates"] = [_without_star(entry) for entry in mapping["dynamic_templates"]]
        if self.root.children:
            mapping["properties"] = {name: child.json() for name, child in sorted(self.root.children.items())}
        return mapping

    def count(self) -> int:
        """The fields that count toward `index.mapping.total_fields.limit`: objects, leaves, multi-fields."""
        return sum(1 for _ in self._walk(self.root))

    def find(self, path: str) -> Object | Field | None:
        """What stands at a full path, or None."""
        if path in self.flat:
            return self.flat[path]
        node: Object | Field | None = self.root
        for part in path.split("."):
            node = node.children.get(part) if isinstance(node, Object) else None
        return node

    def objects(self) -> dict[str, Object]:
        """Every object below the root by its full path."""
        return {path: node for path, node in self._paths(self.root, "") if isinstance(node, Object)}

    def add(self, path: str, leaf: Field | Object) -> None:
        """Put a new field at a path whose parents exist or are made."""
        parts = path.split(".")
        node = self.root
        for part in parts[:-1]:
            child = node.children.setdefault(part, Object())
            if not isinstance(child, Object):
                raise self._wrong(f"can't merge a non object mapping [{path}] with an object mapping")
            node = child
        node.children[parts[-1]] = leaf
        if isinstance(leaf, Field):
            self._register(path, leaf)

    def _register(self, path: str, leaf: Field) -> None:
        self.flat[path] = leaf
        for name, sub in leaf.fields.items():
            self.flat[f"{path}.{name}"] = sub

    def _take(self, node: Object, properties: Mapping[str, Any], prefix: str) -> None:
        for dotted, definition in properties.items():
            *parents, name = dotted.split(".")
            target, path = node, prefix
            for part in parents:
                child = target.children.setdefault(part, Object())
                path = f"{path}{part}."
                if not isinstance(child, Object):
                    raise self._cannot_merge(path[:-1])
                target = child
            self._put(target, name, path + name, definition)

    def _put(self, node: Object, name: str, path: str, definition: Mapping[str, Any]) -> None:
        kind = str(definition.get("type", "object"))
        standing = node.children.get(name)
        if kind in {"object", "nested", "passthrough"}:
            if standing is None:
                standing = node.children[name] = Object(type=kind)
            if not isinstance(standing, Object):
                raise self._cannot_merge(path)
            if "dynamic" in definition:
                standing.dynamic = str(definition["dynamic"]).lower()
            if "enabled" in definition:
                standing.enabled = definition["enabled"] in {True, "true"}
            standing.params.update(
                {
                    key: definition[key]
                    for key in ("priority", "time_series_dimension", "subobjects")
                    if key in definition
                }
            )
            self._take(standing, definition.get("properties", {}), path + ".")
            return
        leaf = self.field(name, definition)
        if isinstance(standing, Object):
            raise self._cannot_merge(path)
        if standing is not None:
            if standing.type != leaf.type:
                raise Refused(
                    400,
                    "illegal_argument_exception",
                    f"mapper [{path}] cannot be changed from type [{standing.type}] to [{leaf.type}]",
                )
            standing.params.update(leaf.params)
            standing.fields.update(leaf.fields)
            leaf = standing
        node.children[name] = leaf
        self._register(path, leaf)

    def field(self, name: str, definition: Mapping[str, Any]) -> Field:
        """A leaf from its definition; raises `Refused` for a type or parameter that the engine does not know."""
        kind = str(definition.get("type", ""))
        unknown = kind in FLATTENED and kind != self.dialect.flattened
        if kind not in KNOWN or unknown:
            if self.dialect.modern:
                raise self._wrong(
                    f"The mapper type [{kind}] declared on field [{name}] does not exist. It might have been created within a "
                    "future version or requires a plugin to be installed. Check the documentation."
                )
            raise self._wrong(f"No handler for type [{kind}] declared on field [{name}]")
        params = {key: value for key, value in definition.items() if key not in {"type", "fields"}}
        for key in params:
            if key not in PARAMETERS:
                raise self._wrong(f"unknown parameter [{key}] on mapper [{name}] of type [{kind}]")
        for key in ("index", "doc_values", "coerce", "ignore_malformed"):
            if isinstance(params.get(key), str):
                params[key] = params[key] == "true"
        subs = {sub: self.field(sub, below) for sub, below in definition.get("fields", {}).items()}
        return Field(kind, params, subs)

    def template(self, path: str, name: str, matched: str) -> Mapping[str, Any] | None:
        """The dynamic template for a new field: its `mapping`, or None; `matched` is the JSON type it was seen as."""
        for entry in self.top.get("dynamic_templates", []):
            for rule in entry.values():
                if _matches(rule, path, name, matched):
                    filled: Mapping[str, Any] = _filled(rule.get("mapping", rule.get("runtime", {})), name, matched)
                    return filled
        return None

    def _check_templates(self, templates: list[Mapping[str, Any]]) -> None:
        """7.x and OpenSearch take one JSON type a template, not a list."""
        for entry in templates:
            for rule in entry.values():
                matched = rule.get("match_mapping_type")
                if isinstance(matched, list):
                    reason = (
                        f"No field type matched on [{_java(matched)}], possible values are "
                        "[object, string, long, double, boolean, date, binary]"
                    )
                    refused = self._wrong(reason)
                    refused.caused_by = {"type": "illegal_argument_exception", "reason": reason}
                    refused.root = [{"type": refused.kind, "reason": refused.reason}]
                    raise refused

    def _walk(self, node: Object) -> Iterator[object]:
        for child in node.children.values():
            yield child
            if isinstance(child, Object):
                yield from self._walk(child)
            else:
                yield from child.fields.values()

    def _paths(self, node: Object, prefix: str) -> Iterator[tuple[str, Object | Field]]:
        for name, child in node.children.items():
            yield prefix + name, child
            if isinstance(child, Object):
                yield from self._paths(child, f"{prefix}{name}.")

    def _wrong(self, reason: str) -> Refused:
        cause = {"type": "mapper_parsing_exception", "reason": reason}
        refused = Refused(
            400,
            "mapper_parsing_exception",
            f"Failed to parse mapping: {reason}"
            if self.dialect.modern
            else f"Failed to parse mapping [_doc]: {reason}",
            cause,
        )
        refused.root = [cause]
        return refused

    def _cannot_merge(self, path: str) -> Refused:
        return Refused(
            400, "illegal_argument_exception", f"can't merge a non object mapping [{path}] with an object mapping"
        )


def _without_star(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A dynamic template as 7.x and OpenSearch show it: `match_mapping_type: *` is the default and left out."""
    return {
        name: {key: value for key, value in rule.items() if (key, value) != ("match_mapping_type", "*")}
        for name, rule in entry.items()
    }


def _matches(rule: Mapping[str, Any], path: str, name: str, matched: str) -> bool:
    if not _one_of(rule.get("match_mapping_type"), matched, default=True):
        return False
    if not _one_of(rule.get("match"), name, default=True) or not _one_of(rule.get("path_match"), path, default=True):
        return False
    return not (
        _one_of(rule.get("unmatch"), name, default=False) or _one_of(rule.get("path_unmatch"), path, default=False)
    )


def _one_of(patterns: Any, text: str, *, default: bool) -> bool:
    if patterns is None:
        return default
    return any(fnmatchcase(text, str(pattern)) for pattern in (patterns if isinstance(patterns, list) else [patterns]))


_DYNAMIC = {
    "string": "text",
    "long": "long",
    "double": "float",
    "boolean": "boolean",
    "date": "date",
    "object": "object",
    "binary": "binary",
}


def _filled(mapping: Any, name: str, matched: str) -> Any:
    if isinstance(mapping, dict):
        return {key: _filled(value, name, matched) for key, value in mapping.items()}
    if isinstance(mapping, str):
        return mapping.replace("{name}", name).replace("{dynamic_type}", _DYNAMIC.get(matched, matched))
    return mapping


def _java(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_java(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
