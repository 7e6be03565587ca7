"""OTLP in protobuf: a single request, or many, each after its length (four bytes, big-endian, like the Collector's file exporter)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from opentelemetry.sdk.metrics import Exemplar

from magictel.encoding.protobuf import MALFORMED, BadWireError, read_varint
from magictel.formats.otlp import protobuf
from magictel.formats.otlp.members import MemberError
from magictel.model.validity import Problem
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError, broken, impossible
from magictel.sources.lines import LONGEST, document
from magictel.sources.otlp_points import OtlpPoints
from magictel.sources.skips import LineNotes

_RESOURCE_METRICS = b"\x0a"
_IN_RESOURCE_METRICS = (0x0A, 0x12, 0x1A)
"""The tags of resource, scope metrics and schema URL."""


class OtlpProtobuf(OtlpPoints):
    """A decoder of the requests of a recording."""

    attributes = staticmethod(protobuf.attributes)
    resource = staticmethod(protobuf.resource)
    scope = staticmethod(protobuf.scope)

    def message(self, raw: bytes, number: int) -> list[Part]:
        """Return the parts of a request. Raise `SourceError`."""
        self._notes = LineNotes()
        self._metric_path = ""
        try:
            parts = list(self._parts(protobuf.request(raw)))
        except MALFORMED as failure:
            error = failure if isinstance(failure, MemberError) else protobuf.malformed(failure, self._metric_path)
            where = f", in {error.path}" if error.path else ""
            raise broken(self.name, number, None, f"{error}{where}", unit="message") from None

        def error_of(path: str, name: str, problem: Problem) -> SourceError:
            return impossible(self.name, number, None, f"{name}: {problem}, in {path}", unit="message")

        self._notes.settle(self.skips, error_of)
        return parts

    def exemplars(self, given: list[bytes]) -> list[Exemplar]:
        """Return the exemplars of a point as the SDK's."""
        return [protobuf.exemplar(raw, self.shift) for raw in given]


def is_request(begin: bytes, *, more: bool) -> bool:
    """Return whether a file begins with a request; its first bytes may look like text: a line feed and a length such as `#`.

    `more`: there are more bytes.
    """
    if not begin.startswith(_RESOURCE_METRICS):
        return False
    try:
        size, at = read_varint(begin, 1)
        end = at + size
        while at < min(end, len(begin)):
            tag, at = read_varint(begin, at)
            size, at = read_varint(begin, at)
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
        yield document(name, chain((buffered,), blocks))
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


def _cut(name: str, number: int) -> SourceError:
    message = f"{name}, message {number}: expected the rest of it, got the file's end"
    return SourceError("source.truncated", message, "copy the file again", whole=True)
