"""`magictel enable`: include a target of the file in commands that name none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from magictel.cli.edits import Edit, begin, finish, overridden, say_clear_secrets, validate
from magictel.cli.options import AllowMissingOption, ConfigOption, DryRunOption, FormatOption
from magictel.cli.output import Format
from magictel.registry import entry_points
from magictel.settings import edit

OneTarget = Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target of the file.")]
SetInTable = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Also set an option in the target's table; the settings are then validated.",
    ),
]


def command(
    target: OneTarget,
    sets: SetInTable = None,
    config: ConfigOption = None,
    allow_missing_env: AllowMissingOption = False,
    dry_run: DryRunOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Enable a target of magictel.toml."""
    current = begin(config)
    return switch(current, target, True, sets or (), allow_missing_env, dry_run, format_)


def switch(
    current: Edit, target: str, enabled: bool, sets: Sequence[str], allow_missing_env: bool, dry_run: bool, how: Format
) -> int:
    """Enable or disable a target and set options in the same edit; report if `ENABLED_EXPORTERS` overrides it."""
    current.after = edit.set_enabled(current.before, target, enabled)
    if sets:
        _set(current, target, sets, allow_missing_env)
    current.file()
    current.notes += overridden([target])
    word = "enabled" if enabled else "disabled"
    message = f"{target} is {word} in {current.shown}"
    if sets:
        message += f", with {len(sets)} option{'s' * (len(sets) > 1)} set"
    return finish(
        current, how, action="enable" if enabled else "disable", targets=[target], message=message, dry_run=dry_run
    )


def _set(current: Edit, target: str, sets: Sequence[str], allow_missing_env: bool) -> None:
    from magictel.settings.fields import field_map
    from magictel.settings.overrides import parse

    file = current.file()
    table = file.table(target)
    assert table is not None
    fields = field_map(entry_points.load(table.exporter).Settings)
    overrides = parse(sets, (table.name,), file.tables)[table.name]
    before = current.after
    try:
        current.after = edit.set_values(before, target, edit.written(fields, overrides))
    except ValueError:  # an entry below a value that is not a table: validation has a better message
        current.after = before
    validate(current, target, overrides=overrides, allow_missing_env=allow_missing_env)
    say_clear_secrets(current, target, fields)
