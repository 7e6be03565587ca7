"""The commands of `spool`: what waits on disk for each target; send it now, remove it, or write it to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli import output
from magictel.cli.commands import plain_app
from magictel.cli.options import (
    AllOption,
    ConfigOption,
    FormatOption,
    SetOption,
    TargetsArgument,
    some_seconds,
)
from magictel.cli.output import Format
from magictel.cli.spool_output import (
    code,
    end,
    listed,
    payloads,
    payloads_text,
    points_text,
    preview_document,
    previewed,
    sent,
)
from magictel.errors import UsageError

if TYPE_CHECKING:
    from magictel.operations.target_run import Job

app = plain_app(help="See, send or remove what waits on disk (setting spool).", no_args_is_help=True)

_WITHIN = 30.0

TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="A target, or an exporter.")]
PayloadsArgument = Annotated[
    list[int] | None,
    typer.Argument(metavar="NUMBER", show_default=False, help="Numbers of payloads, as show lists them."),
]


@app.command("ls")
def ls(
    targets: TargetsArgument = None,
    all_: AllOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """List what waits in the spool of each target, and why."""
    from magictel.cli.targets import chosen_targets
    from magictel.operations.spool import report

    chosen = chosen_targets(targets, all=all_, config=config, sets=sets)
    return end([report(target.job()) for target in chosen], format_, listed)


@app.command("show")
def show(
    target: TargetArgument,
    numbers: PayloadsArgument = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """List the payloads in a spool, or the points in some."""
    from magictel.operations.spool import previews

    result, seen = previews(_job(target, config, sets), numbers or ())
    if seen:
        return end([result], format_, lambda spool: previewed(seen), payloads=list(map(preview_document, seen)))
    return end([result], format_, payloads)


@app.command("retry")
def retry(
    target: TargetArgument,
    within: Annotated[
        float | None,
        typer.Option("--within", parser=some_seconds, metavar="30s", help="Time to send them. Default: 30s."),
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Send now what ended processes left in a spool.

    A running process sends its own points itself.
    """
    from magictel.operations.spool import retry as send

    return end([send(_job(target, config, sets), within or _WITHIN)], format_, sent)


@app.command("purge")
def purge(
    target: TargetArgument,
    numbers: PayloadsArgument = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove them; without it, only show their number.")] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Remove all or some payloads from a spool.

    Without --apply, nothing is removed. Points that a running process is sending stay. Removed points count as dropped.
    """
    from magictel.operations.spool import previews
    from magictel.operations.spool import purge as remove

    job = _job(target, config, sets)
    if apply:
        result = remove(job, numbers or ())
        return end([result], format_, lambda spool: [f"removed {points_text(spool.removed)}; they count as dropped"])
    result, _ = previews(job, numbers or ())
    rows = [row for row in result.contents.rows if not numbers or row.number in numbers]
    would = f"would remove {points_text(sum(row.points for row in rows))} in {payloads_text(len(rows))} (add --apply)"
    return end([result], format_, lambda spool: [would])


@app.command("export")
def export(
    target: TargetArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", show_default=False, help="A new file; - is standard output.")],
    config: ConfigOption = None,
    sets: SetOption = None,
) -> int:
    """Write a spool to a file as JSON lines.

    Each line has a payload and why it waits; the body is in Base64. The payloads stay in the spool.
    """
    from magictel.operations.spool import exported

    job = _job(target, config, sets)
    if path == "-":
        result = exported(job, lambda payload: output.say(json.dumps(payload)))
        return (
            code(result) if result.path is not None and result.trouble is None else end([result], Format.TEXT, listed)
        )
    try:
        file = os.fdopen(os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except FileExistsError:
        raise UsageError("usage.file-exists", f"{path} already exists", "name a new file") from None
    with file:
        result = exported(job, lambda payload: print(json.dumps(payload), file=file))
    size = payloads_text(len(result.contents.rows))
    return end(
        [result], Format.TEXT, lambda spool: [f"wrote {size} with {points_text(spool.contents.points)} to {path}"]
    )


def _job(target: str, config: str | None, sets: Sequence[str] | None) -> Job:
    from magictel.cli.targets import chosen_targets

    return chosen_targets([target], config=config, sets=sets)[0].job()
