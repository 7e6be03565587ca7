"""Values inside a line of a log: JSON, or Python's `repr` of it, wherever they begin."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

_BEGIN = re.compile(r"[\[{]")
_TRIES = 40
_LONGEST_LITERAL = 20_000


def values_in(text: str) -> Iterator[Any]:
    """Yield the objects and lists in a text, after a limited number of attempts."""
    decoder = json.JSONDecoder()
    at = tried = 0
    while tried < _TRIES and (begin := _BEGIN.search(text, at)):
        at, tried = begin.start(), tried + 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value, end = _literal(text, at)
        if value:
            yield value
        at = max(at + 1, end if isinstance(value, dict | list) and value else 0)


def _literal(text: str, at: int) -> tuple[Any, int]:
    closing = {"{": "}", "[": "]"}[text[at]]
    end = text.rfind(closing, at) + 1
    if not end or end - at > _LONGEST_LITERAL:
        return None, 0
    try:
        return ast.literal_eval(text[at:end]), end
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None, 0
