"""The options that commands share, and the file that one of them names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli.environment import environment, folder
from magictel.cli.output import Format, ResultFormat
from magictel.settings.locate import locate

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
        "--config", metavar="PATH", help="The file of targets. Default: MAGICTEL_CONFIG, or magictel.toml here."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="[TARGET.]KEY=VALUE", help="Set an option for this run; above every other layer."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Every target of the file, enabled or not.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is written.")]
ResultFormatOption = Annotated[ResultFormat, typer.Option("--format", help="How the result is written.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing unless a target failed, warns or is unverified.")
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="KIND=PATH",
        help="Also write a report: json, junit, tap, github, nagios, prometheus, html. PATH - is standard output.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
AllowMissingOption = Annotated[
    bool,
    typer.Option("--allow-missing-env", help="Do not fail on unset variables or missing secret files."),
]


def config_file(config: str | None) -> ConfigFile | None:
    """The config file by option, variable or folder; None where there is none and nobody named one."""
    path, _, said_by = locate(config, environment(), folder())
    if said_by is None and not path.exists():
        return None
    from magictel.settings.file import find

    return find(config, environment(), folder())
