"""Fields that nobody mapped: what a JSON value becomes."""

from __future__ import annotations

from typing import Any

from tests.emulators.elasticsearch import dates
from tests.emulators.elasticsearch.fields import DECIMAL, WHOLE, Field, Object
from tests.emulators.elasticsearch.mapping import IndexMapping

_DIMENSIONS = {*WHOLE, *DECIMAL, "keyword", "boolean", "ip", "unsigned_long"}
"""The types of fields that may be dimensions."""


def dynamic_leaf(mapping: IndexMapping, path: str, value: Any) -> Field:
    """The field that a value makes where none is; in a `passthrough` object of dimensions it becomes one."""
    parents = (mapping.find(path[:at]) for at, letter in enumerate(path) if letter == ".")
    passed = [node for node in parents if isinstance(node, Object) and node.type == "passthrough"]
    leaf = _leaf(mapping, path, value, texts=not passed)
    if leaf.type in _DIMENSIONS and any(node.params.get("time_series_dimension") for node in passed):
        leaf.params["time_series_dimension"] = True
    return leaf


def _leaf(mapping: IndexMapping, path: str, value: Any, *, texts: bool) -> Field:
    """By the first dynamic template that fits, else by its JSON type."""
    matched, formats = _seen_as(mapping, value)
    name = path.rsplit(".", 1)[-1]
    rule = mapping.template(path, name, matched)
    if rule is not None:
        definition = dict(rule)
        definition.setdefault("type", {"string": "text", "double": "float"}.get(matched, matched))
        return mapping.field(name, definition)
    if matched == "string":
        if not texts:
            return Field("keyword")
        return Field("text", {}, {"keyword": Field("keyword", {"ignore_above": 256})})
    if matched == "date":
        params = {} if formats == dates.DEFAULT_FORMAT else {"format": formats}
        if params and mapping.dialect.modern:
            params["locale"] = ""
        elif params and not mapping.dialect.elastic:
            params["print_format"] = "yyyy/MM/dd HH:mm:ss"
        return Field("date", params)
    return Field("float" if matched == "double" else matched)


def _seen_as(mapping: IndexMapping, value: Any) -> tuple[str, str | None]:
    if isinstance(value, bool):
        return "boolean", None
    if isinstance(value, int):
        return "long", None
    if isinstance(value, float):
        return "double", None
    if mapping.top.get("numeric_detection") is True:
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
    if mapping.top.get("date_detection", True) is not False:
        formats = dates.detected(value)
        if formats is not None:
            return "date", formats
    return "string", None
