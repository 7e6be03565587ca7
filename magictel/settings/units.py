"""Human-readable durations and sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def parse_seconds(text: str) -> float:
    """Parse seconds from `10`, `0.5`, `250ms`, `10s`, `2m`, `1h`. Raise `ValueError` for other text."""
    return _amount(text, _SECONDS, "s")


def parse_bytes(text: str) -> int:
    """Parse bytes from `1024`, `5MB` (a million each), `512KiB` (1024 each). Raise `ValueError` for other text."""
    amount = _amount(text, _BYTES, "b")
    if not amount.is_integer():
        raise ValueError(text)
    return int(amount)


def seconds_text(seconds: float) -> str:
    """Return `250 ms`, `10 s`, `2 min` or `24 h`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g} ms"
    if seconds > 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def bytes_text(size: int) -> str:
    """Return `32 MiB`, `5 MB` or `1000 B`, in the largest unit that divides it."""
    for factor, name in ((1024**3, "GiB"), (1000**3, "GB"), (1024**2, "MiB"), (1000**2, "MB"), (1024, "KiB")):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {name}"
    return f"{size} B"


def _amount(text: str, units: Mapping[str, float], default: str) -> float:
    match = _AMOUNT.fullmatch(text.strip())
    unit = (match[2].lower() or default) if match else ""
    if match is None or unit not in units:
        raise ValueError(text)
    return float(match[1]) * units[unit]
