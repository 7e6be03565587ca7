"""Attributes by column: points whose attributes have the same keys are worked on key by key, in bulk, not point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from magictel.model.metrics import Attributes


@dataclass(frozen=True, slots=True)
class Rows:
    """Attributes with the same keys. `positions` are their places among all of the points; None: they are all."""

    keys: tuple[str, ...]
    attributes: Sequence[Attributes]
    positions: Sequence[int] | None = None

    def columns(self) -> list[list[Any]]:
        """Return the values of each key."""
        # No objects for each point (as `zip` makes): enough of them let the garbage collector walk over the whole application.
        return [list(map(itemgetter(key), self.attributes)) for key in self.keys]


def rows_by_keys(attributes: Sequence[Attributes]) -> list[Rows]:
    """Return the attributes of points, at least one, parted by their keys. None counts as no attributes."""
    try:
        keys = tuple(attributes[0])
        if all(map(keys.__eq__, map(tuple, attributes))):
            return [Rows(keys, attributes)]
    except TypeError:
        return rows_by_keys([given or {} for given in attributes])
    positions: dict[tuple[str, ...], list[int]] = {}
    for position, given in enumerate(attributes):
        positions.setdefault(tuple(given), []).append(position)
    return [Rows(keys, [attributes[at] for at in places], places) for keys, places in positions.items()]
