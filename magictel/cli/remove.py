"""`magictel remove`: remove a target from the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from magictel.cli.edits import Edit, begin, finish
from magictel.cli.environment import environment, folder
from magictel.cli.options import ConfigOption, DryRunOption, FormatOption
from magictel.cli.output import Format
from magictel.errors import MagictelError, UsageError
from magictel.registry import entry_points
from magictel.settings import edit

SetAsGuard = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Guard: remove the target only if this is its effective value; otherwise exit 2 and change nothing.",
    ),
]


def command(
    target: Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target of the file.")],
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


def _guard(current: Edit, target: str, sets: Sequence[str]) -> None:
    """Raise `UsageError` unless the effective settings match `--set`. Values are not shown: they may be secret."""
    from magictel.settings.file import parse as parse_file
    from magictel.settings.load import resolve_settings
    from magictel.settings.overrides import parse

    file = parse_file(current.before, current.path, current.shown)
    table = file.table(target)
    assert table is not None
    overrides = parse(sets, (table.name,), file.tables)[table.name]
    model = entry_points.load(table.exporter).Settings

    def effective(over: Any) -> Any:
        return resolve_settings(
            table.name,
            table.exporter,
            model,
            environment=environment(),
            config=file,
            overrides=over,
            allow_missing_env=True,
            folder=folder(),
        )

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
