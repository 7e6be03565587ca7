"""Somebody else's words in a sentence of ours: taken out of the marks around them, cut to a length; brackets keep their partners."""

from __future__ import annotations

_OPENING = {")": "(", "]": "[", ">": "<"}
_CLOSING = {opening: closing for closing, opening in _OPENING.items()}
_UNWRAPPED = frozenset("([")
"""What may stand around all of a quotation; `<…>` is a name, or XML."""


def clipped(text: str, longest: int) -> str:
    """A text on one line, cut at so many characters, and not behind a bracket that opens."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1].rstrip(" " + "".join(_CLOSING)) + "…"


def unquoted(text: str, marks: str) -> str:
    """A quotation without what stands around it: blanks, `marks`, brackets around all of it, and those without a partner."""
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
    """Where each bracket's partner stands; -1: it has none."""
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
            while waiting[_OPENING[character]] and closing[at] == -1:  # what opened since then has no partner
                last = opened.pop()
                waiting[text[last]] -= 1
                if text[last] == _OPENING[character]:
                    closing[at], closing[last] = last, at
    return closing
