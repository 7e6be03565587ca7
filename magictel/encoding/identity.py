"""What streams and attributes with the same content have in common, whatever objects they are."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from magictel.model.metrics import Attributes, Stream

_encode = msgspec.json.Encoder(order="sorted").encode


def identity(attributes: Attributes | None) -> bytes:
    """Return the same for attributes with the same content; 1, 1.0 and True differ, a list and a tuple do not."""
    content = attributes if isinstance(attributes, dict) else dict(attributes or {})
    try:
        return _encode(content)
    except (TypeError, ValueError):  # a lone surrogate, or a value that is no attribute
        return repr(sorted(content.items(), key=repr)).encode(errors="backslashreplace")


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
