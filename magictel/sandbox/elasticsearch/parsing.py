"""A document against a mapping: the doc values it gets, what is ignored, the fields it adds, or why it is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magictel.sandbox.elasticsearch import dates, values
from magictel.sandbox.elasticsearch.answers import Refused
from magictel.sandbox.elasticsearch.dialect import Dialect
from magictel.sandbox.elasticsearch.mapping import DECIMAL, FLATTENED, KEYWORDS, WHOLE, Field, IndexMapping, Object
from magictel.sandbox.elasticsearch.values import Malformed

_MALFORMED_MAY_BE_IGNORED = {*WHOLE, *DECIMAL, "date", "date_nanos", "ip", "unsigned_long", "geo_point", "boolean"}
_TOKENS = {bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT", dict: "START_OBJECT"}


@dataclass(slots=True)
class Parsed:
    """What a document is to the index: values by full path in document order, paths ignored, fields to add."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    new: list[tuple[str, Field | Object]] = field(default_factory=list)


def load(dialect: Dialect, line: bytes) -> dict[str, Any]:
    """The document of a line; raises `Refused` where it is not one JSON object without repeated keys."""
    try:
        value = json.loads(line, object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError) as problem:
        raise _unparsable(dialect, problem) from None
    if isinstance(value, dict):
        return value
    reason = "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"
    if not dialect.modern:
        raise Refused(
            400, "mapper_parsing_exception", "failed to parse", {"type": "not_x_content_exception", "reason": reason}
        )
    if dialect.number < (9, 0):
        raise Refused(500, "not_x_content_exception", reason)
    raise Refused(400, dialect.document_error, "Malformed content, must start with an object")


class DocumentParser:
    """Parses documents of one index. `limit` is `index.mapping.total_fields.limit`."""

    def __init__(self, mapping: IndexMapping, *, limit: int = 1000, ignore_malformed: bool = False) -> None:
        self._mapping = mapping
        self._dialect = mapping.dialect
        self._limit = limit
        self._ignore_malformed = ignore_malformed

    def parse(self, document: Mapping[str, Any], described: str) -> Parsed:
        """Parse without changing the mapping; raises `Refused`. `apply` takes the new fields in.

        `described` is how refusals name the document: `in document with id 'x'`.
        """
        run = _Run(self, described)
        run.object(document, self._mapping.root, "", self._mapping.root.dynamic or "true")
        if run.parsed.new:
            self.check(run.parsed.new)
        return run.parsed

    def check(self, new: list[tuple[str, Field | Object]]) -> None:
        """Refuse new fields that contradict each other, or are too many."""
        seen: dict[str, Field | Object] = {}
        for path, leaf in new:
            self._claim(seen, path, leaf)
        total, added, leaves = self._mapping.count(), 0, 0
        early = self._dialect.elastic and not self._dialect.modern
        for leaf in seen.values():
            added += 1
            leaves += len(leaf.fields) if isinstance(leaf, Field) else 0
            if total + added + (0 if early else leaves) > self._limit:
                raise self._too_many(added if early else added + leaves)
        if total + added + leaves > self._limit:
            # 7.x counts multi-fields only when it merges the mapping.
            raise Refused(400, "illegal_argument_exception", f"Limit of total fields [{self._limit}] has been exceeded")

    def apply(self, new: list[tuple[str, Field | Object]]) -> None:
        """Take new fields into the mapping; call it with what `parse` gave."""
        for path, leaf in new:
            if isinstance(leaf, Object):
                if self._mapping.find(path) is None:
                    self._mapping.add(path, leaf)
            elif path not in self._mapping.flat:
                self._mapping.add(path, leaf)

    def _claim(self, seen: dict[str, Field | Object], path: str, leaf: Field | Object) -> None:
        at = path.find(".")
        while at >= 0:
            parent = path[:at]
            other = seen.get(parent)
            if isinstance(other, Field):
                self._clash(parent, other, Object())
            if other is None and not isinstance(self._mapping.find(parent), Object):
                seen[parent] = Object()
            at = path.find(".", at + 1)
        other = seen.get(path)
        if other is None:
            seen[path] = leaf
        elif type(other) is not type(leaf) or (
            isinstance(other, Field) and isinstance(leaf, Field) and other.type != leaf.type
        ):
            self._clash(path, other, leaf)

    def _clash(self, path: str, old: Field | Object, new: Field | Object) -> None:
        if isinstance(old, Object) or (isinstance(new, Object) and (not self._dialect.modern or "." in path)):
            reason = f"can't merge a non object mapping [{path}] with an object mapping"
        else:
            kind = "ObjectMapper" if isinstance(new, Object) else new.type
            reason = f"mapper [{path}] cannot be changed from type [{old.type}] to [{kind}]"
        raise Refused(400, "illegal_argument_exception", reason)

    def _too_many(self, added: int) -> Refused:
        reason = f"Limit of total fields [{self._limit}] has been exceeded"
        if not self._dialect.elastic:
            return Refused(400, "illegal_argument_exception", reason)
        reason += f" while adding new fields [{added}]"
        cause = {"type": "illegal_argument_exception", "reason": reason}
        if self._dialect.modern:
            return Refused(400, self._dialect.document_error, self._dialect.at(f"failed to parse: {reason}"), cause)
        return Refused(400, "mapper_parsing_exception", "failed to parse", cause)


