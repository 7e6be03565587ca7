"""The line of each key in a TOML document; `tomllib` returns only the values."""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str, ...]
_KEY = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*""")
_SKIPPED = re.compile(r"""[^"'#\[\]{}\n]+""")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"""(?!")', re.DOTALL),
    re.compile(r"'''.*?'''(?!')", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_COMMENT = re.compile(r"#[^\n]*")


def key_lines(text: str) -> Mapping[Path, int]:
    """Return the line (from 1) of every table and key of a valid document, except keys inside inline tables."""
    lines: dict[Path, int] = {}
    table: Path = ()
    position = 0
    while position < len(text):
        character = text[position]
        if character in " \t\r\n":
            position += 1
        elif character == "#":
            position = _end(_COMMENT, text, position)
        elif character == "[":
            table, position = _keys(text, position + (2 if text.startswith("[[", position) else 1))
            for length in range(1, len(table) + 1):
                lines.setdefault(table[:length], text.count("\n", 0, position) + 1)
            position = text.find("\n", position) + 1 or len(text)
        else:
            line = text.count("\n", 0, position) + 1
            keys, position = _keys(text, position)
            for length in range(1, len(keys) + 1):
                lines.setdefault((*table, *keys[:length]), line)
            position = _after_value(text, position + 1)
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of a path or of its nearest parent; 0 if unknown."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


def _keys(text: str, position: int) -> tuple[Path, int]:
    keys: list[str] = []
    while match := _KEY.match(text, position):
        quoted, literal, bare = match.groups()
        keys.append(next(key for key in (quoted, literal, bare) if key is not None))
        position = match.end()
        if text[position : position + 1] != ".":
            break
        position += 1
    return tuple(keys), max(position, 1)


def _after_value(text: str, position: int) -> int:
    depth = 0
    while position < len(text):
        character = text[position]
        if character == "\n" and depth == 0:
            return position + 1
        if character == "#":
            position = _end(_COMMENT, text, position)
        elif character in "\"'":
            position = next((m.end() for pattern in _STRINGS if (m := pattern.match(text, position))), position + 1)
        else:
            depth += (character in "[{") - (character in "]}")
            position = _end(_SKIPPED, text, position)
    return position


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position + 1
