"""Human-readable numbers: `41 ms`, `1.2 s`, `1 warning`."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FIGURE = re.compile(
    r"(?<=\d) (?=(?:ms|s|min|h|days|%)(?!\w))|(?<=visible) (?=at once|after \d)|(?<=visible at) |(?<=visible after) "
)
_MINUTE = 60.0
_HOUR = 3600.0
_DAY = 24 * _HOUR
_NAMED = 8
"""Maximum number of names in a sentence."""


def span(seconds: float) -> str:
    """Return a duration with about two significant digits: `<1 ms`, `41 ms`, `1.2 s`, `34 s`, `3 min`, `2 h`, `3 days`."""
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"


def bound(text: str, by: str) -> str:
    """Replace the spaces at which a line must not break by `by`: between a number and its unit, and in `visible after …`."""
    return _FIGURE.sub(by, text)


def many(count: int, singular: str, plural: str | None = None) -> str:
    """Return `1 point` or `12 points`; the default plural is the singular with an s."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def every(count: int) -> str:
    """Return `both targets` or `all 3 targets`."""
    return "both targets" if count == 2 else f"all {count} targets"


def named(names: Sequence[str]) -> str:
    """Return `a, b, c`; for many names the first ones and `and 41 more`."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"
