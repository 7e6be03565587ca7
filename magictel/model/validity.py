"""Validity of points in any format: pure functions that return the first `Problem`, or None.

The rules are those of opentelemetry/proto/metrics/v1/metrics.proto and of the data model ("Metric points"). Every reader and,
for data from the SDK, every exporter uses them, so that all formats follow the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from operator import lt
from typing import NamedTuple

LATEST = 2**63 - 1
"""Unix nanoseconds in the year 2262: a later time is an error that would shift every other point."""
LARGEST_COUNT = 2**64 - 1
NO_RECORDED_VALUE = 1
"""The flag of a point whose series has ended: its value is meaningless."""
EARLY = 10**17
"""Unix nanoseconds in March 1973: an earlier time was probably written in another unit."""
_NO_TIME = "is not a time of the years 1970 to 2262"
_SCALES = range(-10, 21)
"""Scales of exponential histograms: at -10 one bucket reaches the largest 64-bit float, above 20 an index exceeds 32 bits."""
_LARGEST_EXPONENT, _SMALLEST_EXPONENT = 1024, -1075
_UNITS = ((10**11, "seconds"), (10**14, "milliseconds"), (EARLY, "microseconds"))


class Problem(NamedTuple):
    """Why a point is invalid: the OTLP field (`bucketCounts[2]`), and a clause that follows it."""

    field: str
    why: str

    def __str__(self) -> str:
        return f"{self.field} {self.why}"


def is_finite(value: float) -> bool:
    """Return whether a value is a finite number that fits into a 64-bit float."""
    try:
        return isfinite(value)
    except OverflowError:  # an integer beyond them
        return False


def all_finite(values: Sequence[float]) -> bool:
    """Return whether all values, and their sum, are finite numbers that fit into a 64-bit float: False may also mean too large a sum."""
    try:
        return isfinite(sum(values))  # not with an infinity, nor with NaN
    except OverflowError:
        return False


def time(nanoseconds: int, start: int = 0) -> Problem | None:
    """Check a point's time and the start of its series (Unix nanoseconds; a start of 0 means none)."""
    if not nanoseconds:
        return Problem("timeUnixNano", "is 0 or missing: the point has no time")
    if not 0 < nanoseconds <= LATEST:
        return Problem("timeUnixNano", _NO_TIME)
    return None if 0 <= start <= LATEST else Problem("startTimeUnixNano", _NO_TIME)


def mistaken_unit(nanoseconds: int) -> str | None:
    """Return the unit in which a time was probably written if it is not a plausible number of nanoseconds."""
    if nanoseconds > EARLY:
        return None
    return next((unit for most, unit in _UNITS if 10**8 <= nanoseconds < most), None)


def histogram(
    bounds: Sequence[float],
    counts: Sequence[float],
    count: float,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Problem | None:
    """Check an explicit histogram: `counts` of each bucket, one more than `bounds`; or neither."""
    if counts or bounds:
        if len(counts) != len(bounds) + 1:
            why = f"has {len(counts)} counts for {len(bounds)} bounds, expected {len(bounds) + 1}"
            return Problem("bucketCounts", why)
        if not all(map(lt, bounds, bounds[1:])) or (bounds and not (bounds[0] < inf and bounds[-1] < inf)):
            return _bounds(bounds)
    problem = _count("count", count) or _counts("bucketCounts", counts)
    return problem or (_total(count, sum(counts)) if counts else None) or _extremes(count, minimum, maximum)


def exponential_histogram(
    scale: int,
    zero_count: float,
    positive: tuple[int, Sequence[float]],
    negative: tuple[int, Sequence[float]],
    count: float,
    minimum: float | None = None,
    maximum: float | None = None,
    zero_threshold: float = 0.0,
) -> Problem | None:
    """Check an exponential histogram; each side is the offset of its first bucket and its buckets' counts."""
    if scale not in _SCALES:
        return Problem("scale", f"is {scale}, expected {_SCALES[0]} to {_SCALES[-1]}")
    if not (isfinite(zero_threshold) and zero_threshold >= 0):
        return Problem("zeroThreshold", f"is {zero_threshold:g}, expected a number that is not negative")
    problem = _count("zeroCount", zero_count)
    for side, (offset, counts) in (("positive", positive), ("negative", negative)):
        problem = problem or _counts(f"{side}.bucketCounts", counts) or _range(side, scale, offset, counts)
    total = sum(positive[1]) + sum(negative[1]) + zero_count
    return problem or _count("count", count) or _total(count, total) or _extremes(count, minimum, maximum)


def summary(count: float, quantiles: Sequence[float]) -> Problem | None:
    """Check a summary: its count and its quantiles (0 to 1)."""
    known: set[float] = set()
    for at, quantile in enumerate(quantiles):
        if not 0 <= quantile <= 1:
            return Problem(f"quantileValues[{at}].quantile", f"is {quantile:g}, expected 0 to 1")
        if quantile in known:
            return Problem(f"quantileValues[{at}].quantile", f"is {quantile:g} for the second time")
        known.add(quantile)
    return _count("count", count)


def _bounds(bounds: Sequence[float]) -> Problem:
    for at, bound in enumerate(bounds):
        field = f"explicitBounds[{at}]"
        if bound != bound:
            return Problem(field, "is NaN")
        if bound == inf:
            return Problem(field, "is infinite: the last bucket has no bound")
        if at and not bounds[at - 1] < bound:
            return Problem(field, f"is {bound:g} after {bounds[at - 1]:g}: bounds must increase")
    raise AssertionError("the bounds increase")


def _count(field: str, count: float) -> Problem | None:
    if not 0 <= count <= LARGEST_COUNT:
        return Problem(field, f"is {_exact(count)}, expected a count from 0 to 2^64-1")
    return None if type(count) is int or count == int(count) else Problem(field, f"is {count:g}: a count is whole")


def _exact(count: float) -> str:
    return str(count) if isinstance(count, int) else f"{count:.15g}"


def _counts(field: str, counts: Sequence[float]) -> Problem | None:
    for at, count in enumerate(counts):
        problem = _count(f"{field}[{at}]", count)
        if problem:
            return problem
    return None


def _total(count: float, total: float) -> Problem | None:
    return (
        None if count == total else Problem("count", f"is {_exact(count)}, but the buckets add up to {_exact(total)}")
    )


def _range(side: str, scale: int, offset: int, counts: Sequence[float]) -> Problem | None:
    """Check that non-empty buckets are within the range of 64-bit floats."""
    taken = [at for at, count in enumerate(counts, offset) if count]
    if not taken:
        return None
    width = 2.0**-scale
    if taken[-1] * width < _LARGEST_EXPONENT and (taken[0] + 1) * width > _SMALLEST_EXPONENT:
        return None
    return Problem(f"{side}.offset", f"is {offset}: its buckets exceed the range of 64-bit floats at scale {scale}")


def _extremes(count: float, minimum: float | None, maximum: float | None) -> Problem | None:
    """Check min and max, which have no meaning in an empty histogram."""
    if count and minimum is not None and maximum is not None and minimum > maximum:
        return Problem("min", f"is {minimum:g}, more than max, {maximum:g}")
    return None
