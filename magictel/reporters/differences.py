"""A difference between the sent and the queried value, as a line of text; long names and values are truncated."""

from __future__ import annotations

from magictel.model.verification import Difference, Value

_ATTRIBUTES = 60
"""Maximum length of a point's attributes."""
_VALUE = 40
"""Maximum length of a value."""


def shown_difference(difference: Difference) -> str:
    """Return `http.requests{route=/a} at 2026-11-25T14:45:08Z: value was sent as 1.5, queries see 1`."""
    sent, seen = _shown(difference.sent), _shown(difference.seen)
    return f"{_point(difference.point)}: {difference.field} was sent as {sent}, queries see {seen}"


def _point(name: str) -> str:
    """Return a point's name with its first attributes: `http.requests{route=/a, …} at 2026-11-25T14:45:08Z`."""
    before, brace, rest = name.partition("{")
    attributes, end, after = rest.rpartition("}")
    if not brace or not end or len(attributes) <= _ATTRIBUTES:
        return name
    return f"{before}{{{attributes[:_ATTRIBUTES].rpartition(', ')[0] or attributes[:_ATTRIBUTES]}, …}}{after}"


def _shown(value: Value) -> str:
    """Return a value in a form that shows its type; truncate a long one and add its length."""
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        text = f"[{', '.join(map(_shown, value))}]"
        return text if len(text) <= _VALUE else f"{text[:_VALUE].rstrip()}… ({len(value)} items)"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _VALUE else f'"{value[:_VALUE]}…" ({len(value)} characters)'
    return str(value).lower() if isinstance(value, bool) else repr(value)
