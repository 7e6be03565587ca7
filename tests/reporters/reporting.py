"""Feeds a reporter with a case, and holds what every kind must do with text that a server or a bad setting put there."""

from __future__ import annotations

import io
from collections.abc import Iterable

from magictel.errors import MagictelError, UsageError
from magictel.model.events import (
    CheckStarted,
    Event,
    ReplayFinished,
    ReplayStarted,
    SendOutcome,
    SendResult,
    SkippedReason,
    SourceReport,
    TargetSent,
)
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.model.verification import Difference, Verification
from magictel.reporters.formats import make
from tests.reporters.cases import check_events, checked, send_events

NASTY = "a | b ; c = 'd' \" \\ <script>alert(1)</script> & # % \x00 \x1b[31m \u202e \ud800 \n::error::e\r\n## f `g` *h* _i_ é 😀"
COMMANDS = {CheckStarted: "check", ReplayStarted: "replay"}
FAILURE = UsageError("usage.unknown-target", "there is | no <such> target", "magictel list", "magictel.toml:7")


def report(kind: str, events: Iterable[Event], command: str = "") -> tuple[str, str]:
    """What a run of these events leaves in the file, and among the annotations."""
    stream, beside, events = io.StringIO(), io.StringIO(), list(events)
    command = command or COMMANDS.get(type(events[0]), "send-sample")
    reporter = make(kind, stream, command=command, annotations=beside)
    for event in events:
        reporter.on(event)
    reporter.finish()
    return stream.getvalue(), beside.getvalue()


def failed(kind: str) -> tuple[str, str]:
    """What a run that never began leaves."""
    stream, beside = io.StringIO(), io.StringIO()
    make(kind, stream, command="check", annotations=beside).fail(FAILURE)
    return stream.getvalue(), beside.getvalue()


def replay(*results: SendResult, skipped: int = 0, broken: MagictelError | None = None) -> list[Event]:
    """A replay of one recording."""
    targets = tuple(result.target for result in results)
    reasons = (SkippedReason("broken-line", skipped, "line", "cannot be read", lost=True),) if skipped else ()
    source = SourceReport(("traffic.jsonl",), 192, 24, reasons, 60.0, ("traffic.jsonl:7: no JSON",) * skipped)
    finished = ReplayFinished("", results, 1.0, source=source, broken=broken)
    return [ReplayStarted(("traffic.jsonl",), targets, 60.0), *map(TargetSent, results), finished]


def nasty_check() -> list[Event]:
    """A check in which every text is nasty, names included."""
    warned = Finding.warned(Rung.DNS, "net.dns.slow", NASTY, NASTY, first_bytes=NASTY, origin="magictel.toml:4")
    rung = Finding.failed(Rung.HTTP, "http.not-http", NASTY, NASTY, first_bytes=NASTY)
    return check_events(checked(NASTY, NASTY, NASTY, warned, rung))


def nasty_send() -> list[Event]:
    """A send in which every text is nasty."""
    receipt = Receipt(
        3, 1, rejected=1, dropped=1, attempts=1, reasons=(Reason("a.b", NASTY, 1, Fate.DROPPED, NASTY, True),)
    )
    seen = Verification(1, 1, altered=1, differences=(Difference(NASTY, NASTY, NASTY, NASTY),), missing_points=(NASTY,))
    return send_events(SendResult(NASTY, NASTY, SendOutcome.UNDELIVERED, receipt, seen, "a.b", NASTY, NASTY, NASTY))
