"""Protobuf as encoders write it, read by the sources' own decoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.encoding.protobuf import field, fields_of, read_varint, varint


@given(st.integers(0, 2**64 - 1))
def test_a_number_comes_back(number: int) -> None:
    assert read_varint(varint(number), 0) == (number, len(varint(number)))


@pytest.mark.parametrize(
    ("number", "expected"), [(0, b"\x00"), (127, b"\x7f"), (300, b"\xac\x02"), (-1, b"\xff" * 9 + b"\x01")]
)
def test_numbers_as_the_specification_writes_them(number: int, expected: bytes) -> None:
    assert varint(number) == expected


@given(st.integers(1, 2**29 - 1), st.binary(max_size=300))
def test_a_field_comes_back(number: int, content: bytes) -> None:
    assert list(fields_of(field(number, content) + field(1, b""))) == [(number, content), (1, b"")]
