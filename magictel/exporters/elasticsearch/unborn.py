"""What an index that does not exist yet would be made from: an index template, legacy templates, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from magictel.wire import Reply, Wire

_NO_API = frozenset({400, 404, 405, 410})
"""How a version or a serverless project says that it has no such end point."""
SIMULATED, LEGACY, NONE, UNREADABLE = "_simulate_index", "_template", "none", "unreadable"


@dataclass(frozen=True, slots=True)
class Unborn:
    """The mappings, in the order they merge, and where they were read; `unreadable` where the credentials may not ask."""

    mappings: tuple[Mapping[str, Any], ...]
    source: str


def unborn(wire: Wire, index: str) -> Unborn:
    """Ask what a write would make. Raises `WireError`."""
    simulated = wire.request("POST", f"/_index_template/_simulate_index/{quote(index)}")
    body = simulated.json()
    template = body.get("template") if simulated.status == 200 and isinstance(body, dict) else None
    if isinstance(template, dict):
        return Unborn((_mapping(template),), SIMULATED)
    if simulated.status not in (200, *_NO_API):
        return Unborn((), UNREADABLE)
    # No index template fits, or the version has none: then legacy templates count, which the simulation leaves out.
    legacy = wire.get("/_template")
    if legacy.status != 200:
        return Unborn((), SIMULATED if simulated.status == 200 and legacy.status in _NO_API else UNREADABLE)
    fitting = sorted(_fitting(legacy, index), key=lambda one: one[0])
    if fitting:
        return Unborn(tuple(mapping for _, mapping in fitting), LEGACY)
    return Unborn((), SIMULATED if simulated.status == 200 else NONE)


def keeps_decimals(mappings: tuple[Mapping[str, Any], ...]) -> bool:
    """True where new decimals become doubles, or somebody decided that they are not mapped: by a field, a rule or `dynamic`."""
    for mapping in mappings:
        if "value_double" in mapping.get("properties", {}) or str(mapping.get("dynamic", True)).lower() != "true":
            return True
        for named in mapping.get("dynamic_templates", ()):
            for rule in named.values() if isinstance(named, dict) else ():
                wanted = rule.get("mapping", {}).get("type") if isinstance(rule, dict) else None
                if wanted == "double" and rule.get("match_mapping_type", "*") in ("double", "*"):
                    return True
    return False


def _fitting(reply: Reply, index: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    body = reply.json()
    for template in body.values() if isinstance(body, dict) else ():
        patterns = template.get("index_patterns") if isinstance(template, dict) else None
        if isinstance(patterns, list) and any(fnmatchcase(index, str(pattern)) for pattern in patterns):
            order = template.get("order")
            yield order if isinstance(order, int) else 0, _mapping(template)


def _mapping(template: Mapping[str, Any]) -> Mapping[str, Any]:
    mappings = template.get("mappings")
    return mappings if isinstance(mappings, dict) else {}
