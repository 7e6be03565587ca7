"""The one place where attributes pass before anything is encoded: patterns redact a value or drop a key.

Dry runs, logs and every exporter go through it. With no pattern the same objects pass, so that layouts hold. Dropping a key
that tells two series apart makes them one series for the backend: that is the choice of the user who drops it.
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


class Scrub:
    """`redact` and `drop` are shell patterns over attribute keys (`http.request.header.*`), of points, scopes and resources alike."""

    def __init__(self, redact: Sequence[str] = (), drop: Sequence[str] = ()) -> None:
        self._redact = tuple(redact)
        self._drop = tuple(drop)
        self._cached = IdentityCache[Any, Attributes](lambda given: self.attributes(given or {}), 200_000)
        """The same object for the same object, so that layouts hold."""

    def __call__(self, groups: Iterable[Group]) -> Iterator[Group]:
        """Pass groups through, scrubbed."""
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
        """The attributes with dropped keys gone and redacted values masked."""
        return {
            key: MASK if _matches(key, self._redact) else self._value(value)
            for key, value in attributes.items()
            if not _matches(key, self._drop)
        }

    def _value(self, value: Any) -> Any:
        """A value that holds attributes itself, scrubbed like them."""
        if isinstance(value, Mapping):
            return self.attributes(value)
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value] if any(isinstance(item, _HOLDING) for item in value) else value
        return value

    def _point(self, point: Point) -> Point:
        scrubbed = replace(point, attributes=self._cached(point.attributes))
        if not scrubbed.exemplars:
            return scrubbed
        exemplars = [
            replace(exemplar, filtered_attributes=self.attributes(exemplar.filtered_attributes or {}))
            for exemplar in scrubbed.exemplars
        ]
        return replace(scrubbed, exemplars=exemplars)


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)
