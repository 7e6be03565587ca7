"""The ladder's words: the ten rungs, what each needs, and the `Finding` that climbing one yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Rung(StrEnum):
    """The steps of `magictel check`, in the order they are climbed."""

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
"""A rung whose need failed or was blocked is *blocked by* it; a skipped or warned need holds (red health does not block write)."""


NO_STEP = "skipped (this exporter has no such step)"
"""Why a rung is skipped that an exporter does not have: nothing is left unproved by it."""
AFTER_UNTIL = "after --until"
"""In the message of a rung beyond the last one that was asked for."""
UNPROVEN = "http.write-path"
"""The code of an http rung whose answer proves no write path."""


class Status(StrEnum):
    """How a rung came out."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    BLOCKED = "blocked"
    SKIPPED = "skipped"


class SideEffect(StrEnum):
    """What a probe does to the backend; anything but read-only must be asked for."""

    READ_ONLY = "read-only"
    EMPTY_WRITE = "empty-write"
    CANARY_WRITE = "canary-write"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rung found: outcome, stable code (None on pass), one sentence, evidence, remedy. Holds no secret.

    `spoils`, of a warning of the write rung: what a write now would do that cannot be undone (make an index with the wrong types); a
    sample is then sent only by force.
    """

    rung: Rung
    outcome: Status
    message: str
    code: str | None = None
    remedy: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    blocked_by: Rung | None = None
    seconds: float | None = None
    spoils: str | None = None

    @staticmethod
    def passed(rung: Rung, message: str, **evidence: Any) -> Finding:
        """The rung holds; `message` is a sentence true on success."""
        return Finding(rung, Status.PASS, message, evidence=evidence)

    @staticmethod
    def warned(rung: Rung, code: str, message: str, remedy: str | None = None, **evidence: Any) -> Finding:
        """The rung holds, and somebody should know something."""
        return Finding(rung, Status.WARN, message, code, remedy, evidence)

    @staticmethod
    def failed(rung: Rung, code: str, message: str, remedy: str | None = None, **evidence: Any) -> Finding:
        """The rung does not hold."""
        return Finding(rung, Status.FAIL, message, code, remedy, evidence)

    @staticmethod
    def skipped(
        rung: Rung, message: str, code: str | None = None, remedy: str | None = None, **evidence: Any
    ) -> Finding:
        """The rung was not asked, or cannot be asked here; the message says why."""
        return Finding(rung, Status.SKIPPED, message, code, remedy, evidence)
