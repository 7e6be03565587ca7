"""`--on-error stop|skip`: what a command does with a line of a recording that it cannot read."""

from __future__ import annotations

from magictel.errors import UsageError


def skips(text: str) -> bool:
    """Return whether such lines are counted and passed over. Raises `UsageError`."""
    if text not in ("stop", "skip"):
        raise UsageError("usage.on-error", f"--on-error {text}: write stop or skip", "--on-error skip")
    return text == "skip"
