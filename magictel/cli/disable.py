"""`magictel disable`: a target stays in the file and is not used unless it is named."""

from __future__ import annotations

from magictel.cli.enable import OneTarget, switch
from magictel.cli.output import Format
from magictel.cli.targets import ConfigOption, DryRunOption, FormatOption


def command(
    target: OneTarget,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Keep a target of magictel.toml without using it."""
    return switch(target, False, config, dry_run, format_)
