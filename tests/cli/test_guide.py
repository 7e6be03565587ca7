"""The manual on a terminal, in a pipe and as JSON; every topic can be read at any width."""

from __future__ import annotations

import html
import json
import re

import pytest

from magictel.cli.markdown import WIDEST, rendered
from magictel.guide.topics import FOLDER, TOPICS, topic
from tests.cli.conftest import Magictel
from tests.picture import COMMAND, PICTURE, on_terminal


def markdown(name: str) -> str:
    page = topic(name)
    assert page is not None
    return page.markdown


def test_every_file_is_a_topic_and_every_topic_a_file() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == sorted(TOPICS)


def test_without_a_topic_each_is_listed_on_one_line_of_80_columns(magictel: Magictel) -> None:
    lines = magictel("guide").out.splitlines()
    assert [line.split()[0] for line in lines] == list(TOPICS)
    assert max(map(len, lines)) <= 80
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize("name", TOPICS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_prose_fits_and_commands_stay_whole(name: str, width: int) -> None:
    shown = rendered(markdown(name), width, colour=False).splitlines()
    code = {
        f"  {line}"
        for block in re.findall(r"^```\w*\n(.*?)^```", markdown(name), re.S | re.M)
        for line in block.splitlines()
    }
    assert {line for line in shown if len(line) > min(width, WIDEST)} <= code
    assert {line.rstrip() for line in code if line.strip()} <= set(shown)
    assert "\x1b" not in "".join(shown)


@pytest.mark.parametrize("name", [topic for topic in TOPICS if topic != "writing-an-exporter"])  # which shows a program
def test_commands_and_outputs_fit_a_terminal_of_80_columns(name: str) -> None:
    assert [line for line in rendered(markdown(name), 80, colour=False).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", TOPICS)
def test_no_word_of_a_topic_is_cut_on_a_terminal(name: str) -> None:
    """A variable's name that ends in … would be of no use."""
    assert rendered(markdown(name), 80, colour=False).count("…") == markdown(name).count("…")


def test_in_a_pipe_a_topic_is_markdown_without_the_marks_of_generated_parts(magictel: Magictel) -> None:
    ran = magictel("guide", "settings")
    assert ran.code == 0
    assert ran.out.startswith("# Settings\n")
    assert "| `url` | `ELASTICSEARCH_URL` |" in ran.out
    assert "<!--" not in ran.out
    assert "may receive your secrets: `magictel guide security`." in ran.out
    assert "faults in the sandbox (`magictel guide sandbox-and-faults`)" in magictel("guide", "quickstart").out


def test_colours_are_for_terminals_that_want_them() -> None:
    assert "\x1b[1mSettings" in on_terminal("guide", "settings")
    plain = on_terminal("guide", "settings", NO_COLOR="1")
    assert "\x1b" not in plain
    assert plain.startswith("Settings\n")
    assert max(map(len, on_terminal("guide", "security", columns=120, NO_COLOR="1").splitlines())) > 80


@pytest.mark.parametrize(
    ("written", "nearest"), [("setting", "settings"), ("secure", "security"), ("fault", "sandbox-and-faults")]
)
def test_an_unknown_topic_is_one_sentence_with_the_nearest(written: str, nearest: str, magictel: Magictel) -> None:
    ran = magictel("guide", written)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f'The guide has no topic "{written}". Did you mean {nearest}?\n')
    document = json.loads(magictel("guide", written, "--format", "json").out)
    assert document["code"] == "usage.unknown-topic"


def test_as_json(magictel: Magictel) -> None:
    listed = json.loads(magictel("guide", "--format", "json").out)
    assert [row["topic"] for row in listed["topics"]] == list(TOPICS)
    page = json.loads(magictel("guide", "Words.md", "--format", "json").out)
    assert (page["topic"], page["title"], page["markdown"]) == ("words", "Words", markdown("words"))


def _without_figures(text: str) -> list[str]:
    """Return the lines of a run without what differs from one to the next: ids, ports, times, blanks."""
    masked = re.sub(
        r"\b[0-9a-f]{12}\b|:\d+|visible (after \d+\.\d+ s|at once)|\d+(\.\d+)? (ms|s)$", "", text, flags=re.M
    )
    return ["".join(line.split()) for line in masked.splitlines() if line.strip()]


@pytest.mark.slow
def test_the_picture_of_readme_shows_what_the_command_shows_now() -> None:
    """Otherwise: python -m tests.picture."""
    drawn = PICTURE.read_text("utf-8")
    pieces = re.findall(r'<text class="magictel-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', drawn)
    rows: dict[float, str] = {}
    for _, y, piece in pieces:
        rows[float(y)] = rows.get(float(y), "") + html.unescape(piece).replace("\xa0", " ")
    shown = "\n".join(rows[y].rstrip() for y in sorted(rows))
    assert shown.startswith(f"$ magictel {' '.join(COMMAND)}\n")
    ran = re.sub(r"\x1b\[[\d;]*m", "", on_terminal(*COMMAND))
    assert _without_figures(shown.partition("\n")[2]) == _without_figures(ran)
