"""Bounded caches by the identity of objects that a source passes repeatedly. Equality is not enough: 1 == True == 1.0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from magictel.model.metrics import Attributes, Stream

K = TypeVar("K")
V = TypeVar("V")


class IdentityCache(Generic[K, V]):
    """Values computed from objects, once for each object, which is kept because ids are reused.

    All are removed when there are `most`: a source that always passes new objects gains nothing from any of them.
    """

    __slots__ = ("_known", "_make", "_most")

    def __init__(self, make: Callable[[K], V], most: int) -> None:
        self._make = make
        self._most = most
        self._known: dict[int, tuple[K, V]] = {}

    def __call__(self, key: K) -> V:
        """Return the object's value."""
        known = self._known.get(id(key))
        if known is None:
            if len(self._known) >= self._most:
                self._known.clear()
            known = self._known[id(key)] = key, self._make(key)
        return known[1]


class StreamCache(Generic[V]):
    """Values computed from streams, once while equal streams have the same resource and scope attributes.

    Bounded like `IdentityCache`.
    """

    __slots__ = ("_known", "_latest", "_make", "_most")

    def __init__(self, make: Callable[[Stream], V], most: int) -> None:
        self._make = make
        self._most = most
        self._known: dict[Stream, tuple[Stream, V]] = {}
        self._latest: tuple[Stream, V] | None = None

    def __call__(self, stream: Stream) -> V:
        """Return the stream's value."""
        latest = self._latest
        if latest is not None and latest[0] is stream:
            return latest[1]
        known = self._known.get(stream)
        if known is None or not (
            _same(known[0].resource, stream.resource) and _same(known[0].scope_attributes, stream.scope_attributes)
        ):
            if len(self._known) >= self._most:
                self._known.clear()
            known = self._known[stream] = stream, self._make(stream)
        self._latest = stream, known[1]
        return known[1]

    def clear(self) -> None:
        """Remove all values."""
        self._known.clear()
        self._latest = None


def _same(first: Attributes, second: Attributes) -> bool:
    return first is second or not (first or second)
