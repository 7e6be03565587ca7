"""Options shared by several commands, and the configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli.durations import some_seconds
from magictel.cli.environment import environment, folder
from magictel.cli.output import Format, ResultFormat

if TYPE_CHECKING:
    from magictel.settings.file import ConfigFile

TargetsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET", show_default=False, help="Targets of the file, or exporters. Default: all enabled."
    ),
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
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", parser=some_seconds, metavar="10s", help="Timeout of each check before sending."),
]
TimingOption = Annotated[bool, typer.Option("--timing", help="Show where the time goes, and what to change.")]


def config_file(config: str | None) -> ConfigFile | None:
    """Return the configuration file from option, variable or working directory, or None if none is named and none exists."""
    from magictel.settings.file import find

    return find(config, environment(), folder())
