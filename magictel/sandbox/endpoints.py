"""Parts of emulators: a table of endpoints, decompression by libraries that no exporter encodes with, replies."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any, Generic, TypeVar

import cramjam

from magictel.clock import Clock
from magictel.http.wire import Reply, Request

H = TypeVar("H")


class Routes(Generic[H]):
    """Methods, paths and handlers, in the order of their registration. `{name}` in a path is a segment that does not begin with _."""

    def __init__(self, **segments: str) -> None:
        """`segments`: regular expressions of names that are not a plain segment."""
        self._segments = segments
        self._rows: list[tuple[re.Pattern[str], str, H]] = []

    def on(self, methods: str, *paths: str) -> Callable[[H], H]:
        """Register the decorated handler for these methods (`GET POST`; `*`: any) at these paths."""

        def enter(handler: H) -> H:
            for path in paths:
                pattern = re.compile(re.sub(r"\{(\w+)\}", self._segment, path))
                self._rows += [(pattern, method, handler) for method in methods.split()]
            return handler

        return enter

    def find(self, method: str, path: str) -> tuple[H, Mapping[str, str]] | list[str]:
        """Return the handler and the names in the path, or the methods of this path: none if it is unknown."""
        allowed: list[str] = []
        for pattern, known, handler in self._rows:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if known in (method, "*") or (known == "GET" and method == "HEAD"):
                return handler, match.groupdict()
            allowed.append(known)
        return allowed

    def _segment(self, match: re.Match[str]) -> str:
        name = match[1]
        return f"(?P<{name}>{self._segments.get(name, '[^/_][^/]*')})"


def decompressed(request: Request) -> bytes | None:
    """Return the body without its Content-Encoding (gzip, deflate, zstd, snappy's block format); None if it cannot be decoded."""
    try:
        match request.header("content-encoding").lower():
            case "gzip" | "x-gzip":
                return gzip.decompress(request.body)
            case "deflate":
                return zlib.decompress(request.body)
            case "snappy":
                return bytes(cramjam.snappy.decompress_raw(request.body))
            case "zstd":
                return bytes(cramjam.zstd.decompress(request.body))
    except (OSError, EOFError, zlib.error, cramjam.DecompressionError):
        return None
    return request.body


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return a value as compact JSON; underscores in the names of headers become dashes."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, {"content-type": "application/json", **_named(headers)}, body)


def text_reply(text: str, status: int = 200, **headers: str) -> Reply:
    """Return a plain text."""
    return Reply(status, {"content-type": "text/plain; charset=utf-8", **_named(headers)}, text.encode())


def dated(reply: Reply, clock: Clock) -> Reply:
    """Add the Date header, by which probes compare clocks."""
    return replace(reply, headers={**reply.headers, "date": formatdate(clock.now(), usegmt=True)})


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
