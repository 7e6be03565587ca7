"""Sent against seen: every kind of difference, and nothing forgiven that was not declared."""

from __future__ import annotations

import math

import pytest

from magictel.model.verification import Expected, Seen, identical, verify


def nothing_declared(field: str, sent: object, seen: object) -> str | None:
    return None


def expected(key: str = "p1", **fields: object) -> Expected:
    return Expected(key, f"point {key}", fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sent", "seen", "same"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        (0.0, -0.0, False),
        (0.1, 0.10000000149011612, False),
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        ("a", "a", True),
        (None, None, True),
        (None, 0, False),
        ((1, 2), (1, 2), True),
        ((1, 2), (2, 1), False),
        ((1, 2), (1, 2, 2), False),
        ((1.0,), (1,), False),
        (9007199254740993, 9007199254740992, False),
    ],
)
def test_values_are_compared_bit_for_bit_and_type_for_type(sent: object, seen: object, same: bool) -> None:
    assert identical(sent, seen) is same  # type: ignore[arg-type]


def test_an_equal_point_is_found() -> None:
    result = verify([expected(value=1)], [Seen("p1", {"value": 1})], nothing_declared)
    assert (result.found, result.missing, result.altered, result.duplicated, result.differences) == (1, 0, 0, 0, ())


def test_a_point_that_is_not_shown_is_missing_and_named() -> None:
    result = verify([expected("p1"), expected("p2")], [Seen("p2", {})], nothing_declared)
    assert (result.found, result.missing, result.missing_points) == (1, 1, ("point p1",))


def test_a_second_copy_is_a_duplicate_even_when_equal() -> None:
    result = verify([expected(value=1)], [Seen("p1", {"value": 1})] * 3, nothing_declared)
    assert (result.found, result.duplicated, result.altered) == (1, 2, 0)


def test_a_changed_value_is_altered_and_says_both_sides() -> None:
    result = verify([expected(value=0.5)], [Seen("p1", {"value": 0})], nothing_declared)
    assert result.altered == 1
    assert [(d.field, d.sent, d.seen) for d in result.differences] == [("value", 0.5, 0)]


def test_a_field_that_is_gone_and_a_field_that_was_never_sent_are_both_altered() -> None:
    result = verify(
        [expected("p1", unit="s"), expected("p2")], [Seen("p1", {}), Seen("p2", {"extra": 1})], nothing_declared
    )
    assert result.altered == 2


def test_a_declared_difference_is_listed_and_not_altered() -> None:
    result = verify([expected(time=1.5)], [Seen("p1", {"time": 1})], lambda field, sent, seen: "milliseconds")
    assert result.altered == 0
    assert [d.declared for d in result.differences] == ["milliseconds"]


def test_a_field_that_cannot_be_read_is_never_equal() -> None:
    result = verify([expected(text="a")], [Seen("p1", {}, {"text": "no doc values"})], nothing_declared)
    assert (result.altered, result.unverified) == (0, 1)


def test_an_altered_point_with_an_unreadable_field_counts_as_altered() -> None:
    result = verify(
        [expected(text="a", value=1)], [Seen("p1", {"value": 2}, {"text": "no doc values"})], nothing_declared
    )
    assert (result.altered, result.unverified) == (1, 0)


def test_a_point_nobody_sent_is_altered() -> None:
    result = verify([expected("p1")], [Seen("p1", {}), Seen("p9", {})], nothing_declared)
    assert (result.found, result.altered) == (1, 1)
