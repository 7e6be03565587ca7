"""`magictel add`: add a target to the file."""

from __future__ import annotations

from typing import Annotated

import typer

from magictel.cli.edits import begin, finish, overridden, say_clear_secrets, validate
from magictel.cli.options import AllowMissingOption, ConfigOption, DryRunOption, FormatOption
from magictel.cli.output import Format
from magictel.errors import UsageError
from magictel.registry import entry_points
from magictel.settings import edit
from magictel.settings.names import TARGET_NAME, find

SetInFile = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set an option in the target's table."),
]


def command(
    exporter: Annotated[str, typer.Argument(metavar="EXPORTER", show_default=False, help="The target's exporter.")],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="TARGET", help="The target's name. Default: the exporter's name.")
    ] = None,
    sets: SetInFile = None,
    config: ConfigOption = None,
    allow_missing_env: AllowMissingOption = False,
    dry_run: DryRunOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Add a target to magictel.toml."""
    from magictel.settings.fields import field_map
    from magictel.settings.overrides import parse
    from magictel.settings.select import unknown_name

    known = find(exporter, entry_points.names())
    if known is None:
        raise UsageError(
            "usage.unknown-target",
            unknown_name(exporter, None, entry_points.names()),
            "magictel list shows all exporters",
        )
    name = as_ or known
    if not TARGET_NAME.fullmatch(name):
        raise UsageError(
            "usage.command-line",
            f"{name!r} is not a valid target name",
            "use letters, digits, - and _, beginning with a letter or digit",
        )
    shadowed = find(name, entry_points.names())
    if shadowed is not None and shadowed != known:
        raise UsageError(
            "usage.target-shadows",
            f"{shadowed} is another exporter's name: `magictel check {shadowed}` would mean this {known} target instead",
            f"choose another name, for example --as {known}-2 or --as prod-{known}",
        )
    fields = field_map(entry_points.load(known).Settings)
    overrides = parse(sets or (), (name,))[name]
    values = edit.nested(edit.written(fields, overrides))
    current = begin(config, must_exist=False)
    current.after = edit.add_target(current.before or edit.HEAD, name, known, values)
    validate(current, name, overrides=overrides, allow_missing_env=allow_missing_env)
    say_clear_secrets(current, name, fields)
    current.notes += overridden([name])
    message = f"added {name} to {current.shown}"
    return finish(current, format_, action="add", targets=[name], message=message, dry_run=dry_run)
