"""The table of commands: name, summary, and the module to import when the command runs.

A command's module defines a function `command` (annotated for typer), or an `app` (a `typer.Typer`) if it has subcommands.
`takes` is the type of its arguments, for the completions; `hidden` ones are left out of help.
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
    Command("list", "List exporters, and the targets of the file.", "list"),
    Command("describe", "Describe an exporter and its options.", "describe", "exporter"),
    Command("init", "Create magictel.toml from environment variables.", "init"),
    Command("add", "Add a target to magictel.toml.", "add", "exporter"),
    Command("remove", "Remove a target from magictel.toml.", "remove", "target"),
    Command("enable", "Enable a target of magictel.toml.", "enable", "target"),
    Command("disable", "Disable a target of magictel.toml.", "disable", "target"),
    Command("config", "Show settings with their origins, or validate them offline.", "config"),
    Command("check", "Check a target step by step: where do metrics get lost?", "check", "targets"),
    Command("send-sample", "Send a known sample and compare what is stored.", "send_sample", "targets"),
    Command("replay", "Send a recording: a file, a page or a gateway log.", "replay", "recordings"),
    Command("record", "Create a recording from a scrape or another format.", "record"),
    Command("prepare", "Prepare a backend before data arrives.", "prepare", "target"),
    Command("diagnose", "Explain an error from a log, and what to do.", "diagnose", "exporter"),
    Command("explain", "Explain what a finding means and how to fix it.", "explain", "code"),
    Command("guide", "Read the manual: quick start, settings, CI, troubleshooting.", "guide", "topic"),
    Command("new", "Write the package of a new exporter.", "new"),
    Command("doctor", "Find out why a plugin is missing, duplicate, slow or rejected.", "doctor", "exporter"),
    Command("conformance", "Test an exporter against the laws of the plugin interface.", "conformance", "exporter"),
    Command("completion", "Print the completion script of bash, zsh or fish.", "completion", "shell"),
    Command("sandbox", "Run embedded backends on loopback.", "sandbox"),
)


def find(name: str) -> Command | None:
    """Return the command with this name."""
    return next((command for command in COMMANDS if command.name == name), None)


def load(command: Command) -> Any:
    """Import the command's module and return the command, ready to parse its arguments."""
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
    """Return a `typer.Typer` without rich's boxes (and its import) and without completions that start Python."""
    from typer import Typer

    settings = {"max_content_width": 80, "help_option_names": ["-h", "--help"]}
    return Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=settings,
        **options,
    )
