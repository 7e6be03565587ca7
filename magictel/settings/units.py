"""Human-readable durations and sizes."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def parse_seconds(text: str) -> float:
    """Parse seconds from `10`, `0.5`, `250ms`, `10s`, `2m`, `1h`. Raise `ValueError` for other text."""
    number, unit = _amount(text)
    return number * _SECONDS[unit or "s"] if (unit or "s") in _SECONDS else _bad(text)


def parse_bytes(text: str) -> int:
    """Parse bytes from `1024`, `5MB` (a million each), `512KiB` (1024 each). Raise `ValueError` for other text."""
    number, unit = _amount(text)
    scaled = number * (_BYTES[unit or "b"] if (unit or "b") in _BYTES else _bad(text))
    return int(scaled) if scaled == int(scaled) else int(_bad(text))


def seconds_text(seconds: float) -> str:
    """Return `250 ms`, `10 s` or `2 min`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g} ms"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def bytes_text(size: int) -> str:
    """Return `32 MiB`, `5 MB` or `1000 B`, in the largest unit that divides it."""
    for factor, name in ((1024**3, "GiB"), (1000**3, "GB"), (1024**2, "MiB"), (1000**2, "MB"), (1024, "KiB")):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {name}"
    return f"{size} B"


def _amount(text: str) -> tuple[float, str]:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        _bad(text)
    assert match is not None
    return float(match[1]), match[2].lower()


def _bad(text: str) -> float:
    raise ValueError(text)
