"""`magictel config show` and `config check`: effective settings with their origins, and validation without a network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.commands import plain_app
from magictel.cli.errors import body, tell
from magictel.cli.exit_codes import Exit
from magictel.cli.options import AllOption, AllowMissingOption, ConfigOption, FormatOption, SetOption, TargetsArgument
from magictel.cli.output import Format, paint
from magictel.cli.targets import Chosen, chosen_targets, summary
from magictel.reporters.symbols import printable

if TYPE_CHECKING:
    from magictel.settings.model import ExporterSettings

app = plain_app(help="Show settings with their origins, or validate them offline.", no_args_is_help=False)

SHOW_SCHEMA = "magictel.config/1"
CHECK_SCHEMA = "magictel.config-check/1"


@app.command("show")
def show(
    targets: TargetsArgument = None,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
    all_: AllOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Show the effective settings, with secrets redacted."""
    chosen = chosen_targets(targets, all=all_, config=config, sets=sets)
    if format_ is Format.JSON:
        output.document(shown_document(chosen))
    else:
        for number, target in enumerate(chosen):
            if number:
                output.say()
            _say(target, origin)
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
    """Validate the settings, without any network access."""
    chosen = chosen_targets(targets, all=all_, config=config, sets=sets, allow_missing_env=allow_missing_env)
    if format_ is Format.JSON:
        rows = [_checked(target) for target in chosen]
        outcome = (
            "fail"
            if any(target.failure for target in chosen)
            else "warn"
            if any(target.warnings for target in chosen)
            else "pass"
        )
        output.document({"schema": CHECK_SCHEMA, "outcome": outcome, "targets": rows})
        return _code(chosen)
    for target in chosen:
        for failure in target.problems:
            tell(failure, Format.TEXT, target=target.name)
        if target.resolved is not None:
            _warn(target)
            output.say(f"{target.name}: settings are usable: {summary(target.resolved)}")
    return _code(chosen)


def _code(chosen: list[Chosen]) -> int:
    return Exit.UNUSABLE if any(target.failure is not None for target in chosen) else Exit.OK


def shown_document(chosen: list[Chosen]) -> dict[str, Any]:
    """Return the effective settings with their origins as a JSON document, without secrets."""
    return {"schema": SHOW_SCHEMA, "targets": [_shown(target) for target in chosen]}


def _shown(target: Chosen) -> dict[str, Any]:
    rows = {}
    for field, value, origin in _values(target):
        rows[field.key] = {"value": field.shown(value), "origin": str(origin), "layer": origin.kind}
    return {
        "target": target.name,
        "exporter": target.spec.exporter,
        "settings": rows,
        "warnings": list(target.warnings),
        "error": body(target.failure) if target.failure else None,
    }


def _checked(target: Chosen) -> dict[str, Any]:
    return {
        "target": target.name,
        "exporter": target.spec.exporter,
        "outcome": "fail" if target.failure else "warn" if target.warnings else "pass",
        "problems": [body(failure) for failure in target.problems],
        "warnings": list(target.warnings),
    }


def _say(target: Chosen, origin: bool) -> None:
    from magictel.settings.fields import toml_value

    if target.failure is not None:
        for failure in target.problems:
            tell(failure, Format.TEXT, target=target.name)
        return
    output.say(target.name if target.name == target.spec.exporter else f"{target.name}  {target.spec.exporter}")
    rows = []
    for field, value, where in _values(target):
        shown = field.amount(value) if field.unit and value else toml_value(field.shown(value))
        rows.append((field.key, "-" if value is None else shown, where))
    wide = max(len(key) for key, _, _ in rows)
    values = min(max(len(shown) for _, shown, _ in rows), 36)
    for key, shown, where in rows:
        line = f"  {key:<{wide}}  {shown}"
        output.say(f"{line:<{wide + 4 + values}}  {where}" if origin else line)
    _warn(target)


def _warn(target: Chosen) -> None:
    for warning in target.warnings:
        output.note(paint(printable(f"{target.name}: {warning}"), "odd", sys.stderr))


def _values(target: Chosen) -> list[tuple[Any, Any, Any]]:
    from magictel.settings.fields import fields_of

    if target.resolved is None:
        return []
    settings: ExporterSettings = target.resolved.settings
    origins = target.resolved.origins
    return [(field, getattr(settings, field.key), origins[field.key]) for field in fields_of(type(settings))]
