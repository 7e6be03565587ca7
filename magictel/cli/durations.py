"""How long, as an option: `500ms`, `10s`, `2m`."""

from __future__ import annotations

import typer

from magictel.settings.units import parse_seconds


def seconds(text: str) -> float:
    """Seconds from what was written; refuses what is no duration."""
    try:
        return parse_seconds(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no duration: write it like 500ms, 10s or 2m") from None


def some_seconds(text: str) -> float:
    """Seconds, more than none: a limit of zero would forbid the very thing that it limits."""
    if not (given := seconds(text)):
        raise typer.BadParameter(f"{text!r} leaves no time: write more than 0, like 500ms or 10s")
    return given
