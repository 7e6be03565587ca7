"""`magictel run`: scrape a page and send every scrape to the chosen targets, until it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli import options
from magictel.cli.output import ResultFormat

if TYPE_CHECKING:
    import logging

    from magictel.operations.scrape import Page


def command(
    source: Annotated[str, typer.Option("--from", metavar="URL", help="Page to scrape.")],
    to: options.ToOption = None,
    all_: options.AllOption = False,
    every: Annotated[
        float, typer.Option("--every", parser=options.some_seconds, metavar="15s", help="Scrape interval.")
    ] = "1s",  # type: ignore[assignment] # typer parses the default as well
    job: Annotated[
        str, typer.Option("--job", metavar="NAME", help="Value of the label job (service.name) on every point.")
    ] = "magictel",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if points were lost, and with 3 on warnings.")
    ] = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
    format_: options.ResultFormatOption = ResultFormat.TEXT,
    report: options.ReportOption = None,
    sets: options.SetOption = None,
    config: options.ConfigOption = None,
) -> int:
    """Scrape a page and send each scrape to the chosen targets, until SIGINT or SIGTERM.

    What a target does not accept waits in its outbox, which is flushed at least every 2.5 s unless the target's breaker is open. A
    signal ends the run after a last flush, with exit code 0 and a summary of what became of every point.
    """
    from magictel.cli.exit_codes import Exit, after_send
    from magictel.cli.interrupts import Interrupts
    from magictel.cli.reports import Reports
    from magictel.cli.targets import chosen_targets, that_send
    from magictel.errors import UsageError
    from magictel.operations.run import run
    from magictel.operations.scrape import SCHEMES, Page
    from magictel.transports.http import HttpTransport

    if not source.startswith(SCHEMES):
        raise UsageError(
            "usage.record",
            "--from is not an http or https URL: only a page can be scraped again and again",
            "to send a file: magictel replay FILE --to TARGET",
        )
    page = Page.at(source)
    chosen = that_send(chosen_targets(to, all=all_, config=config, sets=sets), to, quiet=quiet)
    with (
        _logged(page, quiet=quiet),
        Interrupts() as interrupts,
        Reports(format_, report, "run", None, quiet=quiet) as reports,
    ):
        transport = HttpTransport(redact=page.redact)
        interrupts.drive(run([target.job() for target in chosen], page, transport, every, job), reports)
        reports.finish()
        done = reports.sent
        code = Exit.FAILED if done is None else after_send(done, strict=strict)
        if not strict and code is not Exit.UNUSABLE:
            code = Exit.OK
    return interrupts.leave(code)


@contextmanager
def _logged(page: Page, *, quiet: bool) -> Iterator[None]:
    """Print the log of the run on standard error: failed scrapes, deliveries that fail and recover."""
    import logging

    from magictel.cli.log_output import LogOutput

    def shown(record: logging.LogRecord) -> str:
        return f"{record.name.removeprefix('magictel.')}: {page.redact(record.getMessage())}"

    logger = logging.getLogger("magictel")
    handler, propagate = LogOutput(logging.ERROR if quiet else logging.WARNING, shown), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
