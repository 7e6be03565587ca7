"""A document against a mapping: the doc values it gets, what is ignored, the fields it adds, or why it is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.elasticsearch import flattened, values
from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.dynamic import dynamic_leaf
from tests.emulators.elasticsearch.fields import DECIMAL, FLATTENED, KEYWORDS, WHOLE, Field, Object
from tests.emulators.elasticsearch.lines import Written
from tests.emulators.elasticsearch.mapping import IndexMapping
from tests.emulators.elasticsearch.names import METADATA, parts_of
from tests.emulators.elasticsearch.new_fields import Limits, NewFields
from tests.emulators.elasticsearch.values import TERM_BYTES, Malformed

_MALFORMED_MAY_BE_IGNORED = {*WHOLE, *DECIMAL, "date", "date_nanos", "ip", "unsigned_long", "geo_point", "boolean"}
_TEXTS = frozenset({"keyword", "text", "wildcard", "match_only_text"})
_TOKENS = {bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT", dict: "START_OBJECT"}


@dataclass(slots=True)
class Parsed:
    """What a document is to the index: values by full path in document order, paths ignored, fields to add."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    new: list[tuple[str, Field | Object]] = field(default_factory=list)


class DocumentParser:
    """Parses documents of one index."""

    def __init__(self, mapping: IndexMapping, *, limits: Limits | None = None, ignore_malformed: bool = False) -> None:
        self.mapping = mapping
        self.ignore_malformed = ignore_malformed
        self.new_fields = NewFields(mapping, limits or Limits())

    def parse(self, document: Mapping[str, Any], described: str) -> Parsed:
        """Parse without changing the mapping; raises `Refused`. `new_fields.apply` takes the new ones in.

        `described` is how refusals name the document: `in document with id 'x'`.
        """
        run = _Run(self, described)
        for name in METADATA & document.keys():
            raise run.metadata(name, document[name])
        run.object(document, self.mapping.root, "", self.mapping.root.dynamic or "true")
        if run.parsed.new:
            run.parsed.new, beyond = self.new_fields.within(run.parsed.new)
            run.parsed.ignored.update(beyond)
            for path in beyond:
                run.parsed.values.pop(path, None)
            self.new_fields.check(run.parsed.new)
        return run.parsed


class _Run:
    def __init__(self, parser: DocumentParser, described: str) -> None:
        self.parsed = Parsed()
        self._mapping = parser.mapping
        self._dialect = parser.mapping.dialect
        self._ignore_malformed = parser.ignore_malformed
        self._described = described

    def object(self, document: Mapping[str, Any], node: Object | None, prefix: str, dynamic: str) -> None:
        for name, value in document.items():
            path = name if not prefix else f"{prefix}.{name}"
            if node is not None and "." not in name and name in node.children:
                self._take(path, node.children[name], value, dynamic)
                continue
            parts = parts_of(self._dialect, name)
            self._descend(parts, value, node, prefix, dynamic)

    def metadata(self, name: str, value: Any) -> Refused:
        """Why a document may not hold one of the engine's own fields."""
        inner = self._refuse(
            f"Field [{name}] is a metadata field and cannot be added inside a document. Use the index API request parameters."
        )
        return self._refuse(
            f"failed to parse field [{name}] of type [{name}] {self._described}. Preview of field's value: '{values.text(value)}'",
            inner.error(),
        )

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
            name = path.rsplit(".", 1)[-1]
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
        leaf = dynamic_leaf(self._mapping, path, value)
        self.parsed.new.append((path, leaf))
        self._leaf(path, leaf, value)

    def _new_object(self, path: str, value: dict[str, Any], dynamic: str) -> None:
        rule = self._mapping.template(path, path.rsplit(".", 1)[-1], "object")
        if rule is not None and rule.get("type", "object") not in {"object", "nested"}:
            leaf = self._mapping.field(path, rule)
            self.parsed.new.append((path, leaf))
            self._leaf(path, leaf, value)
            return
        child = Object(dynamic=str(rule["dynamic"]).lower() if rule and "dynamic" in rule else None)
        if rule and rule.get("enabled") is False:
            child.enabled = False
        self.parsed.new.append((path, child))
        if child.enabled:
            self.object(value, None, path, child.dynamic or dynamic)

    def _leaf(self, path: str, leaf: Field, value: Any) -> None:
        if leaf.type in FLATTENED:
            self._flattened(path, leaf, value)
            return
        if self._easy(path, leaf, value):
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

    def _easy(self, path: str, leaf: Field, value: Any) -> bool:
        """True when a value of its field's own kind was kept without further ado: most are, and this is the fast way."""
        kind = type(value)
        if kind is str and leaf.type in _TEXTS:
            self._keep(path, leaf, value)
        elif kind is int and leaf.type == "long" and -(1 << 63) <= value < 1 << 63:
            self.parsed.values.setdefault(path, []).append(value)
        elif kind is Written and leaf.type == "double" and math.isfinite(value):
            self.parsed.values.setdefault(path, []).append(float(value))
        else:
            return False
        for name, sub in leaf.fields.items():
            self._leaf(f"{path}.{name}", sub, value)
        return True

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
        if leaf.type in KEYWORDS and len(value) > 8191:
            self._check_size(path, leaf, value)
        self.parsed.values.setdefault(path, []).append(value)

    def _check_size(self, path: str, leaf: Field, value: str, field: str | None = None) -> None:
        encoded = value.encode("utf-8", "surrogatepass")
        if len(encoded) <= TERM_BYTES:
            return
        reason = f"bytes can be at most {TERM_BYTES} in length; got {len(encoded)}"
        text = (
            f'Document contains at least one immense term in field="{field or path}" (whose UTF8 encoding is longer than the max '
            f"length {TERM_BYTES}), all of which were skipped.  Please correct the analyzer to not produce such terms.  The prefix of "
            f"the first immense term is: '{list(encoded[:30])}...'"
        )
        if self._dialect.modern:
            cause = Malformed("illegal_argument_exception", text.replace(".  ", ". "))
            raise self._malformed(path, leaf, value, cause)
        cause_by = {"type": "max_bytes_length_exceeded_exception", "reason": reason}
        raise Refused(400, "illegal_argument_exception", f"{text}, original message: {reason}", cause_by)

    def _flattened(self, path: str, leaf: Field, value: Any) -> None:
        if value is None:
            return
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, (dict, list)):
                raise self._malformed(path, leaf, item, flattened.not_an_object(self._dialect, path, item))
        limit = int(leaf.params.get("ignore_above", 1 << 31))
        for key, text in flattened.leaves(value):
            if self._dialect.elastic:
                problem = flattened.problem(path, key, text)
                if problem is not None:
                    raise self._malformed(path, leaf, text, problem)
            elif len(text) > 8191 or len(key) > 8191:
                self._check_size(path, leaf, text, f"{path}._value")
                self._check_size(path, leaf, f"{path}.{key}={text}", f"{path}._valueAndPath")
            if len(text) <= limit:
                self.parsed.values.setdefault(path, []).append(text)
                self.parsed.values.setdefault(f"{path}.{key}", []).append(text)
            elif self._dialect.elastic and self._dialect.modern:
                self.parsed.ignored.add(path)

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


def _preview(leaf: Field, value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_preview(leaf, item)}" for key, item in value.items()) + "}"
    if isinstance(value, float) and leaf.type == "float":
        return values.text(values.float32(value))
    return values.text(value)


def _token(value: Any, why: str) -> Malformed:
    token = "VALUE_FALSE" if value is False else _TOKENS[type(value)]
    return Malformed("json_parse_exception", f"Current token ({token}) {why}")
