"""The health of each target: when it last exported, how that ended, and what waits."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from magictel.clock import Clock
from magictel.model.events import CheckResult
from magictel.model.finding import Status
from magictel.model.health import Connection, HealthStatus, TargetHealth
from magictel.model.observer import Observer
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.plugin.exporter import Exporter
from magictel.runtime.counting import CountingExporter
from magictel.runtime.targets import RunningTarget

_LOST = frozenset({Fate.REJECTED, Fate.DROPPED, Fate.KEPT})


class _Latest(msgspec.Struct, frozen=True):
    """The last export; replaced as a whole, because another thread reads it."""

    ended: float | None = None
    success: float | None = None
    why: Reason | None = None
    """Why it lost points or left some in the outbox."""


class Exports(Observer):
    """Follows the exports of a target in one process."""

    def __init__(self, clock: Clock) -> None:
        self.latest = _Latest()
        self._clock = clock
        self._ledger = Receipt()

    def exported(self, ledger: Receipt) -> None:
        """Remember how an export ended; one without points changes only the time."""
        new, self._ledger = ledger.since(self._ledger), ledger
        latest, now = replace(self.latest, ended=self._clock.now()), self._clock.now()
        why = next((reason for reason in new.reasons if reason.fate in _LOST), None)
        if new.readable:
            latest = replace(latest, success=now)
        if new.readable or new.withheld or why is not None:
            latest = replace(latest, why=why)
        self.latest = latest

    def ended(self, ledger: Receipt, dropped: Receipt) -> None:
        """Remember how the last export ended."""
        if ledger != self._ledger:
            self.exported(ledger)


class TargetMonitor:
    """Reports the health of a target; to be renewed in a forked child, whose exporter forgets its observers."""

    def __init__(self, target: RunningTarget, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """Begin to follow the exporter of this process."""
        self._exports = Exports(self._clock)
        exporter = self._target.exporter
        if not isinstance(exporter, CountingExporter):
            exporter.observers.add(self._exports)

    def health(self, tested: CheckResult | None) -> TargetHealth:
        """Return the health; `tested` is the result of the connection test, None: it is not finished."""
        name, exporter = self._target.name, self._target.exporter
        if isinstance(exporter, CountingExporter):
            why = exporter.unusable
            unusable = TargetHealth(name, name, "", HealthStatus.UNUSABLE, exporter.ledger)
            return replace(unusable, code=why.code, message=why.message, remedy=why.remedy)
        latest = self._exports.latest
        status = HealthStatus.FAILING if latest.why else HealthStatus.OK if latest.ended else HealthStatus.WAITING
        return TargetHealth(
            name,
            exporter.name,
            exporter.endpoint(),
            status,
            exporter.ledger,
            latest.ended,
            latest.success,
            latest.why.code if latest.why else None,
            " ".join(latest.why.message.split()) if latest.why else None,
            queue=exporter.queue if isinstance(exporter, Exporter) else None,
            connection=None if tested is None else _connection(tested),
        )


def _connection(result: CheckResult) -> Connection:
    for status in (Status.FAIL, Status.WARN):
        for finding in result.rungs:
            if finding.outcome is status:
                return Connection(result.outcome, finding.code, finding.message, finding.remedy)
    return Connection(result.outcome)
