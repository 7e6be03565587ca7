"""Documented forms in which backends show other values than were sent: each returns the form's name, or None where it explains nothing."""

from __future__ import annotations

from magictel.model.verification import Value


def milliseconds(sent: Value, seen: Value) -> str | None:
    """Times in Unix nanoseconds that lost what is below a millisecond."""
    exact = isinstance(sent, int) and isinstance(seen, int) and sent // 1_000_000 * 1_000_000 == seen
    return "timestamps truncated to milliseconds" if exact else None


def double(sent: Value, seen: Value) -> str | None:
    """Whole numbers that became 64-bit floats."""
    exact = isinstance(sent, int) and isinstance(seen, float) and float(sent) == seen
    return "numbers are 64-bit floats" if exact else None


def cut_text(sent: Value, seen: Value, longest: int) -> str | None:
    """Texts that lost what is beyond a length."""
    return f"texts are cut at {longest} characters" if isinstance(sent, str) and seen == sent[:longest] else None


def text(sent: str, seen: Value, form: str) -> str | None:
    """Values that became text: `sent` is what the backend should show. `form` names it, as each backend writes text in its own way."""
    return form if seen == sent else None
