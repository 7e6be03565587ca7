"""`magictel record`: create a recording from a scrape or another file format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli.options import DebugOption, FormatOption, some_seconds
from magictel.cli.output import Format

if TYPE_CHECKING:
    from magictel.http.wire import Transport
    from magictel.secrets.redactor import Redactor

SCHEMA = "magictel.record/1"


def command(
    source: Annotated[
        str, typer.Option("--from", metavar="URL|FILE|-", help="Page to scrape, or recording in another format.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="New file; .zst and .gz are compressed.")],
    every: Annotated[
        float | None,
        typer.Option("--every", parser=some_seconds, metavar="15s", help="Scrape repeatedly at this interval."),
    ] = None,
    length: Annotated[
        float | None,
        typer.Option(
            "--for", parser=some_seconds, metavar="5m", help="With --every: total time. Default: until interrupted."
        ),
    ] = None,
    redact: Annotated[
        list[str] | None, typer.Option("--redact", metavar="PATTERN", help="Mask the values of attributes by key.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="PATTERN", help="Remove attributes by key.")
    ] = None,
    on_error: Annotated[
        str, typer.Option("--on-error", metavar="stop|skip", help="What to do with a line that cannot be parsed.")
    ] = "stop",
    debug: DebugOption = False,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Write OTLP JSON lines, as the Collector's file exporter does, from a scrape or from a recording in any supported format."""
    from magictel.cli import output
    from magictel.cli.errors import tell
    from magictel.cli.exit_codes import Exit
    from magictel.cli.replay_options import skips
    from magictel.cli.signals import raising
    from magictel.clock import SystemClock
    from magictel.files import expanded
    from magictel.gateway.custom import custom_metrics
    from magictel.operations.record import Recorded, RecordOptions, record
    from magictel.reporters.humanize import many
    from magictel.reporters.json import skipped_document

    patterns = tuple(redact or ()), tuple(drop or ())
    options = RecordOptions(source, expanded(out), every, length, *patterns, skips(on_error), custom_metrics)
    done = Recorded()
    stopped: KeyboardInterrupt | None = None
    try:
        with raising():
            record(options, done, _transport, SystemClock())
    except KeyboardInterrupt as stop:  # the file is complete: an interrupt is the normal end of an endless recording
        stopped = stop
    code = Exit.OK
    if done.broke_off or done.failed or not done.points:
        code = Exit.FAILED
    if stopped is not None:
        from magictel.cli.errors import failure_exit_code

        code = Exit(failure_exit_code(stopped))
    if format_ is Format.JSON:
        output.document(
            {
                "schema": SCHEMA,
                "out": out,
                "points": done.points,
                "series": done.series,
                "scrapes": done.scrapes,
                "failed": done.failed,
                "skipped": sum(reason.count for reason in done.reasons),
                "skipped_reasons": [skipped_document(reason) for reason in done.reasons],
                "examples": list(done.examples),
                "warnings": list(done.warnings),
                "code": done.failure.code if done.failure else None,
                "message": done.failure.message if done.failure else None,
            }
        )
        return code
    if done.failure is not None:
        tell(done.failure, format_)
    sheet = output.page()
    if done.points or done.failure is None:
        scraped = f" in {many(done.scrapes, 'scrape')}" if done.scrapes else ""
        missed = f", {done.failed} failed" if done.failed else ""
        where = f" to {out}" if done.points else f"; {out} was not created"
        skipped = f"; skipped {', '.join(map(str, done.reasons))}" if done.reasons else ""
        sheet.verbatim(
            f"recorded {many(done.points, 'point')} of {done.series} series{scraped}{missed}{where}{skipped}"
        )
    for example in done.examples if done.failure is None else ():
        sheet.verbatim(f"skipped: {example}")
    for warning in done.warnings:
        sheet.verbatim(f"warning: {warning}")
    return code


def _transport(redact: Redactor) -> Transport:
    from magictel.transports.http import HttpTransport

    return HttpTransport(redact=redact)
