"""`magictel list`: list registered exporters with their state, and the targets of the file; imports no built-in exporter."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.environment import environment
from magictel.cli.options import ConfigOption, FormatOption, config_file
from magictel.cli.output import Format, paint
from magictel.registry import entry_points, foreign
from magictel.registry.entry_points import Registration
from magictel.settings import select
from magictel.settings.names import normal
from magictel.settings.select import TargetSpec

if TYPE_CHECKING:
    from magictel.settings.file import ConfigFile

SCHEMA = "magictel.list/1"
_SLOW = 1.0
_COLUMNS = 80
_NARROW = 60
"""Below this width the summary does not fit beside the state."""
_COLOURS = {"ready": "good", "needs": "odd", "broken": "bad"}


def command(
    all_: Annotated[
        bool, typer.Option("--all", help="Also list the exporters that other packages register with OpenTelemetry.")
    ] = False,
    config: ConfigOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """List the registered exporters and the targets of the file."""
    env = environment()
    file = config_file(config)
    registrations = [_with_targets_values(registration, file) for registration in entry_points.registrations(env)]
    implied = [
        spec
        for spec in select.listed_targets(file, env, [registration.name for registration in registrations])
        if file is None or file.table(spec.name) is None
    ]
    targets = (*select.targets(file, env), *implied)
    named = any(spec.exporter.startswith(entry_points.FOREIGN) for spec in targets)
    theirs = foreign.others() if all_ or named else ()
    others = theirs if all_ else ()
    known = {normal(registration.name) for registration in (*registrations, *theirs)}
    strays = [spec for spec in targets if normal(spec.exporter) not in known]
    if format_ is Format.JSON:
        rows = [_row(registration, entry_points.GROUP, targets) for registration in registrations]
        rows += [_row(registration, entry_points.OTHERS_GROUP, ()) for registration in others]
        unknown = [{**_target(spec), "exporter": spec.exporter, "reason": _why_unknown(spec)} for spec in strays]
        output.document({"schema": SCHEMA, "exporters": rows, "unknown": unknown})
        return 0
    for line in _text(registrations, others, targets, file.shown if file else None, _columns()):
        output.say(line)
    for spec in targets:
        if spec in strays or spec.unusable is not None:
            output.note(f"{spec.name}: {_why_unknown(spec)} ({spec.enabled_by})")
    return 0


def _with_targets_values(registration: Registration, file: ConfigFile | None) -> Registration:
    """Mark an exporter that needs a variable as ready if the table of each of its targets sets the value."""
    mine = (
        [table for table in file.tables.values() if normal(table.exporter) == normal(registration.name)] if file else []
    )
    if registration.state != "needs" or not mine:
        return registration
    env = environment()
    missing = [
        variable
        for key, variable in registration.required
        if not env.get(variable, "").strip() and any(key not in table.values for table in mine)
    ]
    return replace(registration, state="needs" if missing else "ready", reason=", ".join(missing) or None)


def _row(registration: Registration, group: str, targets: Sequence[TargetSpec]) -> dict[str, Any]:
    mine = [spec for spec in targets if normal(spec.exporter) == normal(registration.name)]
    return {
        "name": registration.name,
        "summary": registration.summary,
        "package": registration.package,
        "version": registration.version,
        "also_registered_by": list(registration.rivals),
        "state": registration.state,
        "reason": registration.reason,
        "targets": [_target(spec) for spec in mine],
        "group": group,
        "seconds": registration.seconds,
    }


def _target(spec: TargetSpec) -> dict[str, Any]:
    return {"name": spec.name, "enabled": spec.enabled, "origin": str(spec.enabled_by)}


def _why_unknown(spec: TargetSpec) -> str:
    return spec.unusable.message if spec.unusable else select.unknown_name(spec.exporter, None, entry_points.names())


def _text(
    registrations: Sequence[Registration],
    others: Sequence[Registration],
    targets: Sequence[TargetSpec],
    shown: str | None,
    columns: int,
) -> list[str]:
    rows = [*registrations, *others]
    most = max(24, columns // 3)
    names = max((len(registration.name) for registration in rows if len(registration.name) <= most), default=0)
    states = max((len(registration.says) for registration in rows if len(registration.says) <= columns // 5), default=0)
    lines = []
    for registration in registrations:
        lines += _lines(registration, names, states, columns)
    if others:
        lines += ["", "Exporters that other packages registered with OpenTelemetry, for send-sample and replay:"]
        for registration in others:
            lines.append(f"  {registration.name:<{names}}  {registration.package} {registration.version}")
    if targets:
        lines += ["", f"Targets in {shown}:" if shown else "Targets:"]
        wide = max(len(spec.name) for spec in targets)
        middle = max(len(spec.exporter) for spec in targets)
        for spec in targets:
            enabled = "enabled " if spec.enabled else "disabled"
            lines.append(f"  {spec.name:<{wide}}  {spec.exporter:<{middle}}  {enabled}  {spec.enabled_by}")
    return lines


def _columns() -> int:
    """Return the terminal's width, or 80 in a pipe."""
    from magictel.reporters.tty import width_of

    return width_of(sys.stdout, environment()) or _COLUMNS


def _lines(registration: Registration, names: int, states: int, columns: int) -> list[str]:
    packages = f"{registration.package} {registration.version}", *registration.rivals
    package = "" if registration.package == "magictel" else f"({', '.join(packages)})"
    remarks = [registration.reason if registration.state == "ready" and registration.reason else ""]
    if registration.seconds is not None and registration.seconds >= _SLOW:
        remarks.append(f"its import takes {registration.seconds:.1f} s")
    alone = (
        len(registration.name) > names or max(map(len, registration.says.split()), default=0) > columns - names - 4
    )  # the state goes below the name
    head = " " * 6 if alone else f"  {registration.name:<{names}}  "
    state = paint(f"{registration.says:<{states}}", _COLOURS[registration.state])
    column = len(head) + states + 2 if columns >= _NARROW and not alone else 6
    rest = _wrapped("  ".join(filter(None, (registration.summary, package))), columns - column)
    if len(rest) > 1:
        rest = [*_wrapped(registration.summary, columns - column), *([package] if package else [])]
    if len(registration.says) > states:  # it needs one or more lines of its own
        reason = _wrapped(registration.says, columns - len(head))
        lines = [
            f"{head}{paint(reason[0], _COLOURS[registration.state])}",
            *(f"{'':<{len(head)}}{more}" for more in reason[1:]),
        ]
    elif rest and columns >= _NARROW and not alone:
        lines = [f"{head}{state}  {rest.pop(0)}"]
    else:
        lines = [f"{head}{state}".rstrip()]
    if alone:
        lines.insert(0, f"  {registration.name}")
    return lines + [
        f"{'':<{column}}{more}" for more in (*rest, *_wrapped("; ".join(filter(None, remarks)), columns - column))
    ]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return (
        [text]
        if 0 < len(text) <= width
        else textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
    )
