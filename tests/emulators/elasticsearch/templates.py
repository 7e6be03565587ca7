"""Index, component and legacy templates: what a new index starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.elasticsearch.answers import Refused, illegal


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested or dotted settings as `index.…` names and text values; None stays None."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            flat.update(flat_settings(value, path))
        else:
            full = path if path.startswith("index.") else f"index.{path}"
            flat[full] = value if value is None or isinstance(value, list) else _text(value)
    return flat


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
        missing = [component for component in body.get("composed_of", []) if component not in self.component]
        missing = [
            component for component in missing if component not in body.get("ignore_missing_component_templates", [])
        ]
        if missing:
            cause = f"index template [{name}] specifies component templates [{', '.join(missing)}] that do not exist"
            reason = f"index_template [{name}] invalid, cause [{cause}]"
            raise Refused(400, "invalid_index_template_exception", reason)
        patterns = patterns if isinstance(patterns, list) else [patterns]
        for key in body:
            if key not in _TEMPLATE_KEYS:
                raise Refused(400, "x_content_parse_exception", f"[1:2] [index_template] unknown field [{key}]")
        priority = int(body.get("priority", 0))
        for other, standing in self.index.items():
            if other == name or int(standing.get("priority", 0)) != priority:
                continue
            if any(_overlap(pattern, two) for pattern in patterns for two in standing["index_patterns"]):
                theirs = ", ".join(standing["index_patterns"])
                raise illegal(
                    f"index template [{name}] has index patterns [{', '.join(patterns)}] matching patterns from existing templates "
                    f"[{other}] with patterns ({other} => [{theirs}]) that have the same priority [{priority}], "
                    "multiple index templates may not match during index creation, please use a different priority"
                )
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
        matched = self.matching(index)
        if matched is not None:
            return self.composed(matched[1])
        fitting = [
            template
            for template in self.legacy.values()
            if any(fnmatchcase(index, pattern) for pattern in template["index_patterns"])
        ]
        return _layered(sorted(fitting, key=lambda template: int(template["order"])))

    def composed(self, template: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
        """The settings and mappings of an index template with its components."""
        layers = [
            self.component[component].get("template", {})
            for component in template.get("composed_of", [])
            if component in self.component
        ]
        return _layered([*layers, template.get("template", {})])


def _layered(layers: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
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


_TEMPLATE_KEYS = {
    "index_patterns", "template", "composed_of", "priority", "version", "_meta", "data_stream", "allow_auto_create",
    "ignore_missing_component_templates", "deprecated",
}  # fmt: skip


def _overlap(pattern: str, two: str) -> bool:
    """True when some name could match both patterns: told from what stands before the first star."""
    a, b = pattern.split("*")[0], two.split("*")[0]
    if "*" not in pattern:
        return fnmatchcase(pattern, two)
    if "*" not in two:
        return fnmatchcase(two, pattern)
    return a.startswith(b) or b.startswith(a)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
