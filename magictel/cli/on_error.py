"""`--on-error stop|skip`: what to do with a line of a recording that cannot be parsed."""

from __future__ import annotations

from magictel.errors import UsageError


def skips(text: str) -> bool:
    """Return whether such lines are skipped and counted. Raise `UsageError` for other values."""
    if text not in ("stop", "skip"):
        raise UsageError("usage.on-error", f"--on-error {text}: use stop or skip", "--on-error skip")
    return text == "skip"
