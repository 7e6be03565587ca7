"""README is held against the code: its tables are what the settings say, its commands exist, its two commands are CI's.

`python -m tests.test_readme` writes the generated parts anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from magictel.catalogue.pages import RETRY
from magictel.cli.explain import outcomes
from magictel.registry import entry_points
from magictel.settings.describe import OptionRow, option_rows
from magictel.settings.model import ExporterSettings, HttpSettings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
HELP = ("--help",)


def table(rows: list[OptionRow], variable: str | None = None) -> str:
    lines = ["| key | variable | default | |", "|---|---|---|---|"]
    for row in rows:
        names = ", ".join(f"`{name}`" for name in row.env) if variable is None else f"`{variable}{row.name.upper()}`"
        default = "required" if row.required else f"`{row.default}`" if row.default else ""
        secret = " Secret." if row.secret else ""
        lines.append(f"| `{row.name}` | {names} | {default} | {row.description.replace('|', '/')}{secret} |")
    return "\n".join(lines) + "\n"


def own(exporter: str) -> str:
    """The exporter's own options, and shared ones whose default is its own."""
    shared = {row.name: row.default for row in option_rows(HttpSettings)}
    rows = option_rows(entry_points.load(exporter).Settings)
    return table([row for row in rows if row.name not in shared or row.default != shared[row.name]])


def generated(name: str) -> str:
    delivery = {row.name for row in option_rows(ExporterSettings)}
    if name == "settings-delivery":
        return table(list(option_rows(ExporterSettings)), "<PREFIX>_")
    if name == "settings-http":
        return table([row for row in option_rows(HttpSettings) if row.name not in delivery], "<PREFIX>_")
    if name == "help":
        ran = subprocess.run(
            [sys.executable, "-m", "magictel", "--help"], capture_output=True, text=True, timeout=300, check=True
        )
        return f"```\n{ran.stdout.rstrip()}\n```\n"
    if name == "retry":
        lines = ["| class | sending the same again helps | stands with |", "|---|---|---|"]
        lines += [f"| `{one}` | {means} | {', '.join(outcomes(one))} |" for one, means in RETRY.items()]
        return "\n".join(lines) + "\n"
    return own(name.removeprefix("settings-"))


def fresh(text: str) -> str:
    return BLOCK.sub(lambda block: f"{block[1]}{generated(block[2])}{block[3]}", text)


def test_every_generated_part_is_what_the_code_says() -> None:
    text = README.read_text()
    assert {block[1] for block in BLOCK.findall(text)} >= {
        "settings-elasticsearch",
        "settings-prometheus-remote-write",
        "settings-console",
        "settings-file",
        "settings-http",
        "settings-delivery",
        "help",
        "retry",
    }
    assert text == fresh(text), "run: python -m tests.test_readme"


def commands() -> set[tuple[str, ...]]:
    found = set()
    for line in re.findall(
        r"^\$ (?:[A-Z_]+=\S+ )*magictel ([a-z-]+(?: (?:show|check)\b)?)", README.read_text(), re.MULTILINE
    ):
        words = tuple(line.split())
        found.add(words if words[0] == "config" else words[:1])
    return found


def test_readme_shows_commands() -> None:
    assert len(commands()) >= 6


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_every_command_that_readme_shows_exists(words: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "magictel", *words, "--help"], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_ci_calls_the_test_command_of_readme() -> None:
    (test,) = re.findall(r"\.venv/bin/(python -m pytest[^\n`]*)", README.read_text())
    assert test in (ROOT / ".ci" / "run").read_text()


if __name__ == "__main__":
    README.write_text(fresh(README.read_text()))
