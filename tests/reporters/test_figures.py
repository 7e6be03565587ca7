"""Numbers for people."""

from __future__ import annotations

import pytest

from magictel.reporters.humanize import every, many, named, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "<1 ms"),
        (0.0004, "<1 ms"),
        (0.0006, "1 ms"),
        (0.041, "41 ms"),
        (0.0994, "99 ms"),
        (0.0999, "0.1 s"),
        (1.19, "1.2 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (34.4, "34 s"),
        (119.0, "119 s"),
        (180.0, "3 min"),
        (7300.0, "2 h"),
        (23_175_905.957, "268 days"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_plurals() -> None:
    assert [many(0, "point"), many(1, "point"), many(2, "point"), many(2, "query", "queries")] == [
        "0 points",
        "1 point",
        "2 points",
        "2 queries",
    ]


def test_every_target() -> None:
    assert [every(2), every(3)] == ["both targets", "all 3 targets"]


def test_very_many_names_are_counted() -> None:
    assert named([]) == ""
    assert named(list("abcdefgh")) == "a, b, c, d, e, f, g, h"
    assert named(list("abcdefghi")) == "a, b, c, d, e, f, g and 2 more"
