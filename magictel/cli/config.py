"""`magictel config show` and `config check`: effective settings with their origins, and validation without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.commands import plain_app
from magictel.cli.errors import body, tell
from magictel.cli.exit_codes import Exit
from magictel.cli.output import Format, paint
from magictel.cli.targets import (
    AllOption,
    AllowMissingOption,
    Chosen,
    ConfigOption,
    FormatOption,
    SetOption,
    TargetsArgument,
    chosen_targets,
)
from magictel.errors import MagictelError

if TYPE_CHECKING:
    from magictel.settings.model import ExporterSettings

app = plain_app(help="Show settings with their origins, or validate them offline.", no_args_is_help=False)

SHOW_SCHEMA = "magictel.config/1"
CHECK_SCHEMA = "magictel.config-check/1"


@app.command("show")
def show(
    targets: TargetsArgument = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value came from.")] = False,
    all_: AllOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """The settings in force, secrets redacted."""
    chosen = chosen_targets(targets, all=all_, config=config, sets=sets)
    if format_ is Format.JSON:
        output.document({"schema": SHOW_SCHEMA, "targets": [_shown(one) for one in chosen]})
    else:
        for number, one in enumerate(chosen):
            if number:
                output.say()
            _say(one, origin)
    return _code(chosen)


@app.command("check")
def check(
    targets: TargetsArgument = None,
    all_: AllOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    allow_missing_env: AllowMissingOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Validate settings without a network."""
    chosen = chosen_targets(targets, all=all_, config=config, sets=sets, allow_missing_env=allow_missing_env)
    if format_ is Format.JSON:
        rows = [_checked(one) for one in chosen]
        outcome = "fail" if any(one.failure for one in chosen) else "warn" if _warned(chosen) else "pass"
        output.document({"schema": CHECK_SCHEMA, "outcome": outcome, "targets": rows})
        return _code(chosen)
    for one in chosen:
        for failure in problems(one):
            tell(failure, Format.TEXT, target=one.name)
        if one.resolved is not None:
            from magictel.cli.targets import summary

            for warning in one.resolved.warnings:
                output.note(paint(f"{one.name}: {warning}", "odd"))
            output.say(f"{one.name}: settings are usable: {summary(one.resolved)}")
    return _code(chosen)


def problems(one: Chosen) -> tuple[MagictelError, ...]:
    """Every mistake in a target's settings."""
    if one.failure is None:
        return ()
    every: tuple[MagictelError, ...] = getattr(one.failure, "every", ())
    return every or (one.failure,)


def _code(chosen: list[Chosen]) -> int:
    return Exit.UNUSABLE if any(one.failure is not None for one in chosen) else Exit.HELD


def _warned(chosen: list[Chosen]) -> bool:
    return any(one.resolved is not None and one.resolved.warnings for one in chosen)


def _shown(one: Chosen) -> dict[str, Any]:
    rows = {}
    for field, value, origin in _values(one):
        rows[field.key] = {"value": field.shown(value), "origin": str(origin), "layer": origin.kind}
    return {
        "target": one.name,
        "exporter": one.spec.exporter,
        "settings": rows,
        "warnings": list(one.resolved.warnings) if one.resolved else [],
        "error": body(one.failure) if one.failure else None,
    }


def _checked(one: Chosen) -> dict[str, Any]:
    warnings = list(one.resolved.warnings) if one.resolved else []
    return {
        "target": one.name,
        "exporter": one.spec.exporter,
        "outcome": "fail" if one.failure else "warn" if warnings else "pass",
        "problems": [body(failure) for failure in problems(one)],
        "warnings": warnings,
    }


def _say(one: Chosen, origin: bool) -> None:
    from magictel.settings.fields import toml_value

    if one.failure is not None:
        for failure in problems(one):
            tell(failure, Format.TEXT, target=one.name)
        return
    output.say(one.name if one.name == one.spec.exporter else f"{one.name}  {one.spec.exporter}")
    rows = []
    for field, value, where in _values(one):
        shown = field.amount(value) if field.unit and value else toml_value(field.shown(value))
        rows.append((field.key, "-" if value is None else shown, where))
    wide = max(len(key) for key, _, _ in rows)
    values = min(max(len(shown) for _, shown, _ in rows), 36)
    for key, shown, where in rows:
        line = f"  {key:<{wide}}  {shown}"
        output.say(f"{line:<{wide + 4 + values}}  {where}" if origin else line)
    for warning in one.resolved.warnings if one.resolved else ():
        output.note(paint(f"{one.name}: {warning}", "odd"))


def _values(one: Chosen) -> list[tuple[Any, Any, Any]]:
    from magictel.settings.fields import fields_of

    if one.resolved is None:
        return []
    settings: ExporterSettings = one.resolved.settings
    origins = one.resolved.origins
    return [(field, getattr(settings, field.key), origins[field.key]) for field in fields_of(type(settings))]