class _Run:
    def __init__(self, parser: DocumentParser, described: str) -> None:
        self.parsed = Parsed()
        self._mapping = parser._mapping
        self._dialect = parser._dialect
        self._ignore_malformed = parser._ignore_malformed
        self._described = described

    def object(self, document: Mapping[str, Any], node: Object | None, prefix: str, dynamic: str) -> None:
        for name, value in document.items():
            path = name if not prefix else f"{prefix}.{name}"
            if node is not None and "." not in name and name in node.children:
                self._take(path, node.children[name], value, dynamic)
                continue
            parts = self._parts(name)
            self._descend(parts, value, node, prefix, dynamic)

    def _descend(self, parts: list[str], value: Any, node: Object | None, prefix: str, dynamic: str) -> None:
        for index, part in enumerate(parts):
            path = part if not prefix else f"{prefix}.{part}"
            child = node.children.get(part) if node is not None else None
            last = index == len(parts) - 1
            if child is None:
                self._unknown(path if last else ".".join([path, *parts[index + 1 :]]), value, node, prefix, dynamic)
                return
            if last:
                self._take(path, child, value, dynamic)
                return
            if isinstance(child, Field):
                rest: Any = value
                for inner in reversed(parts[index + 1 :]):
                    rest = {inner: rest}
                if child.type in FLATTENED:
                    self._take(path, child, rest, dynamic)
                    return
                raise self._below_a_field(path, ".".join(parts[index + 1 :]), prefix, parts, index, child, rest)
            if not child.enabled:
                return
            node, prefix, dynamic = child, path, child.dynamic or dynamic

    def _take(self, path: str, child: Field | Object, value: Any, dynamic: str) -> None:
        if isinstance(child, Object):
            if child.enabled:
                self._into_object(path, child, value, child.dynamic or dynamic)
        elif isinstance(value, list) and child.type not in FLATTENED:
            for item in value:
                self._take(path, child, item, dynamic)
        else:
            self._leaf(path, child, value)

    def _into_object(self, path: str, child: Object, value: Any, dynamic: str) -> None:
        if value is None:
            return
        if isinstance(value, list):
            for item in value:
                self._into_object(path, child, item, dynamic)
        elif isinstance(value, dict):
            self.object(value, child, path, dynamic)
        else:
            name = (
                path.rsplit(".", 1)[-1] if self._dialect.elastic and self._dialect.modern else path.rsplit(".", 1)[-1]
            )
            raise self._refuse(
                f"object mapping for [{path}] tried to parse field [{name}] as object, but found a concrete value"
            )

    def _unknown(self, path: str, value: Any, node: Object | None, prefix: str, dynamic: str) -> None:
        if value is None:
            return
        if dynamic == "strict":
            short = path[len(prefix) + 1 :] if prefix else path
            within = prefix or "_doc"
            reason = f"mapping set to strict, dynamic introduction of [{short.split('.')[0]}] within [{within}] is not allowed"
            raise Refused(400, "strict_dynamic_mapping_exception", self._dialect.at(reason))
        if dynamic == "false":
            return
        if isinstance(value, list):
            for item in value:
                self._unknown(path, item, node, prefix, dynamic)
            return
        if isinstance(value, dict):
            self._new_object(path, value, dynamic)
            return
        leaf = self._dynamic_leaf(path, value)
        self.parsed.new.append((path, leaf))
        self._leaf(path, leaf, value)

    def _new_object(self, path: str, value: dict[str, Any], dynamic: str) -> None:
        rule = self._mapping.template(path, path.rsplit(".", 1)[-1], "object")
        if rule is not None and rule.get("type", "object") not in {"object", "nested"}:
            leaf = self._mapping.field(path, rule)
            self.parsed.new.append((path, leaf))
            self._leaf(path, leaf, value)
            return
        made = Object(dynamic=str(rule["dynamic"]).lower() if rule and "dynamic" in rule else None)
        if rule and rule.get("enabled") is False:
            made.enabled = False
        self.parsed.new.append((path, made))
        if made.enabled:
            self.object(value, None, path, made.dynamic or dynamic)

    def _dynamic_leaf(self, path: str, value: Any) -> Field:
        matched, formats = self._seen_as(value)
        name = path.rsplit(".", 1)[-1]
        rule = self._mapping.template(path, name, matched)
        if rule is not None:
            definition = dict(rule)
            definition.setdefault("type", {"string": "text", "double": "float"}.get(matched, matched))
            return self._mapping.field(name, definition)
        if matched == "string":
            return Field("text", {}, {"keyword": Field("keyword", {"ignore_above": 256})})
        if matched == "date":
            params = {} if formats == dates.DEFAULT_FORMAT else {"format": formats}
            if params and self._dialect.modern:
                params["locale"] = ""
            elif params and not self._dialect.elastic:
                params["print_format"] = "yyyy/MM/dd HH:mm:ss"
            return Field("date", params)
        return Field("float" if matched == "double" else matched)

    def _seen_as(self, value: Any) -> tuple[str, str | None]:
        if isinstance(value, bool):
            return "boolean", None
        if isinstance(value, int):
            return "long", None
        if isinstance(value, float):
            return "double", None
        if self._mapping.top.get("numeric_detection") is True:
            try:
                int(value)
            except ValueError:
                try:
                    float(value)
                except ValueError:
                    pass
                else:
                    return "double", None
            else:
                return "long", None
        if self._mapping.top.get("date_detection", True) is not False:
            formats = dates.detected(value)
            if formats is not None:
                return "date", formats
        return "string", None

    def _leaf(self, path: str, leaf: Field, value: Any) -> None:
        if leaf.type in FLATTENED:
            self._flattened(path, leaf, value)
            return
        if value is None:
            value = leaf.params.get("null_value")
            if value is None:
                return
        if leaf.type == "constant_keyword":
            leaf.params.setdefault("value", value)
        try:
            parsed = self._parsed(leaf, value)
        except Malformed as problem:
            ignore = leaf.params.get("ignore_malformed", self._ignore_malformed)
            if (
                ignore
                and leaf.type in _MALFORMED_MAY_BE_IGNORED
                and not (isinstance(value, dict) and not self._dialect.modern)
            ):
                self.parsed.ignored.add(path)
                return
            raise self._malformed(path, leaf, value, problem) from None
        if parsed is not None:
            self._keep(path, leaf, parsed)
        for name, sub in leaf.fields.items():
            self._leaf(f"{path}.{name}", sub, value)

    def _parsed(self, leaf: Field, value: Any) -> Any:
        numeric = leaf.type in WHOLE or leaf.type in DECIMAL or leaf.type == "unsigned_long"
        if isinstance(value, dict):
            if leaf.type in {"geo_point", "histogram", "aggregate_metric_double"}:
                return value
            raise self._object_in_a_leaf(leaf, numeric)
        if value == "" and isinstance(value, str) and numeric:
            return None
        if numeric and isinstance(value, bool):
            raise _token(value, "not numeric, can not use numeric value accessors")
        if leaf.type == "boolean" and isinstance(value, (int, float)) and not isinstance(value, bool):
            raise _token(value, "not of boolean type")
        if leaf.type in {"date", "date_nanos"} and value == "":
            raise Malformed(
                "illegal_argument_exception",
                "cannot parse empty datetime" if self._dialect.modern else "cannot parse empty date",
            )
        return values.parse(leaf, value)

    def _object_in_a_leaf(self, leaf: Field, numeric: bool) -> Malformed:
        modern = self._dialect.modern
        if numeric:
            if modern:
                return Malformed("illegal_argument_exception", "Cannot parse object as number")
            return _token({}, "not numeric, can not use numeric value accessors")
        if leaf.type == "boolean":
            return _token({}, "not of boolean type")
        if leaf.type in {"text", "keyword", "wildcard", "match_only_text"} and modern:
            return Malformed("illegal_argument_exception", "Expected text at 1:7 but found START_OBJECT")
        return Malformed("illegal_state_exception", "Can't get text on a START_OBJECT at 1:7")

    def _keep(self, path: str, leaf: Field, value: Any) -> None:
        if leaf.type in KEYWORDS and values.too_long(leaf, value):
            if self._dialect.elastic:
                self.parsed.ignored.add(path)
            return
        self.parsed.values.setdefault(path, []).append(value)

    def _flattened(self, path: str, leaf: Field, value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, (dict, list)):
            raise self._malformed(
                path,
                leaf,
                value,
                Malformed(
                    "parsing_exception",
                    "Failed to parse object: expecting token of type [START_OBJECT] but found [VALUE_STRING]",
                ),
            )
        limit = int(leaf.params.get("ignore_above", 1 << 31))
        for key, text in _leaves(value, ""):
            if len(text) <= limit:
                self.parsed.values.setdefault(path, []).append(text)
                self.parsed.values.setdefault(f"{path}.{key}", []).append(text)
            elif self._dialect.elastic and self._dialect.modern:
                self.parsed.ignored.add(path)

    def _parts(self, name: str) -> list[str]:
        modern = self._dialect.modern
        if name == "":
            raise self._bad_name("field name cannot be an empty string")
        if "." not in name:
            if modern and not name.strip():
                raise self._refuse(f"Field name cannot contain only whitespace: [{name}]")
            return [name]
        parts = name.split(".")
        while parts and parts[-1] == "":
            parts.pop()
        if not parts:
            raise self._bad_name(
                "field name cannot contain only dots"
                if self._dialect.elastic
                else "field name cannot contain only the character [.]"
            )
        for part in parts:
            if part == "":
                raise self._bad_name(
                    f"field name cannot contain only whitespace: ['{name}']"
                    if modern
                    else f"object field starting or ending with a [.] makes object resolution ambiguous: [{name}]"
                )
            if not part.strip():
                raise self._bad_name(
                    f"field name starting or ending with a [.] makes object resolution ambiguous: [{name}]"
                    if modern
                    else f"object field cannot contain only whitespace: ['{name}']"
                )
        return parts

    def _bad_name(self, reason: str) -> Refused:
        cause = {"type": "illegal_argument_exception", "reason": reason}
        return self._refuse(f"failed to parse: {reason}" if self._dialect.modern else "failed to parse", cause)

    def _below_a_field(
        self, path: str, rest: str, prefix: str, parts: list[str], index: int, child: Field, inner: Any
    ) -> Refused:
        if not self._dialect.modern:
            return self._refuse(
                f"Could not dynamically add mapping for field [{'.'.join(parts)}]. "
                f"Existing mapping for [{path}] must be of type object but found [{child.type}]."
            )
        numeric = child.type in WHOLE or child.type in DECIMAL
        problem = self._object_in_a_leaf(child, numeric)
        if not numeric and child.type in {"text", "keyword", "match_only_text"}:
            problem = Malformed("illegal_state_exception", "Can't get text on a START_OBJECT at 1:2")
        return self._malformed(path, child, inner, problem)

    def _malformed(self, path: str, leaf: Field, value: Any, problem: Malformed) -> Refused:
        preview = _preview(leaf, value)
        cause: dict[str, Any] | None = None
        if problem.kind:
            cause = {"type": problem.kind, "reason": problem.reason}
            if self._dialect.modern and problem.kind in {"json_parse_exception", "input_coercion_exception"}:
                reason = self._dialect.at(problem.reason)
                cause = {"type": "x_content_parse_exception", "reason": reason, "caused_by": cause}
            if problem.kind == "illegal_argument_exception" and problem.reason.startswith("failed to parse date field"):
                cause["caused_by"] = {
                    "type": "date_time_parse_exception",
                    "reason": "Failed to parse with all enclosed parsers",
                }
        return self._refuse(
            f"failed to parse field [{path}] of type [{leaf.type}] {self._described}. "
            f"Preview of field's value: '{preview}'",
            cause,
        )

    def _refuse(self, reason: str, cause: Mapping[str, Any] | None = None) -> Refused:
        return Refused(400, self._dialect.document_error, self._dialect.at(reason), cause)


