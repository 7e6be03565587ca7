"""`magictel status`: show the health of a running application's telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli import output
from magictel.cli.exit_codes import Exit
from magictel.cli.options import FormatOption
from magictel.cli.output import Format

if TYPE_CHECKING:
    from magictel.model.health import Health, TargetHealth
    from magictel.reporters.layout import Sheet

_NOTHING_LISTENS = "start the application with MAGICTEL_HEALTH_PORT=9465; a process that was forked has the next port"


def command(
    url: Annotated[
        str,
        typer.Argument(
            metavar="[URL]", show_default=False, help="Address of the health. Default: http://localhost:9465"
        ),
    ] = "",
    format_: FormatOption = Format.TEXT,
) -> int:
    """Show the health of a running application's telemetry: the last success, why the last export failed, and what waits.

    The application needs MAGICTEL_HEALTH_PORT. Exit code 1: a target is failing or unusable, or the application does not reply.
    """
    from magictel.cli.errors import tell
    from magictel.errors import WireError
    from magictel.operations.status import DEFAULT, status
    from magictel.transports.http import HttpTransport

    try:
        answer = status(url or DEFAULT, HttpTransport(trust_env=False))
    except WireError as failure:
        failure.remedy = _NOTHING_LISTENS if failure.phase == "tcp" else failure.remedy
        tell(failure, format_)
        return Exit.FAILED
    if format_ is Format.JSON:
        output.document(answer.document)
    else:
        _write(answer.health)
    return Exit.OK if answer.health.healthy else Exit.FAILED


def _write(health: Health) -> None:
    from magictel.reporters.humanize import span

    sheet = output.page()
    sheet.row([], f"{health.service}, process {health.pid}, started {span(health.now - health.started)} ago", hang=2)
    for target in health.targets:
        _write_target(sheet, target, health.now)
    sheet.row([], _verdict(health))
    sheet.flush()


def _write_target(sheet: Sheet, target: TargetHealth, now: float) -> None:
    from magictel.model.finding import Status
    from magictel.model.health import HealthStatus

    signs = {
        HealthStatus.OK: Status.PASS,
        HealthStatus.WAITING: Status.SKIPPED,
        HealthStatus.FAILING: Status.FAIL,
        HealthStatus.UNUSABLE: Status.FAIL,
    }
    sheet.row([*sheet.signed(signs[target.status]), (f"{target.target}  ", "")], target.endpoint)
    for sentence in _facts(target, now):
        sheet.note(6, sentence)
    connection = target.connection
    if target.code is not None:
        sheet.note(6, f"{target.message} ({target.code})")
        if target.remedy:
            sheet.note(6, target.remedy, "fix:   ")
        sheet.note(6, f"magictel explain {target.code}", "more:  ")
    elif connection is not None and connection.code is not None:
        sheet.note(6, f"connection test: {connection.message} ({connection.code})")
        if connection.remedy:
            sheet.note(6, connection.remedy, "fix:   ")


def _facts(target: TargetHealth, now: float) -> list[str]:
    from magictel.reporters.humanize import many, span
    from magictel.settings.units import bytes_text

    ledger = target.ledger
    counts = [
        f"{count} {name}"
        for name in ("unconfirmed", "rejected", "withheld", "dropped")
        if (count := getattr(ledger, name))
    ]
    facts = [", ".join((f"{many(ledger.sent, 'point')}: {ledger.delivered} delivered", *counts))]
    if not ledger.sent:
        facts = ["nothing was exported yet"]
    elif target.last_export is None:
        pass
    elif target.last_success is None:
        facts.append(f"last export {span(now - target.last_export)} ago; none has succeeded")
    else:
        facts.append(f"last success {span(now - target.last_success)} ago")
    queue = target.queue
    if queue is not None and queue.points and queue.spool:
        size = f"{bytes_text(queue.bytes)} of at most {bytes_text(queue.max_bytes)}"
        facts.append(f"{many(queue.points, 'point')} in {queue.spool}, {size}")
    elif queue is not None and queue.points:
        facts.append(f"{queue.points} of at most {queue.max_points} points wait")
    if queue is not None and queue.paused:
        facts.append(f"sending pauses for {span(queue.paused)}")
    return facts


def _verdict(health: Health) -> str:
    from magictel.model.health import HealthStatus
    from magictel.reporters.humanize import every, named

    bad = [target for target in health.targets if target.status in (HealthStatus.FAILING, HealthStatus.UNUSABLE)]
    if not health.targets:
        return "nothing is exported"
    if not bad:
        return f"{health.targets[0].target} OK" if len(health.targets) == 1 else f"{every(len(health.targets))} OK"
    names = named([f"{target.target} ({target.code})" for target in bad])
    return f"{len(bad)} of {len(health.targets)} FAILING: {names}"
