"""What GitHub's runner and its Markdown make of it: workflow commands read as the runner reads them, the summary rendered."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from magictel.model.finding import Finding, Rung
from tests.reporters.cases import CASES, check_events, checked
from tests.reporters.reporting import failed, nasty_check, nasty_send, report

COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As the runner does: one line a command; properties and data unescaped."""
    parsed = []
    for line in text.splitlines():
        command = COMMAND.fullmatch(line)
        assert command, line
        properties = dict(pair.split("=", 1) for pair in command[2].split(","))
        parsed.append((command[1], {key: unescaped(value) for key, value in properties.items()}, unescaped(command[3])))
    return parsed


def unescaped(text: str) -> str:
    for escape, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, sign)
    return text


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


@pytest.mark.parametrize("case", CASES)
def test_every_summary_is_one_section_whose_tables_are_tables(case: str) -> None:
    text, annotations = report("github", CASES[case])
    page = rendered(text)
    assert page.count("<h2>") == 1
    assert text.endswith("\n\n")  # another section may follow
    assert page.count("<tr>") == len([line for line in text.splitlines() if line.startswith("| ")])
    assert page.count("<details>") == page.count("</details>")
    commands(annotations)


def test_what_is_wrong_is_an_annotation_with_the_way_out() -> None:
    (tls, *warnings) = commands(report("github", CASES["check-several"])[1])
    assert tls[:2] == ("error", {"title": "prod-es tls: tls.expired"})
    assert tls[2].splitlines()[0].startswith("the certificate of CN=es.example.net expired 3 days ago")
    assert tls[2].splitlines()[-2:] == [
        "fix: renew the certificate on the server",
        "more: magictel explain tls.expired",
    ]
    assert [level for level, _, _ in warnings] == ["warning", "warning"]


def test_what_nobody_could_verify_is_a_warning_and_what_holds_says_nothing() -> None:
    assert [
        (level, properties["title"]) for level, properties, _ in commands(report("github", CASES["send-unverified"])[1])
    ] == [
        ("warning", "write-only clock: clock.unreadable"),
        ("warning", "write-only verified: es.read.forbidden"),
    ]
    assert report("github", CASES["send-verified"])[1] == ""


def test_a_bad_setting_of_the_repository_is_shown_at_its_line() -> None:
    finding = Finding.failed(Rung.CONFIG, "config.url", "no", None, origin="magictel.toml:12")
    ((_, properties, _),) = commands(report("github", check_events(checked("t", "t", "", finding)))[1])
    assert (properties["file"], properties["line"]) == ("magictel.toml", "12")


def test_more_findings_than_github_shows_are_summed_up_in_the_last() -> None:
    bad = Finding.failed(Rung.TCP, "net.tcp.refused", "nothing listens")
    results = [checked(f"target-{number:02}", "acme", "", bad) for number in range(14)]
    lines = commands(report("github", check_events(*results))[1])
    assert len(lines) == 10
    assert lines[-1][2].startswith("5 more findings: target-09 net.tcp.refused, ")


def test_a_huge_summary_is_cut_before_github_refuses_it() -> None:
    bad = Finding.failed(Rung.TCP, "net.tcp.refused", "nothing listens " * 100)
    results = [checked(f"target-{number:03}", "acme", "", bad) for number in range(400)]
    text, _ = report("github", check_events(*results))
    assert len(text.encode()) < 1024 * 1024
    assert "truncated: GitHub's limit is 1 MiB" in text


def test_nothing_that_a_server_says_becomes_markup_or_a_command() -> None:
    for events in (nasty_check(), nasty_send()):
        text, annotations = report("github", events)
        page = rendered(text)
        assert "<script" not in page
        assert "<em>" not in page
        assert page.count("<h2>") == 1
        assert page.count("<h3>") == 1
        assert "\x1b" not in text + annotations
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
        assert len(commands(annotations)) >= 2


def test_a_run_that_never_began_is_one_error_and_one_section() -> None:
    text, annotations = failed("github")
    ((level, properties, message),) = commands(annotations)
    assert (level, properties["file"], properties["line"]) == ("error", "magictel.toml", "7")
    assert "magictel list" in message
    assert "there is | no <such> target" in re.sub(r"&#124;|&amp;", "|", rendered(text)).replace("&lt;", "<").replace(
        "&gt;", ">"
    )


def test_no_figure_in_a_narrow_cell_is_broken_from_its_unit() -> None:
    text = report("github", CASES["send-timed"])[0]
    assert "| 45\u00a0ms |" in text
    assert "first byte 18\u00a0ms" in text
    assert not re.search(r"\| <?\d[\d.]* (ms|s|min) \|", text)
