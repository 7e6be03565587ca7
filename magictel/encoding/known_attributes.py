"""Attributes of metrics that were found to be different series, remembered from one collection to the next."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from operator import is_
from typing import Any

from magictel.model.metrics import Attributes, Group

_Known = dict[tuple[Hashable, ...], tuple[list[Attributes], tuple[Any, ...]]]
"""By metric, resource and scope: the attributes, and what its key names by id, as ids are reused."""


class KnownAttributes:
    """The attributes of each metric in the latest collection, recognised if they are the same objects in the same order."""

    def __init__(self) -> None:
        self._known: _Known = {}
        self._before: _Known = {}

    def begin(self) -> None:
        """Begin a collection: what the latest one had is remembered, and nothing older."""
        self._before, self._known = self._known, {}

    def recognise(self, group: Group, attributes: list[Attributes]) -> Group | None:
        """Return the group with the list of attributes that was remembered for it, or None if these are others."""
        key = _key(group)
        known = self._before.get(key)
        if known is None:
            return None
        same = known[0] is attributes or (len(known[0]) == len(attributes) and all(map(is_, known[0], attributes)))
        if not same:
            return None
        self._known[key] = known
        return replace(group, attributes=known[0])

    def remember(self, group: Group, attributes: list[Attributes]) -> Group:
        """Return the group with this list of attributes, which the next collection is compared with."""
        if not group.source:
            return group
        self._known[_key(group)] = attributes, group.source
        return replace(group, attributes=attributes)


def _key(group: Group) -> tuple[Hashable, ...]:
    stream = group.stream
    return (stream.name, stream.kind, stream.unit, stream.monotonic, stream.metadata, *map(id, group.source))
