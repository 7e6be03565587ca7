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


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("http.unauthorized", "reads the credentials again"),
        ("tls.expired", "reads the TLS files again"),
        ("tls.client-cert-required", "reads the TLS files again"),
        ("tls.closed", "with backoff"),
    ],
)
def test_retry_says_whether_a_running_exporter_waits_until_the_cause_is_fixed(code: str, words: str) -> None:
    page = explain(code)
    assert page is not None
    shown = " ".join(" ".join(text(page)).split())
    assert words in shown
    assert ("keeps the points waiting" in shown) == ("again" in words)


@pytest.mark.parametrize("code", codes())
def test_retry_is_shown_for_codes_of_requests_only(code: str) -> None:
    page = explain(code)
    assert page is not None
    without = code.partition(".")[0] in {"plugin", "config", "internal", "usage"}
    assert ("Retry" in text(page)) != (without or code in {"tls.unverified", "tls.expires-soon"})


@pytest.mark.parametrize(
    ("name", "first_parts"),
    [("es", {"es"}), ("es.auth", {"es"}), ("tls.", {"tls"}), ("elasticsearch", {"es", "os"}), ("File", {"file"})],
)
def test_the_beginning_of_codes_and_an_exporters_name_list_the_codes(
    name: str, first_parts: set[str], magictel: Magictel
) -> None:
    ran = magictel("explain", name)
    listed = [line for line in ran.out.splitlines() if not line.startswith(" ")]
    assert (ran.code, ran.err) == (0, "")
    assert {code.partition(".")[0] for code in listed} == first_parts
    document = magictel("explain", name, "--format", "json").document
    assert [row["code"] for row in document["codes"]] == listed
