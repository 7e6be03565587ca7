"""Effects of an index's mapping on the values: it refuses, alters or keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from magictel.exporters.elasticsearch.readback.fields import FLAT_TYPES, Fields
from magictel.exporters.elasticsearch.readback.run import fields_of
from magictel.exporters.elasticsearch.unborn import unborn
from magictel.http.wire import Wire

DECIMALS = ("value_double", "sum", "min", "max", "bounds", "zero_threshold")
WHOLE = (
    "value_long", "count", "zero_count", "scale", "cumulative_counts",
    "positive.offset", "positive.cumulative_counts", "negative.offset", "negative.cumulative_counts",
)  # fmt: skip
TEXTS = ("name", "unit", "kind", "temporality", "value_text")
_NARROW = frozenset({"integer", "short", "byte", "unsigned_long"})
_LONG = frozenset({"long"}) | _NARROW
_FLOAT = {
    "float": "keeps 7 digits",
    "half_float": "keeps 3 digits",
    "scaled_float": "is rounded",
    "double": "keeps 15 digits",
}
_KEYWORD = frozenset({"keyword", "wildcard", "constant_keyword"})
_TEXT = frozenset({"text", "match_only_text"}) | _KEYWORD
_DATE = frozenset({"date", "date_nanos"})


class Effect(msgspec.Struct, frozen=True):
    """The effect of a field's type on the values written to it. `refuses`: no document with the field can be stored."""

    field: str
    type: str
    code: str
    sentence: str
    refuses: bool = False


class Mapped(msgspec.Struct, frozen=True):
    """The fields of an index, or of the one that a write would create, and where they were read from.

    `source` is `unreadable` if the index does not exist and the credentials may not read its templates.
    `bare`: a write would create it without a template, and decimals would be 32-bit floats for good.
    """

    fields: Fields
    exists: bool
    source: str
    bare: bool = False

    @property
    def prepared(self) -> bool:
        """True where attributes are flattened and numbers have the types that keep them."""
        fields = self.fields
        return (
            bool(fields.kinds("attributes") & FLAT_TYPES)
            and fields.kinds("value_double") == {"double"}
            and fields.kinds("value_long") == {"long"}
        )


def mapped(wire: Wire, index: str) -> Mapped | None:
    """Read the mapping in whichever way the credentials may; None: in none. Raises `WireError`.

    Of a data stream or alias only the index that is written to now counts: the newest.
    """
    fields = fields_of(wire, index)
    if isinstance(fields, Fields) and len(fields.indices) > 1:
        fields = fields_of(wire, max(fields.indices))
    if isinstance(fields, Fields):
        return Mapped(fields, True, "_field_caps")
    reply = wire.get(f"/{quote(index)}/_mapping")
    body = reply.json()
    if reply.status == 200 and isinstance(body, dict) and body:
        return Mapped(merged([body[max(body)].get("mappings", {})]), True, "_mapping")
    if fields.code != "es.read.no-index" and reply.status != 404:
        return None
    coming = unborn(wire, index)
    return Mapped(merged(list(coming.mappings)), False, coming.source, coming.bare)


def merged(mappings: list[Mapping[str, Any]]) -> Fields:
    """Return the fields of several mappings as `_field_caps` would show them."""
    types: dict[str, dict[str, bool]] = {}
    for mapping in mappings:
        for name, kind, shown in _walk("", mapping.get("properties", {})):
            known = types.setdefault(name, {})
            known[kind] = known.get(kind, True) and shown
    return Fields(types)


def effects(fields: Fields) -> list[Effect]:
    """Return the effects of the mapping on the values, the worst first."""
    effects = [
        *(_decimal(fields, name) for name in DECIMALS),
        *(_whole(fields, name) for name in WHOLE),
        *(_word(fields, name) for name in TEXTS),
        *(_moment(fields, name) for name in ("@timestamp", "start_timestamp")),
        _switch(fields, "monotonic"),
        *(_holder(fields, name) for name in ("attributes", "resource", "scope")),
    ]
    order = (
        "es.write.mapping-type",
        "es.mapping.long",
        "es.mapping.date",
        "es.mapping.text",
        "es.mapping.narrow",
        "es.mapping.float",
    )
    return sorted((effect for effect in effects if effect is not None), key=lambda effect: order.index(effect.code))


def _decimal(fields: Fields, name: str) -> Effect | None:
    for kind in sorted(fields.kinds(name) - {"double"}):
        if kind in _LONG:
            return Effect(name, kind, "es.mapping.long", "decimals are cut off: 0.5 is read back as 0")
        if kind in _FLOAT:
            return Effect(name, kind, "es.mapping.float", f"a decimal {_FLOAT[kind]}")
        return _number_as(name, kind)
    return None


def _whole(fields: Fields, name: str) -> Effect | None:
    for kind in sorted(fields.kinds(name) - {"long"}):
        if kind in _NARROW:
            return Effect(name, kind, "es.mapping.narrow", "numbers beyond its range are refused")
        if kind in _FLOAT:
            return Effect(name, kind, "es.mapping.float", f"a whole number {_FLOAT[kind]}")
        return _number_as(name, kind)
    return None


def _number_as(name: str, kind: str) -> Effect:
    if kind in _TEXT:
        return Effect(name, kind, "es.mapping.text", "numbers are stored as text: nothing can be computed from them")
    if kind in _DATE:
        return Effect(
            name, kind, "es.mapping.date", "numbers are read as times in whole milliseconds: 0.5 is read back as 0"
        )
    return Effect(name, kind, "es.write.mapping-type", "it accepts no numbers", True)


def _word(fields: Fields, name: str) -> Effect | None:
    kinds = fields.kinds(name)
    if not kinds or kinds <= _KEYWORD:
        return None
    if kinds <= _TEXT:
        if fields.shown_by(name):
            return None
        return Effect(name, _listed(kinds), "es.mapping.text", "it can be searched, but neither shown nor grouped by")
    return Effect(name, _listed(kinds), "es.write.mapping-type", "it accepts no text", True)


def _moment(fields: Fields, name: str) -> Effect | None:
    kinds = fields.kinds(name)
    if kinds <= _DATE:
        return None
    if kinds <= _TEXT:
        return Effect(name, _listed(kinds), "es.mapping.text", "times are stored as text: no query by time finds them")
    return Effect(name, _listed(kinds), "es.write.mapping-type", "it accepts no times", True)


def _switch(fields: Fields, name: str) -> Effect | None:
    kinds = fields.kinds(name)
    if kinds <= ({"boolean"} | _TEXT):
        return None
    return Effect(name, _listed(kinds), "es.write.mapping-type", "it accepts neither true nor false", True)


def _holder(fields: Fields, name: str) -> Effect | None:
    kinds = fields.kinds(name)
    if kinds <= ({"object", "nested", "passthrough"} | FLAT_TYPES):
        return None
    return Effect(name, _listed(kinds), "es.write.mapping-type", "it accepts no objects", True)


def _listed(kinds: frozenset[str]) -> str:
    return " and ".join(sorted(kinds))


def _walk(prefix: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    for name, definition in properties.items():
        kind = definition.get("type", "object")
        yield (
            prefix + name,
            kind,
            kind not in ("text", "match_only_text", "object", "nested") and definition.get("doc_values", True),
        )
        yield from _walk(f"{prefix}{name}.", definition.get("properties", {}))
        yield from _walk(f"{prefix}{name}.", definition.get("fields", {}))
