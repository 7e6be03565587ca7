"""Durations as options: `500ms`, `10s`, `2m`."""

from __future__ import annotations

import typer

from magictel.settings.units import parse_seconds


def seconds(text: str) -> float:
    """Return the seconds of a duration. Raise `typer.BadParameter` for other text."""
    try:
        return parse_seconds(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a duration: use a form like 500ms, 10s or 2m") from None


def some_seconds(text: str) -> float:
    """Return the seconds of a duration above zero: a limit of zero would forbid what it limits."""
    if not (given := seconds(text)):
        raise typer.BadParameter(f"{text!r} leaves no time: use more than 0, for example 500ms or 10s")
    return given
