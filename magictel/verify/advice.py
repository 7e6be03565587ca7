"""What to change where values came back other than sent: by the shape of the change, whatever the backend."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator

from magictel.model.verification import Difference, Value

_ELSEWHERE = (
    "look for what rewrites these fields on the way: the backend's mapping (magictel prepare shows what it should be), "
    "a pipeline, a proxy"
)


def remedy(target: str, differences: Iterable[Difference]) -> str:
    """One way out for all differences that no documented form declares."""
    pairs = [
        pair
        for difference in differences
        if difference.declared is None
        for pair in _numbers(difference.sent, difference.seen)
    ]
    prepare = f"magictel prepare {target} --apply, and then a new index: "
    if pairs and all(_single(sent) == seen for sent, seen in pairs):
        return f"{prepare}the values came back as 32-bit floats, which keep 7 digits"
    if pairs and all(math.trunc(sent) == seen for sent, seen in pairs):
        return f"{prepare}the values came back as whole numbers, without their decimals"
    return _ELSEWHERE


def _numbers(sent: Value, seen: Value) -> Iterator[tuple[float, float]]:
    """The numbers that differ; anything else as a pair that no rule explains."""
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
