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