def _leaves(value: Any, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if isinstance(value, dict):
        for name, item in value.items():
            found += _leaves(item, name if not prefix else f"{prefix}.{name}")
    elif isinstance(value, list):
        for item in value:
            found += _leaves(item, prefix)
    elif value is not None:
        found.append((prefix, values.text(value)))
    return found


def _preview(leaf: Field, value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_preview(leaf, item)}" for key, item in value.items()) + "}"
    if isinstance(value, float) and leaf.type == "float":
        return values.text(values.float32(value))
    return values.text(value)


def _token(value: Any, why: str) -> Malformed:
    token = "VALUE_FALSE" if value is False else _TOKENS[type(value)]
    return Malformed("json_parse_exception", f"Current token ({token}) {why}")


class _Duplicate(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Duplicate(f"Duplicate field '{name}'")
            seen.add(name)
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"Non-standard token '{name}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow")


def _unparsable(dialect: Dialect, problem: Exception) -> Refused:
    reason = _jackson(problem)
    inner = {"type": "json_parse_exception", "reason": reason}
    if not dialect.modern:
        return Refused(400, "mapper_parsing_exception", "failed to parse", inner)
    reason = f"[1:2] {reason}"
    cause = {"type": "x_content_parse_exception", "reason": reason, "caused_by": inner}
    return Refused(400, dialect.document_error, dialect.at(f"failed to parse: {reason}"), cause)


def _jackson(problem: Exception) -> str:
    """The JSON problem in the words of the engine's parser, as far as they are known."""
    if not isinstance(problem, json.JSONDecodeError):
        return str(problem)
    rest = problem.doc[problem.pos :].lstrip()
    if not rest:
        return "Unexpected end-of-input within/between Object entries"
    expected = (
        "expected a value"
        if problem.msg.startswith("Expecting value")
        else "was expecting comma to separate Object entries"
    )
    return f"Unexpected character ('{rest[0]}' (code {ord(rest[0])})): {expected}"
