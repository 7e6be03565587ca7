"""The top of the command line: a group that knows its commands from a static table and imports the one that runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.core
import typer.main

from magictel.cli import commands
from magictel.errors import UsageError
from magictel.settings.names import did_you_mean


class LazyGroup(typer.core.TyperGroup):
    """Lists from the table, loads on demand."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the table's order."""
        return [command.name for command in commands.COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; None where the table has no such name."""
        command = commands.find(cmd_name)
        return None if command is None else commands.load(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names; an unknown one is told with the near ones."""
        name = args[0]
        if commands.find(name) is None and not name.startswith("-"):
            hint = did_you_mean(name, [command.name for command in commands.COMMANDS])
            said = f'there is no command "{name}"' + (f". {hint}" if hint else "")
            raise UsageError("usage.command-line", said, "magictel --help shows what there is")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table itself: help imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in commands.COMMANDS])


def command() -> Any:
    """The whole command line, ready to parse."""
    app = commands.plain_app(cls=LazyGroup, invoke_without_command=True, epilog=_EPILOG)
    app.callback()(magictel)
    return typer.main.get_command(app)


def magictel(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    """Prove that telemetry metrics arrive at a backend, through the very exporters that production uses."""
    from magictel.cli import output

    if version:
        from magictel import __version__

        output.say(f"magictel {__version__}")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        output.note(context.get_help())
        raise typer.Exit(2)


_EPILOG = (
    "Exit codes: 0 OK; 1 something failed; 2 wrong usage; 3 unverified, or warnings under --strict; "
    "78 unusable settings, or nothing to do; 130 interrupted; 143 terminated."
)
