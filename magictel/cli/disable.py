"""`magictel disable`: exclude a target of the file from commands that do not name it."""

from __future__ import annotations

from magictel.cli.edits import begin
from magictel.cli.enable import OneTarget, SetInTable, switch
from magictel.cli.options import AllowMissingOption, ConfigOption, DryRunOption, FormatOption
from magictel.cli.output import Format


def command(
    target: OneTarget,
    sets: SetInTable = None,
    config: ConfigOption = None,
    allow_missing_env: AllowMissingOption = False,
    dry_run: DryRunOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Disable a target of magictel.toml."""
    current = begin(config)
    return switch(current, target, False, sets or (), allow_missing_env, dry_run, format_)
