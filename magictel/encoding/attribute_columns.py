"""Attributes by column: points whose attributes have the same keys are worked on key by key, in bulk, not point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

from magictel.model.metrics import Attributes

_values = methodcaller("values")


@dataclass(frozen=True, slots=True)
class Rows:
    """Attributes with the same keys in the same order. `positions` are their places among all of the points; None: they are all."""

    keys: tuple[str, ...]
    attributes: Sequence[Attributes]
    positions: Sequence[int] | None = None

    def columns(self) -> list[tuple[Any, ...]]:
        """Return the values of each key."""
        return list(zip(*map(_values, self.attributes), strict=True))


def rows_by_keys(attributes: Sequence[Attributes]) -> list[Rows]:
    """Return the attributes of points, at least one, parted by their keys. None counts as no attributes."""
    try:
        keys = list(map(tuple, attributes))
    except TypeError:
        attributes = [given or {} for given in attributes]
        keys = list(map(tuple, attributes))
    if keys.count(keys[0]) == len(keys):
        return [Rows(keys[0], attributes)]
    positions: dict[tuple[str, ...], list[int]] = {}
    for position, names in enumerate(keys):
        positions.setdefault(names, []).append(position)
    return [Rows(names, [attributes[at] for at in places], places) for names, places in positions.items()]
