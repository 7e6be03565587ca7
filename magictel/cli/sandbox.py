"""`magictel sandbox`: the embedded backends, until somebody stops them; their addresses as lines for a shell."""

from __future__ import annotations

import shlex
import threading
from typing import Annotated

import typer

from magictel.cli.durations import some_seconds
from magictel.cli.output import Format
from magictel.cli.targets import FormatOption

SCHEMA = "magictel.sandbox/1"


def command(
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="SCRIPT",
            help="What one of them does wrong, write by write: 'elasticsearch: 429 x3 retry-after=1, then reset, then partial 10%'.",
        ),
    ] = None,
    for_: Annotated[
        float | None, typer.Option("--for", parser=some_seconds, metavar="60s", help="Stop by itself after this long.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Start only these; names may be joined by commas."),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Start the embedded backends on loopback and print their addresses as export lines; Ctrl-C ends them."""
    from magictel import sandbox
    from magictel.cli import output
    from magictel.cli.failure import exit_code
    from magictel.cli.signals import raising
    from magictel.clock import SystemClock

    names = [name for text in only or () for name in text.split(",") if name.strip()]
    with raising(), sandbox.start(names or None, faults=fault or ()) as room:
        variables = room.environment()
        if format_ is Format.JSON:
            output.document({"schema": SCHEMA, "environment": variables})
        else:
            for name, value in variables.items():
                output.say(f"export {name}={shlex.quote(value)}")
        output.flush()
        if for_ is None:
            output.note("The sandbox runs until Ctrl-C.")
        try:
            SystemClock().wait(for_ if for_ is not None else threading.TIMEOUT_MAX, threading.Event())
        except KeyboardInterrupt as stop:  # the usual end: nothing to explain
            return exit_code(stop)
    return 0
