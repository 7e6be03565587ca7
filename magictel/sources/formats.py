"""Detection of a recording's format by its content."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain

from magictel.formats.otlp.members import OTHER_SIGNALS, OTLP_KEY
from magictel.sources.bytestream import Bytes
from magictel.sources.errors import SourceError
from magictel.sources.otlp_protobuf import is_request
from magictel.sources.prometheus_line import is_sample

FORMATS = "OTLP JSON lines, OTLP protobuf, Prometheus or OpenMetrics text, gateway request logs"
_LOOK = 64 * 1024
_EXPOSITION = re.compile(rb"\s*(#[ \t]*(HELP|TYPE|UNIT|EOF)\b|#|[A-Za-z_:][\w:.]*\s*[{ \t])")
_BRACED_SAMPLE = re.compile(rb'\{[ \t]*(?:"(?:[^"\\]++|\\.)*+"[ \t]*[^: \t\r\n]|[A-Za-z_]\w*[ \t]*=)')
"""A quoted name between the braces; in JSON a colon would follow a quoted text."""
_BOM = codecs.BOM_UTF8
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks that Windows editors and shells write."""


def recognised(opened: Bytes) -> tuple[str, Iterator[bytes]]:
    """Return the format, detected by the first bytes, and all blocks. Raise `SourceError`."""
    blocks = opened.blocks()
    head: list[bytes] = []
    size = 0
    for block in blocks:
        head.append(block)
        size += len(block)
        if size >= _LOOK:
            break
    first = b"".join(head).removeprefix(_BOM)
    return _kind(opened.name, first), chain((first,), blocks)


def _kind(name: str, first: bytes) -> str:
    if is_request(first, more=len(first) >= _LOOK):
        return "otlp-protobuf"
    text = first.lstrip(b" \t\r\n")
    if not text:
        raise SourceError("source.empty", f"{name} is empty: there is nothing to send", whole=True)
    if first.startswith(_UTF_16):
        raise SourceError("source.format", f"{name} is UTF-16: expected UTF-8", "iconv -f UTF-16 -t UTF-8", whole=True)
    if _BRACED_SAMPLE.match(text):
        return "prometheus"
    if text[:1] in (b"{", b"["):
        line, feed, rest = text.partition(b"\n")
        several = bool(feed) and _goes_on(line.rstrip(), rest.lstrip())
        if OTLP_KEY in text:
            return "otlp-json-document" if several else "otlp-json"
        if b'"attributes"' in text and b'"timestamp"' in text:
            return "gateway-document" if several or text[:1] == b"[" else "gateway"
        if text[:1] == b"[" and not any(f'"{signal}"'.encode() in text for signal in OTHER_SIGNALS):
            raise _unknown(name)
        return "otlp-json-document" if several else "otlp-json"
    if _EXPOSITION.match(text) and (
        b"\0" not in first[:1000] or text[:1] == b"#" or is_sample(text.partition(b"\n")[0])
    ):
        return "prometheus"
    if _looks_like_protobuf(first):
        return "otlp-protobuf"
    raise _unknown(name)


def _goes_on(line: bytes, rest: bytes) -> bool:
    """Return whether a JSON value of the first line continues on the next one, as in indented JSON."""
    if not rest or (line.endswith((b"}", b"]")) and len(line) > 1):
        return False
    return line.endswith((b"{", b"[", b",")) or rest[:1] not in b"{["


def _looks_like_protobuf(first: bytes) -> bool:
    if first[:1] == b"\x0a":
        return True
    return len(first) > 4 and first[4] == 0x0A and 0 < int.from_bytes(first[:4], "big") < 1 << 28


def _unknown(name: str) -> SourceError:
    return SourceError(
        "source.format",
        f"{name} is in none of the supported formats: {FORMATS}",
        "magictel explain source.format",
        whole=True,
    )
