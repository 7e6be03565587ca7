"""The table of commands, and the top-level group that imports only the command that runs.

A command's module defines an `app` (a `typer.Typer`) if it has subcommands, otherwise a function (annotated for typer).
"""

from __future__ import annotations

import importlib
from typing import Annotated, Any, Literal, NamedTuple

import typer
import typer.core
import typer.main

from magictel.errors import UsageError
from magictel.settings.names import did_you_mean

Takes = Literal["nothing", "targets", "target", "exporter", "code", "recordings", "shell", "topic"]


class Command(NamedTuple):
    """One command of `magictel`. `takes` is the type of its arguments, for the completions."""

    name: str
    summary: str
    module: str
    takes: Takes = "nothing"
    function: str = "command"


COMMANDS: tuple[Command, ...] = (
    Command("list", "List exporters, and the targets of the file.", "list"),
    Command("describe", "Describe an exporter and its options.", "describe", "exporter"),
    Command("init", "Create magictel.toml from environment variables.", "init"),
    Command("add", "Add a target to magictel.toml.", "edit_commands", "exporter", "add"),
    Command("remove", "Remove a target from magictel.toml.", "edit_commands", "target", "remove"),
    Command("enable", "Enable a target of magictel.toml.", "edit_commands", "target", "enable"),
    Command("disable", "Disable a target of magictel.toml.", "edit_commands", "target", "disable"),
    Command("config", "Show settings with their origins, or validate them offline.", "config"),
    Command("check", "Check a target step by step: where do metrics get lost?", "check", "targets"),
    Command("send-sample", "Send a known sample and compare what is stored.", "send_sample", "targets"),
    Command("replay", "Send a recording: a file, a page or a gateway log.", "replay", "recordings"),
    Command("record", "Create a recording from a scrape or another format.", "record"),
    Command("run", "Scrape a page and send it, again and again, until stopped.", "run"),
    Command("status", "Show the health of a running application's telemetry.", "status"),
    Command("bundle", "Write an archive for a ticket, without secrets.", "bundle", "targets"),
    Command("prepare", "Prepare a backend before data arrives.", "prepare", "target"),
    Command("spool", "See, send or remove what waits on disk.", "spool"),
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
    module = importlib.import_module(f"magictel.cli.{command.module}")
    app = getattr(module, "app", None)
    if app is None:
        app = plain_app()
        app.command(command.name)(getattr(module, command.function))
    loaded = typer.main.get_command(app)
    loaded.name = command.name
    loaded.help = loaded.help or command.summary
    return loaded


def plain_app(**options: Any) -> typer.Typer:
    """Return a `typer.Typer` without rich's boxes (and its import) and without completions that start Python."""
    settings = {"max_content_width": 80, "help_option_names": ["-h", "--help"]}
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=settings,
        **options,
    )


class LazyGroup(typer.core.TyperGroup):
    """A group that lists commands from the table and loads them on demand."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the table's order."""
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return the command, or return None if the table has no such name."""
        command = find(cmd_name)
        return None if command is None else load(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names. Raise `UsageError` with similar names if it is unknown."""
        name = args[0]
        if find(name) is None and not name.startswith("-"):
            hint = did_you_mean(name, [command.name for command in COMMANDS])
            message = f'no such command: "{name}"' + (f". {hint}" if hint else "")
            raise UsageError("usage.command-line", message, "magictel --help lists the commands")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write help from the table, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in COMMANDS])


def command_line() -> Any:
    """Return the whole command line, ready to parse."""
    app = plain_app(cls=LazyGroup, invoke_without_command=True, epilog=_EPILOG)
    app.callback()(magictel)
    return typer.main.get_command(app)


def magictel(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    """Prove that telemetry metrics arrive at a backend, with the same exporters that production uses."""
    from magictel.cli import output

    if version:
        from magictel import __version__

        output.say(f"magictel {__version__}")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        output.note(context.get_help())
        raise typer.Exit(2)


_EPILOG = (
    "Exit codes: 0 OK; 1 failed; 2 usage error; 3 unverified, or warnings with --strict; "
    "78 unusable settings, or nothing to do; 130 interrupted; 143 terminated."
)
