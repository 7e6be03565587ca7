"""`magictel enable`: a target of the file counts when none is named."""

from __future__ import annotations

from typing import Annotated

import typer

from magictel.cli.edits import begin, finish, overridden
from magictel.cli.output import Format
from magictel.cli.targets import ConfigOption, DryRunOption, FormatOption
from magictel.settings import edit

OneTarget = Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target of the file.")]


def command(
    target: OneTarget,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Let a target of magictel.toml count when none is named."""
    return switch(target, True, config, dry_run, format_)


def switch(target: str, enabled: bool, config: str | None, dry_run: bool, how: Format) -> int:
    """Enable or disable a target; says when `ENABLED_EXPORTERS` decides instead."""
    current = begin(config)
    current.after = edit.set_enabled(current.before, target, enabled)
    current.file()
    current.notes += overridden([target])
    word = "enabled" if enabled else "disabled"
    said = f"{target} is {word} in {current.shown}"
    return finish(current, how, action="enable" if enabled else "disable", targets=[target], said=said, dry_run=dry_run)
