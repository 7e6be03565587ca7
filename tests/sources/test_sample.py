"""The sample: every kind, values a 32-bit float keeps, attributes that tell each point from the next."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from magictel.model.metrics import Kind, Point, count_points, groups
from magictel.model.verification import POINT, RUN_ID
from magictel.sources.sample import sample

NOW = 1_795_000_000.25


def points(thorough: bool = False) -> list[Point]:
    return [point for group in groups(sample("run", NOW, thorough=thorough).data) for point in group.points]


def numbers(point: Point) -> Iterator[float]:
    for name in ("value", "sum", "min", "max"):
        if hasattr(point, name):
            yield getattr(point, name)
    yield from getattr(point, "explicit_bounds", ())


def fits_in_32_bits(value: float) -> bool:
    return struct.unpack("<f", struct.pack("<f", value))[0] == value


def test_it_has_every_kind_counters_of_both_types_and_a_sum_that_falls() -> None:
    streams = [group.stream for group in groups(sample("run", NOW).data)]
    assert {stream.kind for stream in streams} == set(Kind)
    assert {stream.monotonic for stream in streams if stream.kind is Kind.SUM} == {True, False}
    kinds = {type(point.value) for point in points() if hasattr(point, "value")}
    assert kinds == {int, float}


def test_every_everyday_decimal_is_exact_in_32_bits_and_one_is_a_half() -> None:
    everyday = [value for point in points() for value in numbers(point)]
    assert all(map(fits_in_32_bits, everyday))
    assert 0.5 in [getattr(point, "value", None) for point in points()]


def test_the_thorough_one_holds_what_a_32_bit_float_loses() -> None:
    values = [getattr(point, "value", None) for point in points(thorough=True)]
    assert {9007199254740993, 16777217.0, 0.1, 1e300} <= set(values)
    assert any(str(value) == "-0.0" for value in values)
    longest = max(
        len(text) for point in points(thorough=True) for text in point.attributes.values() if isinstance(text, str)
    )
    assert longest == 300


def test_each_point_has_string_attributes_of_its_own() -> None:
    everything = points(thorough=True)
    names = [point.attributes[POINT] for point in everything]
    assert len(set(names)) == len(everything)
    assert all(len(name) >= 8 for name in names)
    assert {point.attributes[RUN_ID] for point in everything} == {"run"}


def test_attributes_hold_unicode_integers_booleans_and_lists() -> None:
    types = {type(value) for point in points() for value in point.attributes.values()}
    assert {str, int, bool} <= types
    assert types & {list, tuple}
    assert any(not str(value).isascii() for point in points() for value in point.attributes.values())


def test_buckets_add_up_and_times_lie_within_the_window() -> None:
    collected = sample("run", NOW, thorough=True)
    for point in points(thorough=True):
        assert collected.since < point.time_unix_nano / 1e9 < collected.until
        if hasattr(point, "bucket_counts"):
            assert sum(point.bucket_counts) == point.count
        if hasattr(point, "scale"):
            parts = sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts) + point.zero_count
            assert parts == point.count


def test_given_attributes_stand_on_every_point() -> None:
    collected = sample("run", NOW, attributes={"team": "gateway"})
    every = [point for group in groups(collected.data) for point in group.points]
    assert count_points(collected.data) == len(every) == 12
    assert all(point.attributes["team"] == "gateway" for point in every)
