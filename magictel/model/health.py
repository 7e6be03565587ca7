"""The health of a running application's telemetry, by what really happened to its exports."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from magictel.model.events import CheckOutcome
from magictel.model.outcome import Receipt

SCHEMA = "magictel.status/1"


class HealthStatus(StrEnum):
    """How the last export of a target ended; of a page, the last scrape."""

    OK = "ok"
    WAITING = "waiting"
    """Nothing was exported yet."""
    FAILING = "failing"
    """The last export rejected, dropped or queued points."""
    UNUSABLE = "unusable"
    """Its settings are unusable: every point is dropped."""


class Queue(msgspec.Struct, frozen=True):
    """What waits, and its limits. `paused`: the seconds for which nothing is sent, after failures or because the backend requested it.

    `spool`: the file in which it waits; `bytes` are then those of all processes, and 0 points of `max_points` mean no limit.
    """

    points: int
    bytes: int
    max_points: int
    max_bytes: int
    breaker: str
    paused: float = 0.0
    spool: str | None = None


class Connection(msgspec.Struct, frozen=True):
    """The connection test at the start: its outcome, and the first failure or warning."""

    outcome: CheckOutcome
    code: str | None = None
    message: str | None = None
    remedy: str | None = None


class TargetHealth(msgspec.Struct, frozen=True):
    """The health of a target. Times are Unix seconds, None: never.

    `code`, `message` and `remedy` say why it is failing or unusable. `last_success`: when the backend last accepted a point.
    """

    target: str
    exporter: str
    endpoint: str
    status: HealthStatus
    ledger: Receipt
    last_export: float | None = None
    last_success: float | None = None
    code: str | None = None
    message: str | None = None
    remedy: str | None = None
    queue: Queue | None = None
    connection: Connection | None = None

    @property
    def ready(self) -> bool:
        """Return whether its connection test passed, or points have arrived."""
        tested = self.connection is not None and self.connection.outcome is not CheckOutcome.FAIL
        return self.status is not HealthStatus.UNUSABLE and (tested or self.last_success is not None)


class Health(msgspec.Struct, frozen=True):
    """The health of an application in one process, at the time `now`."""

    service: str
    instance: str
    pid: int
    started: float
    now: float
    targets: tuple[TargetHealth, ...]

    @property
    def healthy(self) -> bool:
        """Return whether no target is failing or unusable."""
        return all(target.status in (HealthStatus.OK, HealthStatus.WAITING) for target in self.targets)

    @property
    def ready(self) -> bool:
        """Return whether every target is ready."""
        return all(target.ready for target in self.targets)
