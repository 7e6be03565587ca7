"""The fields of an index (`_field_caps`, which needs the read privilege only), and the name that shows a field's values, if any."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

FLAT_TYPES = frozenset({"flattened", "flat_object"})


class Fields(msgspec.Struct, frozen=True):
    """The types of each field over all backing indices, and whether each has doc values."""

    types: Mapping[str, Mapping[str, bool]] = msgspec.field(default_factory=dict)
    indices: tuple[str, ...] = ()
    """The concrete indices that were asked: several behind a data stream or an alias."""

    @staticmethod
    def of(body: Any) -> Fields:
        """Read a `_field_caps` answer."""
        types: dict[str, dict[str, bool]] = {}
        listed = body.get("fields", {}) if isinstance(body, Mapping) else {}
        for name, kinds in listed.items():
            if isinstance(kinds, Mapping):
                types[name] = {
                    kind: bool(caps.get("aggregatable")) for kind, caps in kinds.items() if isinstance(caps, Mapping)
                }
        indices = body.get("indices") if isinstance(body, Mapping) else None
        return Fields(types, tuple(indices) if isinstance(indices, list) else ())

    def kinds(self, name: str) -> frozenset[str]:
        """The types of a field, without `unmapped`."""
        return frozenset(self.types.get(name, {})) - {"unmapped"}

    def flat_parent(self, name: str) -> str | None:
        """The flattened field that holds `name` as a key, if there is one."""
        parts = name.split(".")
        for end in range(1, len(parts)):
            parent = ".".join(parts[:end])
            if self.kinds(parent) & FLAT_TYPES:
                return parent
        return None

    def holding(self, name: str, value: str) -> dict[str, Any] | None:
        """The query for documents whose field is a text: by every field that holds it as a whole, in any index behind the name."""
        names = [
            candidate
            for candidate in (name, f"{name}.keyword")
            if self.kinds(candidate) - {"text"} or self.flat_parent(candidate)
        ]
        if not names:
            return None
        return {"bool": {"should": [{"term": {field_name: value}} for field_name in names], "minimum_should_match": 1}}

    def shown_by(self, name: str) -> str | None:
        """The name under which doc values show a field; None where no doc values hold it."""
        if self.flat_parent(name):
            return name
        kinds = self.kinds(name)
        if kinds and "text" not in kinds and all(self.types[name][kind] for kind in kinds):
            return name
        for inner in (f"{name}.keyword", f"{name}.raw"):
            if self.kinds(inner) == {"keyword"} and self.types[inner]["keyword"]:
                return inner
        return None

    def complete(self, names: Iterable[str]) -> bool:
        """Return whether the index has every one of these fields, so that later documents add none of them."""
        return all(self.kinds(name) or self.flat_parent(name) for name in names)

    def hidden(self, names: Collection[str]) -> dict[str, str]:
        """The fields among `names` that the index holds and no doc values show, each with why."""
        types = {}
        for name in names:
            kinds = self.kinds(name) - {"object", "nested"}
            if kinds and self.shown_by(name) is None:
                types[name] = f"mapped as {' and '.join(sorted(kinds))}, which has no doc values"
        return types
