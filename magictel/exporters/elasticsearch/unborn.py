"""The origin of an index that does not exist yet: an index template, legacy templates, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

import msgspec

from magictel.http.wire import Wire

_NO_API = frozenset({400, 404, 405, 410})
"""Statuses of a version or a serverless project without the endpoint."""
SIMULATED, LEGACY, NONE, UNREADABLE = "_simulate_index", "_template", "none", "unreadable"


class Unborn(msgspec.Struct, frozen=True):
    """The mappings, in the order they merge, and where they were read; `unreadable` if the credentials may not read them.

    `bare`: no template has its fields, and it would not be a data stream, which could continue in a new backing index.
    """

    mappings: tuple[Mapping[str, Any], ...]
    source: str
    bare: bool = False


def unborn(wire: Wire, index: str) -> Unborn:
    """Return the origin of the index that a write would create. Raises `WireError`."""
    simulated = wire.request("POST", f"/_index_template/_simulate_index/{quote(index)}")
    body = simulated.json()
    template = body.get("template") if simulated.status == 200 and isinstance(body, dict) else None
    if isinstance(template, dict):
        mapping = _mapping(template)
        return Unborn((mapping,), SIMULATED, not mapping and _is_no_stream(wire, index))
    if simulated.status not in (200, *_NO_API):
        return Unborn((), UNREADABLE)
    # No index template fits, or the version has none: then legacy templates count, which the simulation leaves out.
    source = SIMULATED if simulated.status == 200 else NONE
    legacy = wire.get("/_template")
    if legacy.status in _NO_API:
        return Unborn((), source, source == SIMULATED)
    if legacy.status != 200:
        return Unborn((), UNREADABLE)
    mappings = tuple(_mapping(template) for template in sorted(_fitting(legacy.json(), index), key=_rank))
    return Unborn(mappings, LEGACY if any(mappings) else source, not any(mappings))


def _is_no_stream(wire: Wire, index: str) -> bool:
    """True where it is known that the index template for this name makes no data stream: the simulation does not say it everywhere."""
    reply = wire.get("/_index_template")
    body = reply.json()
    listed = body.get("index_templates") if reply.status == 200 and isinstance(body, dict) else None
    if not isinstance(listed, list):
        return False
    named = {
        str(number): simulated.get("index_template")
        for number, simulated in enumerate(listed)
        if isinstance(simulated, dict)
    }
    fitting = sorted(_fitting(named, index), key=_rank)
    return bool(fitting) and "data_stream" not in fitting[-1]


def _fitting(templates: Any, index: str) -> Iterator[Mapping[str, Any]]:
    for template in templates.values() if isinstance(templates, dict) else ():
        patterns = template.get("index_patterns") if isinstance(template, dict) else None
        if isinstance(patterns, list) and any(fnmatchcase(index, str(pattern)) for pattern in patterns):
            yield template


def _rank(template: Mapping[str, Any]) -> int:
    rank = template.get("priority", template.get("order"))
    return rank if isinstance(rank, int) else 0


def _mapping(template: Mapping[str, Any]) -> Mapping[str, Any]:
    mappings = template.get("mappings")
    return mappings if isinstance(mappings, dict) else {}
