"""`magictel add`: a new target of the file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from magictel import registry
from magictel.cli.edits import begin, clear_secrets, finish, overridden, validate
from magictel.cli.output import Format
from magictel.cli.targets import AllowMissingOption, ConfigOption, DryRunOption, FormatOption
from magictel.errors import UsageError
from magictel.settings import edit
from magictel.settings.names import TARGET_NAME, find

SetInFile = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An option of the target, written into its table."),
]


def command(
    exporter: Annotated[str, typer.Argument(metavar="EXPORTER", show_default=False, help="The exporter it is one of.")],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="TARGET", help="Its name. Default: the exporter's.")
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

    known = find(exporter, registry.names())
    if known is None:
        raise UsageError(
            "usage.unknown-target", unknown_name(exporter, None, registry.names()), "magictel list shows them all"
        )
    name = as_ or known
    if not TARGET_NAME.fullmatch(name):
        raise UsageError(
            "usage.command-line",
            f"{name!r} cannot be a target's name",
            "use letters, digits, - and _, a letter or digit first",
        )
    fields = field_map(registry.load(known).Settings)
    overrides = parse(sets or (), (name,))[name]
    values: dict[str, Any] = {}
    for path, (text, _) in overrides.items():
        key, dot, entry = path.partition(".")
        if dot:
            values.setdefault(key, {})[entry] = text
        else:
            values[key] = edit.toml_of(fields.get(key), text)
    current = begin(config, must_exist=False)
    current.after = edit.add_target(current.before or edit.HEAD, name, known, values)
    validate(current, name, overrides=overrides, allow_missing_env=allow_missing_env)
    table = current.file().table(name)
    assert table is not None
    for key in clear_secrets(table, [one.key for one in fields.values() if one.secret]):
        current.notes.append(
            f'{name}: {key} stands in clear in {current.shown}: "${{VARIABLE}}" or "file:PATH" keeps it out'
        )
    current.notes += overridden([name])
    said = f"added {name} to {current.shown}"
    return finish(current, format_, action="add", targets=[name], said=said, dry_run=dry_run)
