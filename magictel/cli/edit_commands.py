"""`magictel add`, `remove`, `enable` and `disable`: edit the targets of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from magictel.cli.edits import Edit, begin, finish, overridden, say_clear_secrets, validate
from magictel.cli.options import AllowMissingOption, ConfigOption, DryRunOption, FormatOption
from magictel.cli.output import Format
from magictel.cli.targets import resolved_settings
from magictel.errors import MagictelError, UsageError
from magictel.registry import entry_points
from magictel.settings import edit
from magictel.settings.names import TARGET_NAME, find

OneTarget = Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target of the file.")]
SetInTable = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Also set an option in the target's table; the settings are then validated.",
    ),
]
SetInFile = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set an option in the target's table."),
]
SetAsGuard = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Guard: remove the target only if this is its effective value; otherwise exit 2 and change nothing.",
    ),
]


def add(
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
    from magictel.settings.select import parse_overrides, unknown_name

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
    overrides = parse_overrides(sets or (), (name,))[name]
    values = edit.nested(edit.written(fields, overrides))
    current = begin(config, must_exist=False)
    current.after = edit.add_target(current.before or edit.HEAD, name, known, values)
    validate(current, name, overrides=overrides, allow_missing_env=allow_missing_env)
    say_clear_secrets(current, name, fields)
    current.notes += overridden([name])
    message = f"added {name} to {current.shown}"
    return finish(current, format_, action="add", targets=[name], message=message, dry_run=dry_run)


def remove(
    target: OneTarget,
    sets: SetAsGuard = None,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Remove a target from magictel.toml; comments around it are kept."""
    current = begin(config)
    current.after = edit.remove_target(current.before, target)
    if sets:
        _guard(current, target, sets)
    current.file()
    message = f"removed {target} from {current.shown}"
    return finish(current, format_, action="remove", targets=[target], message=message, dry_run=dry_run)


def _switch(enabled: bool) -> Callable[..., int]:
    """Return the command `enable` or `disable`; both report if `ENABLED_EXPORTERS` overrides the file."""

    def switch(
        target: OneTarget,
        sets: SetInTable = None,
        config: ConfigOption = None,
        allow_missing_env: AllowMissingOption = False,
        dry_run: DryRunOption = False,
        format_: FormatOption = Format.TEXT,
    ) -> int:
        current = begin(config)
        current.after = edit.set_enabled(current.before, target, enabled)
        if sets:
            _set(current, target, sets, allow_missing_env)
        current.file()
        current.notes += overridden([target])
        action = "enable" if enabled else "disable"
        message = f"{target} is {action}d in {current.shown}"
        if sets:
            message += f", with {len(sets)} option{'s' * (len(sets) > 1)} set"
        return finish(current, format_, action=action, targets=[target], message=message, dry_run=dry_run)

    return switch


enable, disable = _switch(True), _switch(False)


def _set(current: Edit, target: str, sets: Sequence[str], allow_missing_env: bool) -> None:
    from magictel.settings.fields import field_map
    from magictel.settings.select import parse_overrides

    file = current.file()
    table = file.table(target)
    assert table is not None
    fields = field_map(entry_points.load(table.exporter).Settings)
    overrides = parse_overrides(sets, (table.name,), file.tables)[table.name]
    before = current.after
    try:
        current.after = edit.set_values(before, target, edit.written(fields, overrides))
    except ValueError:  # an entry below a value that is not a table: validation has a better message
        current.after = before
    validate(current, target, overrides=overrides, allow_missing_env=allow_missing_env)
    say_clear_secrets(current, target, fields)


def _guard(current: Edit, target: str, sets: Sequence[str]) -> None:
    """Raise `UsageError` unless the effective settings match `--set`. Values are not shown: they may be secret."""
    from magictel.settings.file import parse as parse_file
    from magictel.settings.select import parse_overrides

    file = parse_file(current.before, current.path, current.shown)
    table = file.table(target)
    assert table is not None
    overrides = parse_overrides(sets, (table.name,), file.tables)[table.name]
    model = entry_points.load(table.exporter).Settings

    def effective(over: Any) -> Any:
        return resolved_settings(table.name, table.exporter, model, file, over, allow_missing_env=True)

    try:
        now, wanted = effective({}), effective(overrides)
    except MagictelError as failure:
        raise UsageError(
            "usage.guard",
            f"{table.name} is not removed: --set cannot be compared: {failure.message}",
            failure.remedy or f"magictel config check {table.name} shows the problem",
            failure.origin,
        ) from None
    for path in overrides:
        key = path.partition(".")[0]
        unknown = key in now.later or key in wanted.later
        if unknown or getattr(now.settings, key) != getattr(wanted.settings, key):
            problem = "is not known on this machine" if unknown else "has another value"
            raise UsageError(
                "usage.guard",
                f"{table.name} is not removed: its {path} {problem} (from {now.origins[key]})",
                f"magictel config show {table.name} --origin shows the effective settings",
            )
