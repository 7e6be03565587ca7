"""Options shared by several commands, with the parsers of their values, and the configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli.environment import environment, folder
from magictel.cli.output import Format, ResultFormat
from magictel.settings.units import parse_seconds

if TYPE_CHECKING:
    from magictel.settings.file import ConfigFile


def seconds(text: str) -> float:
    """Return the seconds of a duration. Raise `typer.BadParameter` for other text."""
    try:
        return parse_seconds(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a duration: use a form like 500ms, 10s or 2m") from None


def some_seconds(text: str) -> float:
    """Return the seconds of a duration above zero: a limit of zero would forbid what it limits."""
    if not (given := seconds(text)):
        raise typer.BadParameter(f"{text!r} leaves no time: use more than 0, for example 500ms or 10s")
    return given


def show_exchanges(asked: bool) -> bool:
    """Print the transport's log of each request and reply on standard error if `--debug` is set."""
    import logging

    logger = logging.getLogger(_EXCHANGES)
    logger.handlers = []
    if asked:
        from magictel.cli.log_output import LogOutput

        logger.handlers = [LogOutput()]
    logger.setLevel(logging.DEBUG if asked else logging.NOTSET)
    logger.propagate = not asked
    return asked


def exchanges_shown() -> bool:
    """Return whether exchanges are shown: an updating line would garble them."""
    import logging

    return bool(logging.getLogger(_EXCHANGES).handlers)


_EXCHANGES = "magictel.transports.exchange_log"


TargetsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET", show_default=False, help="Targets of the file, or exporters. Default: all enabled."
    ),
]
ToOption = Annotated[
    list[str] | None,
    typer.Option("--to", metavar="TARGET", help="Target; repeatable. Default: all enabled."),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="PATH", help="Configuration file. Default: MAGICTEL_CONFIG, or magictel.toml here."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="[TARGET.]KEY=VALUE", help="Override an option for this run."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Use every target of the file, enabled or not.")]
FormatOption = Annotated[Format, typer.Option("--format", help="Format of the output.")]
ResultFormatOption = Annotated[ResultFormat, typer.Option("--format", help="Format of the output.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing unless a target fails, warns or is unverified.")
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="KIND=PATH",
        help="Also write a report: json, junit, tap, github, nagios, prometheus, html. PATH - is standard output.",
    ),
]
DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Show each request and reply on standard error, redacted.", callback=show_exchanges),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, without doing it.")]
AllowMissingOption = Annotated[
    bool,
    typer.Option("--allow-missing-env", help="Do not fail on unset variables or missing secret files."),
]
SandboxBareOption = Annotated[
    bool, typer.Option("--sandbox-bare", help="Like --sandbox, but without the templates of magictel prepare.")
]
SandboxOption = Annotated[bool, typer.Option("--sandbox", help="Use embedded backends instead of real ones.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with code 3 on warnings.")]
JobsOption = Annotated[int, typer.Option("--jobs", metavar="N", min=1, max=64, help="Number of targets in parallel.")]
WithinOption = Annotated[
    float | None,
    typer.Option(
        "--within",
        parser=some_seconds,
        metavar="30s",
        help="Time to wait for the points. Default: three times the backend's own delay, at least 5s.",
    ),
]
VerifyWithOption = Annotated[
    str | None,
    typer.Option(
        "--verify-with", metavar="TARGET", help="Read back from this target, which stores what the chosen one forwards."
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", parser=some_seconds, metavar="10s", help="Timeout of each check before sending."),
]
TimingOption = Annotated[bool, typer.Option("--timing", help="Show where the time goes, and what to change.")]


def config_file(config: str | None) -> ConfigFile | None:
    """Return the configuration file from option, variable or working directory, or None if none is named and none exists."""
    from magictel.settings.locate import find

    return find(config, environment(), folder())
