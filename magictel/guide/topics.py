"""Topics of the manual, in reading order, loaded from the Markdown files beside this module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent

TOPICS: tuple[str, ...] = (
    "quickstart",
    "commands",
    "settings",
    "security",
    "ci",
    "docker-compose",
    "application",
    "gateway",
    "replay",
    "sandbox-and-faults",
    "troubleshooting",
    "retry-classes",
    "writing-an-exporter",
    "benchmark",
    "architecture",
    "contributing",
    "words",
)

_COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([a-z-]+)\.md\)")


@dataclass(frozen=True, slots=True)
class Topic:
    """A page of the manual. `markdown` is the text without the marks of generated parts."""

    name: str
    title: str
    summary: str
    markdown: str


def topic(name: str) -> Topic | None:
    """Return the page of a topic, or None."""
    if name not in TOPICS:
        return None
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    title, summary = text.split("\n\n", 2)[:2]
    markdown = _LINK.sub(_command, _COMMENT.sub("", text))
    return Topic(name, title.removeprefix("# "), " ".join(summary.split()), markdown)


def _command(link: re.Match[str]) -> str:
    """Return a link to another topic as the command that shows it."""
    label, name = link.groups()
    command = f"`magictel guide {name}`"
    return command if label.lower().replace(" ", "-") == name else f"{label} ({command})"
