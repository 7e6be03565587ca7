"""Altered values are told by the shape of the change: a command where a mapping explains all of them, else where to look."""

from __future__ import annotations

import pytest

from magictel.model.verification import Difference, Value
from magictel.verify.advice import remedy

FLOATS = "magictel prepare es --apply, and then a new index: the values are stored as 32-bit floats (about 7 digits)"
WHOLE = "magictel prepare es --apply, and then a new index: the values are stored as integers, without decimals"
ELSEWHERE = "find what changes these fields"


@pytest.mark.parametrize(
    ("pairs", "advice"),
    [
        ([(0.000933, 0.0009330000029876828), (5.8e-05, 5.8000001445179805e-05)], FLOATS),
        ([((0.1, 0.5), (0.10000000149011612, 0.5))], FLOATS),
        ([(1234.25, 1234), (-0.25, 0), ((0.25, 5.0), (0, 5))], WHOLE),
        ([(0.5, 0), (0.1, 0.10000000149011612)], ELSEWHERE),
        ([(0.1, 0.2)], ELSEWHERE),
        ([(1e300, 0.0)], ELSEWHERE),
        ([("eu-1", "eu"), (0.1, 0.10000000149011612)], ELSEWHERE),
        ([(0.5, None)], ELSEWHERE),
        ([((0.1, 0.2), (0.10000000149011612,))], ELSEWHERE),
        ([(3, 4)], ELSEWHERE),
        ([], ELSEWHERE),
    ],
)
def test_the_remedy_follows_from_what_was_done_to_the_numbers(pairs: list[tuple[Value, Value]], advice: str) -> None:
    text = remedy("es", [Difference(f"p{number}", "value", *pair) for number, pair in enumerate(pairs)])
    assert text.startswith(advice)


def test_what_an_exporter_declares_needs_no_fix() -> None:
    declared = Difference("p", "@timestamp", 1.5, 1.25, "timestamps truncated to milliseconds")
    assert remedy("es", [declared, Difference("p", "value", 0.1, 0.10000000149011612)]) == FLOATS
