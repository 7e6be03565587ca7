"""One page that stands alone: well formed, nothing from elsewhere, every word of the terminal in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from magictel.model.finding import Finding, Rung
from tests.reporters.cases import CASES, check_events, checked
from tests.reporters.reporting import failed, nasty_check, nasty_send, report

VOID = {"meta", "br", "hr", "img", "link", "input"}
CARRIERS = {"href", "src", "srcset", "action", "data", "poster", "background", "http-equiv"}


class Page(HTMLParser):
    """Fails on an element that is not closed where it should be; keeps texts and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(f"{text} " for text in self.texts).split())


@pytest.mark.parametrize("case", [*CASES, "nasty-check", "nasty-send", "failed"])
def test_every_page_is_well_formed_and_loads_nothing(case: str) -> None:
    more = {"nasty-check": nasty_check, "nasty-send": nasty_send}
    text = failed("html")[0] if case == "failed" else report("html", more[case]() if case in more else CASES[case])[0]
    assert text.startswith("<!DOCTYPE html>\n")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "base", "object", "form"} & set(page.tags)
    assert not CARRIERS & {name for name, _ in page.attributes}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"@import|url\(", text)
    assert page.tags.count("h1") == 1
    assert "\x1b" not in text
    text.encode("utf-8")


def test_it_reads_on_a_phone_and_in_the_dark() -> None:
    text, _ = report("html", CASES["check-good"])
    assert ("content", "width=device-width, initial-scale=1") in Page(text).attributes
    assert "prefers-color-scheme: dark" in text
    assert "max-width: 40rem" in text


def test_a_number_and_its_unit_stay_on_one_line_and_what_is_copied_has_its_own_blanks() -> None:
    command = "magictel check t --wait 60 s"
    warned = Finding.warned(Rung.DNS, "net.dns.slow", "the response took 4 s", command)
    text, _ = report("html", check_events(checked("t", "acme", "", warned)))
    assert "the response took 4\u00a0s" in text
    assert command in text


def test_the_ladder_stands_in_it_with_its_way_out() -> None:
    page = Page(report("html", CASES["check-several"])[0])
    assert page.tags.count("section") == 3
    assert page.tags.count("li") == 30
    for text in (
        "1 of 3 targets FAILED: prod-es at tls (tls.expired)",
        "the certificate of CN=es.example.net expired 3 days ago",
        "magictel explain tls.expired",
        "magictel prepare elasticsearch --apply",
        "blocked by tls",
        "24 ms",
    ):
        assert text in page.text
    assert ("style", "width:100.0%") in page.attributes


def test_the_ledger_and_every_difference_stand_in_it() -> None:
    page = Page(report("html", CASES["send-several"])[0])
    for text in (
        "12 sent 11 delivered 1 rejected 0 withheld 0 kept 0 dropped",
        "11 found 9 equal 0 missing 2 altered 0 duplicated 0 unverified",
        "magictel.sample.latency point-09",
        "(5, 4, 0, 3, 1, 1)",
        "run 3f9c21aa07be",
    ):
        assert text in page.text


def test_colours_only_repeat_what_words_say() -> None:
    page = Page(report("html", CASES["check-several"])[0])
    signs = [value for name, value in page.attributes if name == "aria-label"]
    assert signs.count("FAILED") == 3  # the page's own, the target's, the rung's
    assert set(signs) <= {"OK", "warning", "FAILED", "skipped", "blocked"}
