"""What is quoted keeps its brackets and loses what stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.text import clipped, unquoted


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("'[parent] too large [x]')", "[parent] too large [x]"),
        ("] reason [a", "reason [a"),
        ("(all of it)", "all of it"),
        ("(a) and (b)", "(a) and (b)"),
        ("a -> b]", "a -> b"),
        ("[a < b]", "a < b"),
        ("no [", "no"),
        (")](", ""),
    ],
)
def test_brackets_without_a_partner_go_from_the_ends(text: str, bare: str) -> None:
    assert unquoted(text, "'") == bare


def test_many_brackets_take_no_long_time() -> None:
    assert unquoted("(" * 20_000 + ">" * 20_000 + "x" + ")" * 40_000 + "[" * 20_000, "") == "x"


@given(st.text(alphabet="ab ()[]<>'", max_size=30))
def test_bare_text_stays_as_it_is(text: str) -> None:
    bare = unquoted(text, "'")
    assert unquoted(bare, "'") == bare
    assert bare in text


def test_a_cut_does_not_end_behind_a_bracket_that_opens() -> None:
    assert clipped("limit (err", 8) == "limit…"
    assert clipped("limit (e)", 9) == "limit (e)"
