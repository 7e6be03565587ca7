"""The top-level command group: reads a static table of commands and imports only the one that runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.core
import typer.main

from magictel.cli import commands
from magictel.errors import UsageError
from magictel.settings.names import did_you_mean


class LazyGroup(typer.core.TyperGroup):
    """A group that lists commands from the table and loads them on demand."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the table's order."""
        return [command.name for command in commands.COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return the command, or return None if the table has no such name."""
        command = commands.find(cmd_name)
        return None if command is None else commands.load(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names. Raise `UsageError` with similar names if it is unknown."""
        name = args[0]
        if commands.find(name) is None and not name.startswith("-"):
            hint = did_you_mean(name, [command.name for command in commands.COMMANDS])
            message = f'no such command: "{name}"' + (f". {hint}" if hint else "")
            raise UsageError("usage.command-line", message, "magictel --help lists the commands")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write help from the table, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in commands.COMMANDS])


def command() -> Any:
    """Return the whole command line, ready to parse."""
    app = commands.plain_app(cls=LazyGroup, invoke_without_command=True, epilog=_EPILOG)
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
