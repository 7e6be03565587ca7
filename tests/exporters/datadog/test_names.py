"""Names and tags, as Datadog's backend stores them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.exporters.datadog.names import bound, metric_name, tag, tags_of


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("http.server.request.duration", "http.server.request.duration"),
        ("a-b c/d", "a_b_c_d"),
        ("9lives", "lives"),
        ("_x", "x"),
        ("a__b", "a_b"),
        ("a_.b", "a.b"),
        ("a._b", "a.b"),
        ("größe", "gr_e"),
        ("trailing_", "trailing"),
        ("__", ""),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_metrics_name(name: str, stored: str) -> None:
    assert metric_name(name) == stored


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Env:Prod", "env:prod"),
        ("key:with blank", "key:with_blank"),
        ("1key:x", "key:x"),
        ("url:http://a/b?c=d", "url:http://a/b_c_d"),
        ("trailing:", "trailing"),
        ("ort:Zürich", "ort:zürich"),
        ("k:" + "v" * 300, "k:" + "v" * 198),
        ("123", ""),
    ],
)
def test_a_tag(text: str, stored: str) -> None:
    assert tag(text) == stored


@given(st.text(max_size=250))
def test_every_name_is_stored_as_it_is_sent(name: str) -> None:
    stored = metric_name(name)
    assert stored == metric_name(stored)
    assert set(stored) <= set(string.ascii_letters + string.digits + "_.")
    assert not stored or stored[0] in string.ascii_letters


@given(st.text(max_size=250))
def test_every_tag_is_stored_as_it_is_sent(text: str) -> None:
    stored = tag(text)
    assert stored == tag(stored)
    assert len(stored) <= 200


def test_values_are_written_as_by_datadogs_translator() -> None:
    given = {"on": True, "n": 1, "d": 0.5, "list": ("a", "b"), "raw": b"ab"}
    assert tags_of(given) == ["on:true", "n:1", "d:0.5", "list:_a_b", "raw:ywi"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0"), (-0.0, "0"), (10, "10.0"), (0.25, "0.25"), (float("-inf"), "-inf"), (float("inf"), "inf")),
        *((999_999, "999999.0"), (1e6, "1e+06.0"), (1_234_567, "1.234567e+06.0"), (1_234_567.5, "1.2345675e+06")),
        *((1e-4, "0.0001"), (1e-5, "1e-05"), (-2.5e-7, "-2.5e-07"), (1e300, "1e+300.0")),
    ],
)
def test_a_bound_is_written_as_by_datadogs_translator(value: float, text: str) -> None:
    """By its formatFloat: Go's shortest form, with .0 behind whole numbers."""
    assert bound(value) == text
