"""Names of exporters, targets and keys: `-` and `_` are equal, case is not, and a mistyped one gets its near ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def normal(name: str) -> str:
    """The form under which two spellings of one name are equal."""
    return name.strip().replace("_", "-")


def find(name: str, names: Iterable[str]) -> str | None:
    """The spelling among `names` that `name` means."""
    wanted = normal(name)
    return next((known for known in names if normal(known) == wanted), None)


def lookup(name: str, mapping: Mapping[str, T]) -> T | None:
    """The value under any spelling of `name`."""
    known = find(name, mapping)
    return None if known is None else mapping[known]


def near(name: str, names: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Names that may have been meant: the nearest, and those that are about as near."""
    from difflib import SequenceMatcher  # a mistyped name is rare, and its import is not free

    wanted = normal(name).lower()
    alike = {
        known: 0.8 if len(wanted) >= 3 and wanted in normal(known).lower() else ratio
        for known in dict.fromkeys(names)
        if (ratio := SequenceMatcher(None, wanted, normal(known).lower()).ratio()) >= 0.6
        or (len(wanted) >= 3 and wanted in normal(known).lower())
    }
    best = max(alike.values(), default=0.0)
    found = sorted((known for known in alike if alike[known] >= best - 0.1), key=lambda known: -alike[known])
    return tuple(found[:most])


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """`Did you mean x or y?`, or None when nothing is near."""
    known = near(name, names)
    return f"Did you mean {either(known)}?" if known else None


def either(words: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    listed = list(words)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} or {listed[-1]}"


def target_variable(target: str, key: str) -> str:
    """The environment variable that sets a key of a target named in the file: `MAGICTEL_PROD_ES__URL`."""
    return f"MAGICTEL_{re.sub(r'[^A-Za-z0-9]', '_', target).upper()}__{key.upper()}"
