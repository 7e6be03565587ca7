"""Names of exporters, targets and keys: `-` and `_` are equal, upper and lower case are not; similar names for mistyped ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def normal(name: str) -> str:
    """Return the normalized form, under which two spellings of a name are equal."""
    return name.strip().replace("_", "-")


def find(name: str, names: Iterable[str]) -> str | None:
    """Return the spelling among `names` that equals `name`, or None."""
    wanted = normal(name)
    return next((known for known in names if normal(known) == wanted), None)


def lookup(name: str, mapping: Mapping[str, T]) -> T | None:
    """Return the value under any spelling of `name`."""
    known = find(name, mapping)
    return None if known is None else mapping[known]


def near(name: str, names: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Return the most similar names."""
    from difflib import SequenceMatcher  # a mistyped name is rare, and the import is slow

    wanted = normal(name).lower()
    ratios: dict[str, float] = {}
    for known in names:
        ratio = SequenceMatcher(None, wanted, normal(known).lower()).ratio()
        ratios[known] = 0.8 if len(wanted) >= 3 and wanted in normal(known).lower() else ratio
    least = max(0.6, max(ratios.values(), default=0.0) - 0.1)
    return tuple(sorted((known for known in ratios if ratios[known] >= least), key=lambda known: -ratios[known])[:most])


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """Return `Did you mean x or y?`, or None without similar names."""
    known = near(name, names)
    return f"Did you mean {either(known)}?" if known else None


def either(words: Iterable[str]) -> str:
    """Return `a`, `a or b` or `a, b or c`."""
    listed = list(words)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} or {listed[-1]}"


def target_variable(target: str, key: str) -> str:
    """Return the environment variable for a key of a target of the file: `MAGICTEL_PROD_ES__URL`."""
    return f"MAGICTEL_{re.sub(r'[^A-Za-z0-9]', '_', target).upper()}__{key.upper()}"
