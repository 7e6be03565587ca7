"""Boundaries of OTLP requests in protobuf: a single one per file, or each after its length (four bytes, big-endian)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from magictel.sources.errors import SourceError
from magictel.sources.lines import LONGEST, document
from magictel.sources.protobuf_wire import BadWireError, varint

_RESOURCE_METRICS = b"\x0a"
_IN_RESOURCE_METRICS = (0x0A, 0x12, 0x1A)
"""The tags of resource, scope metrics and schema URL."""


def is_request(begin: bytes, *, more: bool) -> bool:
    """Return whether a file begins with a request; its first bytes may look like text: a line feed and a length such as `#`.

    `more`: there are more bytes.
    """
    if not begin.startswith(_RESOURCE_METRICS):
        return False
    try:
        size, at = varint(begin, 1)
        end = at + size
        while at < min(end, len(begin)):
            tag, at = varint(begin, at)
            size, at = varint(begin, at)
            at += size
            if tag not in _IN_RESOURCE_METRICS or at > end:
                return False
    except (BadWireError, IndexError):
        return False
    return begin.startswith(_RESOURCE_METRICS, end) or end == len(begin) or (more and end > len(begin))


def messages(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the requests of a recording. Raise `SourceError` if it ends within one."""
    blocks = iter(blocks)
    buffered = next(blocks, b"")
    if buffered[:1] == b"\x0a":
        yield document(name, _and_then(buffered, blocks))
        return
    number = 1
    while buffered:
        while len(buffered) < 4:
            more = next(blocks, b"")
            if not more:
                raise _cut(name, number)
            buffered += more
        size = int.from_bytes(buffered[:4], "big")
        if size > LONGEST:
            message = f"{name}, message {number}: expected a length of at most {LONGEST // 1_048_576} MiB"
            raise SourceError("source.line-too-long", message, "check that the file is a recording", whole=True)
        parts, have = [buffered[4:]], len(buffered) - 4
        while have < size:
            more = next(blocks, b"")
            if not more:
                raise _cut(name, number)
            parts.append(more)
            have += len(more)
        joined = b"".join(parts)
        yield joined[:size]
        buffered = joined[size:] or next(blocks, b"")
        number += 1


def _and_then(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _cut(name: str, number: int) -> SourceError:
    message = f"{name}, message {number}: expected the rest of it, got the file's end"
    return SourceError("source.truncated", message, "copy the file again", whole=True)
