"""`explain`: every page for people and for programs."""

from __future__ import annotations

import pytest

from magictel.catalogue.pages import codes, explain
from magictel.cli.explain import text
from tests.cli.conftest import Magictel


@pytest.mark.parametrize("code", codes())
def test_every_page_fits_80_columns_and_commands_stand_alone(code: str) -> None:
    page = explain(code)
    assert page is not None
    lines = text(page)
    assert lines[0] == code
    assert max(len(line) for line in lines if not line.startswith("  $ ")) <= 80
    for command in page.commands:
        assert f"  $ {command}" in lines


def test_a_page_as_text_and_as_a_document(magictel: Magictel) -> None:
    ran = magictel("explain", "tls.expired")
    assert (ran.code, ran.err) == (0, "")
    assert "How to fix it" in ran.out
    document = magictel("explain", "tls.expired", "--format", "json").document
    assert (document["schema"], document["code"]) == ("magictel.explain/1", "tls.expired")
    assert document["mend"]


def test_the_list_names_every_code(magictel: Magictel) -> None:
    lines = magictel("explain", "--list").out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list(codes())
    document = magictel("explain", "--list", "--format", "json").document
    assert [row["code"] for row in document["codes"]] == list(codes())


def test_an_unknown_code_is_told_with_the_near_ones(magictel: Magictel) -> None:
    ran = magictel("explain", "tls.expird")
    assert (ran.code, ran.out) == (2, "")
    assert "Did you mean tls.expired" in ran.err
