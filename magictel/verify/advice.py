"""Advice for altered values, based on the type of the change, for any backend."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator

from magictel.model.verification import Difference, Value

_ELSEWHERE = "find what changes these fields: the backend's mapping (magictel prepare shows the right one), a pipeline, or a proxy"


def remedy(target: str, differences: Iterable[Difference]) -> str:
    """Return a remedy for all undeclared differences."""
    pairs = [
        pair
        for difference in differences
        if difference.declared is None
        for pair in _numbers(difference.sent, difference.seen)
    ]
    prepare = f"magictel prepare {target} --apply, and then a new index: "
    if pairs and all(_single(sent) == seen for sent, seen in pairs):
        return f"{prepare}the values are stored as 32-bit floats (about 7 digits)"
    if pairs and all(math.trunc(sent) == seen for sent, seen in pairs):
        return f"{prepare}the values are stored as integers, without decimals"
    return _ELSEWHERE


def _numbers(sent: Value, seen: Value) -> Iterator[tuple[float, float]]:
    """Yield the differing numbers; other values as a pair that no rule explains."""
    if isinstance(sent, tuple) and isinstance(seen, tuple) and len(sent) == len(seen):
        for before, after in zip(sent, seen, strict=True):
            yield from _numbers(before, after)
    elif isinstance(sent, float) and isinstance(seen, int | float) and math.isfinite(sent) and math.isfinite(seen):
        if sent != seen:
            yield sent, seen
    elif sent != seen:
        yield 0.0, 1.0


def _single(number: float) -> float:
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return math.inf
    return float(rounded)
