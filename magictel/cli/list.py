"""`magictel list`: every registered exporter and its state, and the targets of the file; no built-in exporter is imported."""

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
from magictel.registry import entry_points
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
"""Below this many columns the summary has no room beside the state."""
_COLOURS = {"ready": "good", "needs": "odd", "broken": "bad"}


def command(
    all_: Annotated[
        bool, typer.Option("--all", help="Also what other packages put into OpenTelemetry's group of exporters.")
    ] = False,
    config: ConfigOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Every registered exporter, and the targets of the file."""
    held = environment()
    file = config_file(config)
    found = [_with_targets_values(one, file) for one in entry_points.registrations(held)]
    implied = [
        spec
        for spec in select.listed_targets(file, held, [one.name for one in found])
        if file is None or file.table(spec.name) is None
    ]
    targets = (*select.targets(file, held), *implied)
    others = entry_points.others() if all_ else ()
    known = {normal(one.name) for one in found}
    strays = [spec for spec in targets if normal(spec.exporter) not in known]
    if format_ is Format.JSON:
        rows = [_row(one, entry_points.GROUP, targets) for one in found]
        rows += [_row(one, entry_points.OTHERS_GROUP, ()) for one in others]
        unknown = [{**_target(spec), "exporter": spec.exporter, "reason": _why_unknown(spec)} for spec in strays]
        output.document({"schema": SCHEMA, "exporters": rows, "unknown": unknown})
        return 0
    for line in _text(found, others, targets, file.shown if file else None, _columns()):
        output.say(line)
    for spec in targets:
        if spec in strays or spec.unusable is not None:
            output.note(f"{spec.name}: {_why_unknown(spec)} ({spec.enabled_by})")
    return 0


def _with_targets_values(one: Registration, file: ConfigFile | None) -> Registration:
    """An exporter that needs a variable is ready where every target of it has the value in its table."""
    mine = [table for table in file.tables.values() if normal(table.exporter) == normal(one.name)] if file else []
    if one.state != "needs" or not mine:
        return one
    held = environment()
    missing = [
        variable
        for key, variable in one.required
        if not held.get(variable, "").strip() and any(key not in table.values for table in mine)
    ]
    return replace(one, state="needs" if missing else "ready", reason=", ".join(missing) or None)


def _row(one: Registration, group: str, targets: Sequence[TargetSpec]) -> dict[str, Any]:
    mine = [spec for spec in targets if normal(spec.exporter) == normal(one.name)]
    return {
        "name": one.name,
        "summary": one.summary,
        "package": one.package,
        "version": one.version,
        "state": one.state,
        "reason": one.reason,
        "targets": [_target(spec) for spec in mine],
        "group": group,
        "seconds": one.seconds,
    }


def _target(spec: TargetSpec) -> dict[str, Any]:
    return {"name": spec.name, "enabled": spec.enabled, "origin": str(spec.enabled_by)}


def _why_unknown(spec: TargetSpec) -> str:
    return spec.unusable.message if spec.unusable else select.unknown_name(spec.exporter, None, entry_points.names())


def _text(
    found: Sequence[Registration],
    others: Sequence[Registration],
    targets: Sequence[TargetSpec],
    shown: str | None,
    columns: int,
) -> list[str]:
    rows = [*found, *others]
    most = max(24, columns // 3)
    names = max((len(one.name) for one in rows if len(one.name) <= most), default=0)
    states = max((len(one.says) for one in rows if len(one.says) <= 20), default=0)
    lines = []
    for one in found:
        lines += _lines(one, names, states, columns)
    if others:
        lines += ["", "Exporters that other packages registered with OpenTelemetry:"]
        for one in others:
            lines.append(f"  {one.name:<{names}}  {one.package} {one.version}")
    if targets:
        lines += ["", f"Targets in {shown}:" if shown else "Targets:"]
        wide = max(len(spec.name) for spec in targets)
        middle = max(len(spec.exporter) for spec in targets)
        for spec in targets:
            enabled = "enabled " if spec.enabled else "disabled"
            lines.append(f"  {spec.name:<{wide}}  {spec.exporter:<{middle}}  {enabled}  {spec.enabled_by}")
    return lines


def _columns() -> int:
    """The terminal's width; in a pipe 80."""
    from magictel.reporters.tty import width_of

    return width_of(sys.stdout, environment()) or _COLUMNS


def _lines(one: Registration, names: int, states: int, columns: int) -> list[str]:
    package = "" if one.package == "magictel" else f"({one.package} {one.version})"
    remarks = [one.reason if one.state == "ready" and one.reason else ""]
    if one.seconds is not None and one.seconds >= _SLOW:
        remarks.append(f"its import takes {one.seconds:.1f} s")
    alone = (
        len(one.name) > names or max(map(len, one.says.split()), default=0) > columns - names - 4
    )  # the state goes below the name
    head = " " * 6 if alone else f"  {one.name:<{names}}  "
    said = paint(f"{one.says:<{states}}", _COLOURS[one.state])
    column = len(head) + states + 2 if columns >= _NARROW and not alone else 6
    rest = _wrapped("  ".join(filter(None, (one.summary, package))), columns - column)
    if len(rest) > 1:
        rest = [*_wrapped(one.summary, columns - column), *([package] if package else [])]
    if len(one.says) > states:  # it takes its own line, and more than one if it must
        reason = _wrapped(one.says, columns - len(head))
        lines = [f"{head}{paint(reason[0], _COLOURS[one.state])}", *(f"{'':<{len(head)}}{more}" for more in reason[1:])]
    elif rest and columns >= _NARROW and not alone:
        lines = [f"{head}{said}  {rest.pop(0)}"]
    else:
        lines = [f"{head}{said}".rstrip()]
    if alone:
        lines.insert(0, f"  {one.name}")
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
