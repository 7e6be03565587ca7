"""What streams and attributes with the same content have in common, whatever objects they are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from magictel.model.metrics import Attributes, Stream

_PLAIN = frozenset((str, bool, int, float))


def identity(attributes: Attributes | None) -> Hashable:
    """Return the same for attributes with the same content; 1, 1.0 and True differ."""
    attributes = attributes or {}
    values = attributes.values()
    types = tuple(map(type, values))
    if _PLAIN.issuperset(types):
        return frozenset(zip(attributes, types, values, strict=True))
    return frozenset((key, _hashable(value)) for key, value in attributes.items())


def stream_identity(stream: Stream) -> Hashable:
    """Return the same for streams with the same series, whatever their temporality, description and metadata."""
    return (
        stream.name,
        stream.unit,
        stream.kind,
        stream.scope_name,
        stream.scope_version,
        identity(stream.resource),
        identity(stream.scope_attributes),
    )


def _hashable(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return identity(value)
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return type(value), value
