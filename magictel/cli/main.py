"""The command `magictel`: parses, imports the command that runs, and turns every result into an exit code."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # import nothing before the signal handlers are installed
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from magictel.cli.output import Format


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    from magictel.cli import signals

    given = list(sys.argv[1:] if arguments is None else arguments)
    signals.end_at_once(json=_wants_json(given))
    code = run(given)
    from magictel.cli import output

    code = output.end(signals.signal_exit_code(code))
    signals.end_at_once(quiet=True)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code. Raise nothing, show no traceback."""
    from magictel.cli import output
    from magictel.cli.output import Format

    output.begin()
    if arguments == ["--version"]:
        _say_version()  # without importing the parser
        return 0
    how = Format.JSON if _wants_json(arguments) else Format.TEXT
    try:
        return _run(arguments, how)
    except BrokenPipeError:
        output.flush()
        return 1
    except KeyboardInterrupt as stop:
        from magictel.cli.errors import failure_exit_code, stopped, tell

        if not output.documented():
            tell(stopped(stop), how)
        return failure_exit_code(stop)
    except OSError as failure:
        if output.refused(failure):  # typer's own pages
            return 1
        return _fail(failure, how)
    except Exception as failure:
        return _fail(failure, how)


def _run(arguments: list[str], how: Format) -> int:
    import typer

    from magictel.cli.commands import command_line

    # ClickException: typer carries its own click, which is not ours to import
    wrong: type[Exception] = typer.BadParameter.__mro__[2]
    group = command_line()
    try:
        with group.make_context("magictel", list(arguments)) as context:
            result = group.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except wrong as failure:
        return _misused(failure, how)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _misused(failure: Any, how: Format) -> int:
    from magictel.cli.errors import tell
    from magictel.cli.exit_codes import Exit
    from magictel.errors import UsageError

    context: Any = getattr(failure, "ctx", None)  # None: an option without its value
    path = context.command_path if context is not None else "magictel"
    message = " ".join(failure.format_message().split())
    remedy = f"{path} --help shows the options"
    wanted = _OF_OTHER_TOOLS.get(getattr(failure, "option_name", ""), "") if context is not None else ""
    options = {name for parameter in context.command.params for name in parameter.opts} if wanted else ()
    if wanted.partition(" ")[0] in options:
        message, remedy = f"No such option: {failure.option_name}. Did you mean {wanted}?", f"{path} {wanted}"
    elif wanted and path == "magictel":
        remedy = f"options follow the command: {path} COMMAND {wanted}"
    tell(UsageError("usage.command-line", message, remedy), how)
    return Exit.USAGE


_OF_OTHER_TOOLS = {
    "--json": "--format json",
    "--output": "--format json",
    "-o": "--format json",
    "--verbose": "--debug",
    "-v": "--debug",
    "--silent": "--quiet",
    "-s": "--quiet",
    "--insecure": "--set verify=false",
    "-k": "--set verify=false",
    "--url": "--set url=URL",
    "--host": "--set url=URL",
    "--cacert": "--set ca_file=FILE",
    "--user": "--set username=NAME",
    "-u": "--set username=NAME",
    "--header": "--set headers.NAME=VALUE",
    "-H": "--set headers.NAME=VALUE",
    "--dryrun": "--dry-run",
    "-n": "--dry-run",
    "--file": "--config PATH",
    "-f": "--config PATH",
    "-c": "--config PATH",
    "--retry": "--wait 60s",
    "--max-time": "--timeout 10s",
}
"""Options of curl, kubectl, terraform and others, and the ones here that do the same."""


def _fail(failure: Exception, how: Format) -> int:
    from magictel.cli.errors import failure_exit_code, mistake, tell
    from magictel.errors import MagictelError

    if not isinstance(failure, MagictelError):
        failure = mistake(failure)
        tell(failure, how)
        return 1
    tell(failure, how)
    return failure_exit_code(failure)


def _wants_json(arguments: list[str]) -> bool:
    """Return whether `--format json` is set, before the rest is parsed: usage errors must be JSON too."""
    for number, argument in enumerate(arguments):
        if argument == "--":
            return False
        if argument == "--format=json" or (argument == "--format" and arguments[number + 1 : number + 2] == ["json"]):
            return True
    return False


def _say_version() -> None:
    from magictel import __version__
    from magictel.cli import output

    output.say(f"magictel {__version__}")
