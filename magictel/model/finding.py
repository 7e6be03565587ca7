"""The ten rungs of the ladder, what each needs, and the `Finding` of a rung."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Rung(StrEnum):
    """The steps of `magictel check` in order."""

    CONFIG = "config"
    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    AUTH = "auth"
    CLOCK = "clock"
    HEALTH = "health"
    WRITE = "write"
    ROUND_TRIP = "round-trip"


NEEDS: Mapping[Rung, tuple[Rung, ...]] = {
    Rung.CONFIG: (),
    Rung.DNS: (Rung.CONFIG,),
    Rung.TCP: (Rung.DNS,),
    Rung.TLS: (Rung.TCP,),
    Rung.HTTP: (Rung.TLS,),
    Rung.AUTH: (Rung.HTTP,),
    Rung.CLOCK: (Rung.AUTH,),
    Rung.HEALTH: (Rung.AUTH,),
    Rung.WRITE: (Rung.AUTH,),
    Rung.ROUND_TRIP: (Rung.WRITE,),
}
"""A rung is *blocked by* a rung that it needs and that failed or was blocked; skips and warnings do not block."""


NO_STEP = "skipped (this exporter has no such step)"
"""The message of a rung that the exporter does not have; it leaves nothing unproven."""
AFTER_UNTIL = "after --until"
"""Part of the message of a rung after the last requested one."""
UNPROVEN = "http.write-path"
"""The code of an http rung whose response does not prove the write path."""


class Status(StrEnum):
    """The status of a rung."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    BLOCKED = "blocked"
    SKIPPED = "skipped"


class SideEffect(StrEnum):
    """The side effect of a probe on the backend; anything but read-only must be requested."""

    READ_ONLY = "read-only"
    EMPTY_WRITE = "empty-write"
    CANARY_WRITE = "canary-write"


class Finding(msgspec.Struct, frozen=True):
    """The result of a rung: outcome, stable code (None on pass), message, evidence, remedy. Contains no secret.

    `spoils`, for a warning of the write rung: the irreversible effect of a write (it creates an index with the wrong types); a
    sample is then sent only with --force.
    """

    rung: Rung
    outcome: Status
    message: str
    code: str | None = None
    remedy: str | None = None
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    blocked_by: Rung | None = None
    seconds: float | None = None
    spoils: str | None = None

    @staticmethod
    def passed(rung: Rung, message: str, **evidence: Any) -> Finding:
        """Return a passed rung; `message` describes the success."""
        return Finding(rung, Status.PASS, message, evidence=evidence)

    @staticmethod
    def warned(rung: Rung, code: str, message: str, remedy: str | None = None, **evidence: Any) -> Finding:
        """Return a passed rung with a warning."""
        return Finding(rung, Status.WARN, message, code, remedy, evidence)

    @staticmethod
    def failed(rung: Rung, code: str, message: str, remedy: str | None = None, **evidence: Any) -> Finding:
        """Return a failed rung."""
        return Finding(rung, Status.FAIL, message, code, remedy, evidence)

    @staticmethod
    def skipped(
        rung: Rung, message: str, code: str | None = None, remedy: str | None = None, **evidence: Any
    ) -> Finding:
        """Return a skipped rung; the message says why."""
        return Finding(rung, Status.SKIPPED, message, code, remedy, evidence)
