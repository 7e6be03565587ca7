"""Documented lossy forms: each explains exactly its own difference."""

from __future__ import annotations

from typing import Any

import pytest

from magictel.formats import lossy


@pytest.mark.parametrize(
    ("form", "sent", "seen", "explains"),
    [
        (lossy.milliseconds, 1_234_567_891, 1_234_000_000, True),
        (lossy.milliseconds, 1_234_567_891, 1_235_000_000, False),
        (lossy.milliseconds, 1_234_567_891, None, False),
        (lossy.double, 2**60 + 1, float(2**60), True),
        (lossy.double, 5, 6.0, False),
        (lossy.double, 5.0, 5.5, False),
        (lambda sent, seen: lossy.cut_text(sent, seen, 3), "abcdef", "abc", True),
        (lambda sent, seen: lossy.cut_text(sent, seen, 3), "abcdef", "abcd", False),
        (lambda sent, seen: lossy.cut_text(sent, seen, 3), 5, "5", False),
        (lambda sent, seen: lossy.text(sent, seen, "form"), "5", "5", True),
        (lambda sent, seen: lossy.text(sent, seen, "form"), "5", None, False),
    ],
)
def test_a_form_explains_its_own_difference(form: Any, sent: Any, seen: Any, explains: bool) -> None:
    assert (form(sent, seen) is not None) is explains
