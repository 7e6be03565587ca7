"""Every command, without importing any: name, one line, and the module that is imported when it runs.

A command's module defines a function `command` (annotated for typer), or an `app` (a `typer.Typer`) where it has commands of its own.
`takes` says what its arguments are, for the completions; `hidden` ones are left out of help.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import typer

Takes = Literal["nothing", "targets", "target", "exporter", "code", "recordings", "shell", "topic"]


class Command(NamedTuple):
    """One command of `magictel`."""

    name: str
    summary: str
    module: str
    takes: Takes = "nothing"


COMMANDS: tuple[Command, ...] = (
    Command("list", "Every registered exporter, and the targets of the file.", "list"),
    Command("describe", "What an exporter is, and every option it has.", "describe", "exporter"),
    Command("init", "Write magictel.toml from what the environment holds.", "init"),
    Command("add", "Add a target to magictel.toml.", "add", "exporter"),
    Command("remove", "Remove a target from magictel.toml.", "remove", "target"),
    Command("enable", "Enable a target of magictel.toml.", "enable", "target"),
    Command("disable", "Disable a target of magictel.toml.", "disable", "target"),
    Command("config", "Show settings with their origins, or validate them offline.", "config"),
    Command("check", "Climb the ladder: at which step are metrics lost?", "check", "targets"),
    Command("send-sample", "Send one known sample and compare what arrives.", "send_sample", "targets"),
    Command("replay", "Send a recording: a file, a page, a gateway's log.", "replay", "recordings"),
    Command("record", "Write a recording from a scrape or another format.", "record"),
    Command("prepare", "What a backend should have before data comes.", "prepare", "target"),
    Command("diagnose", "What a line of a production log means, and what to do.", "diagnose", "exporter"),
    Command("explain", "What a finding means, and how to fix it.", "explain", "code"),
    Command("guide", "Read the manual: quick start, settings, CI, troubleshooting.", "guide", "topic"),
    Command("doctor", "Why a plugin is not listed, listed twice, slow or refused.", "doctor", "exporter"),
    Command("conformance", "The laws that every exporter must hold, tried on one.", "conformance", "exporter"),
    Command("completion", "Print the completion script of bash, zsh or fish.", "completion", "shell"),
    Command("sandbox", "Embedded backends on loopback, to try things without a server.", "sandbox"),
)


def find(name: str) -> Command | None:
    """The command of a name."""
    return next((command for command in COMMANDS if command.name == name), None)


def load(command: Command) -> Any:
    """The command itself, ready to parse its arguments; this imports its module."""
    from typer.main import get_command

    module = importlib.import_module(f"magictel.cli.{command.module}")
    app = getattr(module, "app", None)
    if app is None:
        app = plain_app()
        app.command(command.name)(module.command)
    loaded = get_command(app)
    loaded.name = command.name
    loaded.help = loaded.help or command.summary
    return loaded


def plain_app(**options: Any) -> typer.Typer:
    """A `typer.Typer` without rich's boxes (and its import) and without completion that starts Python."""
    from typer import Typer

    settings = {"max_content_width": 80, "help_option_names": ["-h", "--help"]}
    return Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=settings,
        **options,
    )
