"""One set of rules for what a point must be to be possible: a table of what is refused, and what looks odd and is legal."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from magictel.model import validity

IMPOSSIBLE: list[tuple[Any, Any, Any, str]] = [
    ([5, 1], [1, 2, 4], 7, "explicitBounds[1] is 1 after 5: bounds must increase"),
    ([1, 1], [1, 2, 4], 7, "explicitBounds[1] is 1 after 1: bounds must increase"),
    ([1, nan], [1, 2, 4], 7, "explicitBounds[1] is NaN"),
    ([nan], [1, 2], 3, "explicitBounds[0] is NaN"),
    ([1, inf], [1, 2, 0], 3, "explicitBounds[1] is infinite: the last bucket has no bound"),
    ([1], [1, -1], 0, "bucketCounts[1] is -1, expected a count from 0 to 2^64-1"),
    ([1], [0.5, 0.5], 1, "bucketCounts[0] is 0.5: a count is whole"),
    ([1], [nan, 1], 1, "bucketCounts[0] is nan, expected a count from 0 to 2^64-1"),
    ([1], [1, 2], 4, "count is 4, but the buckets add up to 3"),
    ([1], [1], 1, "bucketCounts has 1 counts for 1 bounds, expected 2"),
    ([1], [], 0, "bucketCounts has 0 counts for 1 bounds, expected 2"),
    ([], [], -1, "count is -1, expected a count from 0 to 2^64-1"),
    ([], [], 2**64, "count is 18446744073709551616, expected a count from 0 to 2^64-1"),
]


@pytest.mark.parametrize(("bounds", "counts", "count", "problem"), IMPOSSIBLE)
def test_a_histogram_that_cannot_be_is_named_by_its_field(bounds: Any, counts: Any, count: Any, problem: str) -> None:
    assert str(validity.histogram(bounds, counts, count)) == problem


@pytest.mark.parametrize(
    ("bounds", "counts", "count"),
    [
        ([], [], 5),
        ([], [5], 5),
        ([1, 5], [1, 2, 4], 7),
        ([-inf, 1], [0, 1, 2], 3),
        ([1.0], [1.0, 2.0], 3.0),
        ([0], [0, 0], 0),
    ],
)
def test_a_histogram_that_looks_odd_is_taken(bounds: Any, counts: Any, count: Any) -> None:
    assert validity.histogram(bounds, counts, count) is None


def test_extremes_count_where_there_are_values() -> None:
    assert str(validity.histogram([], [], 1, 3, 2)) == "min is 3, more than max, 2"
    assert validity.histogram([], [], 0, inf, -inf) is None
    assert validity.histogram([], [], 1, nan, 2) is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((0, 1, (0, []), (0, []), 2), "count is 2, but the buckets add up to 1"),
        ((21, 0, (0, []), (0, []), 0), "scale is 21, expected -10 to 20"),
        ((-11, 0, (0, []), (0, []), 0), "scale is -11, expected -10 to 20"),
        ((0, -1, (0, []), (0, []), 0), "zeroCount is -1, expected a count from 0 to 2^64-1"),
        ((0, 0, (0, [-1]), (0, [2]), 1), "positive.bucketCounts[0] is -1, expected a count from 0 to 2^64-1"),
        ((0, 0, (0, []), (0, [1.5]), 1.5), "negative.bucketCounts[0] is 1.5: a count is whole"),
        (
            (0, 0, (1024, [1]), (0, []), 1),
            "positive.offset is 1024: its buckets exceed the range of 64-bit floats at scale 0",
        ),
        (
            (0, 0, (0, []), (-1076, [1]), 1),
            "negative.offset is -1076: its buckets exceed the range of 64-bit floats at scale 0",
        ),
        ((0, 0, (0, []), (0, []), 0, None, None, -1.0), "zeroThreshold is -1, expected a number that is not negative"),
        ((0, 0, (0, []), (0, []), 0, None, None, inf), "zeroThreshold is inf, expected a number that is not negative"),
        ((0, 1, (0, [1]), (0, []), 2, 1.0, 0.0), "min is 1, more than max, 0"),
        ((0, 3, (0, [1, 0, 2]), (-3, [4]), 10), "None"),
        ((20, 0, (2**30 - 1, [1]), (0, []), 1), "None"),
        ((-10, 3, (-1, [1, 1]), (0, []), 5), "None"),
        ((0, 0, (2**31 - 1, [0, 0]), (0, []), 0), "None"),
    ],
)
def test_an_exponential_histogram(given: Any, problem: str) -> None:
    assert str(validity.exponential_histogram(*given)) == problem


def test_a_summary() -> None:
    assert validity.summary(3, [0.0, 0.5, 1.0]) is None
    assert str(validity.summary(3, [0.5, 1.5])) == "quantileValues[1].quantile is 1.5, expected 0 to 1"
    assert str(validity.summary(3, [nan])) == "quantileValues[0].quantile is nan, expected 0 to 1"
    assert str(validity.summary(3, [0.5, 0.5])) == "quantileValues[1].quantile is 0.5 for the second time"
    assert str(validity.summary(-1, [])) == "count is -1, expected a count from 0 to 2^64-1"


@pytest.mark.parametrize(
    ("nanoseconds", "problem", "unit"),
    [
        (1_726_000_000_000_000_000, None, None),
        (1_726_000_000_000_000, None, "microseconds"),
        (1_726_000_000_000, None, "milliseconds"),
        (1_726_000_000, None, "seconds"),
        (7, None, None),
        (0, "timeUnixNano is 0 or missing: the point has no time", None),
        (-5, "timeUnixNano is not a time of the years 1970 to 2262", None),
        (2**63, "timeUnixNano is not a time of the years 1970 to 2262", None),
    ],
)
def test_times(nanoseconds: int, problem: str | None, unit: str | None) -> None:
    message = validity.time(nanoseconds)
    assert (None if message is None else str(message)) == problem
    assert validity.mistaken_unit(nanoseconds) == unit
