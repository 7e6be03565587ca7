"""Redaction of attributes before a collection is encoded: patterns mask values or drop keys.

Dry runs, logs and every exporter use it. Without patterns the same objects are passed on, so that layouts can be used again. Dropping a
key that distinguishes two series makes them one series for the backend: that is the choice of the user who drops it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from magictel.model.identity_cache import IdentityCache
from magictel.model.metrics import Attributes, Group, Point
from magictel.secrets.secret import MASK

_HOLDING = (Mapping, list, tuple)


class Redaction:
    """`redact` and `drop` are shell patterns over attribute keys (`http.request.header.*`), of points, scopes and resources alike."""

    def __init__(self, redact: Sequence[str] = (), drop: Sequence[str] = ()) -> None:
        self._redact = tuple(redact)
        self._drop = tuple(drop)
        self._cached = IdentityCache[Any, Attributes](lambda given: self.attributes(given or {}), 200_000)
        """Returns the same object for the same object, so that layouts can be used again."""

    def __call__(self, groups: Iterable[Group]) -> Iterator[Group]:
        """Yield the groups with masked and dropped attributes."""
        if not self._redact and not self._drop:
            yield from groups
            return
        for group in groups:
            stream = replace(
                group.stream,
                resource=self.attributes(group.stream.resource),
                scope_attributes=self.attributes(group.stream.scope_attributes),
            )
            yield Group(stream, [self._point(point) for point in group.points], group.source)

    def attributes(self, attributes: Attributes) -> Attributes:
        """Return the attributes without dropped keys, and with redacted values masked."""
        return {
            key: MASK if _matches(key, self._redact) else self._value(value)
            for key, value in attributes.items()
            if not _matches(key, self._drop)
        }

    def _value(self, value: Any) -> Any:
        """Return a value; if it contains attributes itself, they are redacted as well."""
        if isinstance(value, Mapping):
            return self.attributes(value)
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value] if any(isinstance(item, _HOLDING) for item in value) else value
        return value

    def _point(self, point: Point) -> Point:
        redacted = replace(point, attributes=self._cached(point.attributes))
        if not redacted.exemplars:
            return redacted
        exemplars = [
            replace(exemplar, filtered_attributes=self.attributes(exemplar.filtered_attributes or {}))
            for exemplar in redacted.exemplars
        ]
        return replace(redacted, exemplars=exemplars)


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)
