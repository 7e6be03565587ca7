"""Index, component and legacy templates: what a new index starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from magictel.sandbox.elasticsearch.answers import Refused, illegal


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested or dotted settings as `index.…` names and text values; None stays None."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            found.update(flat_settings(value, path))
        else:
            full = path if path.startswith("index.") else f"index.{path}"
            found[full] = value if value is None or isinstance(value, list) else _text(value)
    return found


def nested_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted settings as the API nests them."""
    root: dict[str, Any] = {}
    for name, value in sorted(settings.items()):
        node = root
        *parents, last = name.split(".")
        for parent in parents:
            step = node.setdefault(parent, {})
            node = step if isinstance(step, dict) else node
        node[last] = value
    return root


class Templates:
    """The templates of a cluster and what a name gets from them."""

    def __init__(self) -> None:
        self.index: dict[str, dict[str, Any]] = {}
        self.component: dict[str, dict[str, Any]] = {}
        self.legacy: dict[str, dict[str, Any]] = {}

    def put_index(self, name: str, body: Mapping[str, Any]) -> None:
        """Store an index template; refuses missing components and equal priorities on overlapping patterns."""
        patterns = body.get("index_patterns")
        if not patterns:
            raise illegal("Required [index_patterns]")
        missing = [one for one in body.get("composed_of", []) if one not in self.component]
        missing = [one for one in missing if one not in body.get("ignore_missing_component_templates", [])]
        if missing:
            cause = f"index template [{name}] specifies component templates [{', '.join(missing)}] that do not exist"
            reason = f"index_template [{name}] invalid, cause [{cause}]"
            raise Refused(400, "invalid_index_template_exception", reason)
        self.index[name] = {**body, "index_patterns": patterns if isinstance(patterns, list) else [patterns]}

    def matching(self, index: str) -> tuple[str, dict[str, Any]] | None:
        """The index template of the highest priority that matches a name."""
        fitting = [
            (int(template.get("priority", 0)), name)
            for name, template in self.index.items()
            if any(fnmatchcase(index, pattern) for pattern in template["index_patterns"])
        ]
        if not fitting:
            return None
        name = max(fitting)[1]
        return name, self.index[name]

    def compose(self, index: str) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
        """The settings and the mappings, in the order they merge, that a new index of this name starts from."""
        found = self.matching(index)
        layers: Iterable[Mapping[str, Any]]
        if found is None:
            layers = sorted(
                (
                    t
                    for t in self.legacy.values()
                    if any(fnmatchcase(index, pattern) for pattern in t.get("index_patterns", []))
                ),
                key=lambda template: int(template.get("order", 0)),
            )
        else:
            template = found[1]
            layers = [
                self.component[one].get("template", {})
                for one in template.get("composed_of", [])
                if one in self.component
            ]
            layers = [*layers, template.get("template", {})]
        settings: dict[str, Any] = {}
        mappings: list[Mapping[str, Any]] = []
        for layer in layers:
            settings.update(flat_settings(layer.get("settings", {})))
            if layer.get("mappings"):
                mappings.append(layer["mappings"])
        return settings, mappings


def merged_mappings(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Mappings merged as templates merge them: fields of later layers replace, dynamic templates are appended by name."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if key == "dynamic_templates":
                named = {next(iter(entry)): entry for entry in [*merged.get(key, []), *value]}
                merged[key] = list(named.values())
            elif key == "properties":
                merged[key] = _merged_properties(merged.get(key, {}), value)
            else:
                merged[key] = value
    return merged


def _merged_properties(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, definition in new.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and "properties" in before and "properties" in definition:
            merged[name] = {
                **before,
                **definition,
                "properties": _merged_properties(before["properties"], definition["properties"]),
            }
        else:
            merged[name] = definition
    return merged


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
