"""`magictel remove`: a target less in the file."""

from __future__ import annotations

from typing import Annotated

import typer

from magictel.cli.edits import begin, finish
from magictel.cli.output import Format
from magictel.cli.targets import ConfigOption, DryRunOption, FormatOption
from magictel.settings import edit


def command(
    target: Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target of the file.")],
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Take a target out of magictel.toml; the comments around it stay."""
    current = begin(config)
    current.after = edit.remove_target(current.before, target)
    current.file()
    said = f"removed {target} from {current.shown}"
    return finish(current, format_, action="remove", targets=[target], said=said, dry_run=dry_run)
