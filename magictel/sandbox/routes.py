"""The table of an emulator's end points: methods and paths, and the handler behind each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

H = TypeVar("H")


class Routes(Generic[H]):
    """Methods, paths and handlers, in the order they are entered. `{name}` in a path is a segment that does not begin with _."""

    def __init__(self, **segments: str) -> None:
        """`segments`: the regular expressions of names that are other than a segment."""
        self._segments = segments
        self._rows: list[tuple[re.Pattern[str], str, H]] = []

    def on(self, methods: str, *paths: str) -> Callable[[H], H]:
        """Enter the decorated handler for these methods (`GET POST`; `*`: any) at these paths."""

        def enter(handler: H) -> H:
            for path in paths:
                pattern = re.compile(re.sub(r"\{(\w+)\}", self._segment, path))
                self._rows += [(pattern, method, handler) for method in methods.split()]
            return handler

        return enter

    def find(self, method: str, path: str) -> tuple[H, Mapping[str, str]] | list[str]:
        """Return the handler and the names in the path, or the methods that this path takes: none at an unknown one."""
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
