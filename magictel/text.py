"""Quotations from other programs in messages: without quotes, truncated, with balanced brackets."""

from __future__ import annotations

_OPENING = {")": "(", "]": "[", ">": "<"}
_CLOSING = {opening: closing for closing, opening in _OPENING.items()}
_UNWRAPPED = frozenset("([")
"""Brackets around a whole quotation; `<…>` is a name, or XML."""


def clipped(text: str, longest: int) -> str:
    """Return a text on a single line, truncated, but not after an opening bracket."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1].rstrip(" " + "".join(_CLOSING)) + "…"


def unquoted(text: str, marks: str) -> str:
    """Return a quotation without surrounding spaces, `marks` and brackets, and without unbalanced brackets."""
    partners = _partners(text)
    start, end = 0, len(text)
    while start < end:
        first, last = text[start], text[end - 1]
        if first.isspace() or first in marks or partners.get(start) == -1:
            start += 1
        elif last.isspace() or last in marks or partners.get(end - 1) == -1:
            end -= 1
        elif first in _UNWRAPPED and partners[start] == end - 1:
            start, end = start + 1, end - 1
        else:
            break
    return text[start:end]


def _partners(text: str) -> dict[int, int]:
    """Return the position of each bracket's partner; -1 if it has none."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    waiting = dict.fromkeys(_CLOSING, 0)
    for at, character in enumerate(text):
        if character in _CLOSING:
            closing[at] = -1
            opened.append(at)
            waiting[character] += 1
        elif character in _OPENING:
            closing[at] = -1
            while waiting[_OPENING[character]] and closing[at] == -1:  # brackets opened since then have no partner
                last = opened.pop()
                waiting[text[last]] -= 1
                if text[last] == _OPENING[character]:
                    closing[at], closing[last] = last, at
    return closing
