"""The result for one payload, or several: counts, reasons, and what is still open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from magictel.delivery.outbox import Pending
from magictel.encoding.payload import Payload
from magictel.model.outcome import FailedAttempts, Fate, ItemVerdict, Reason


class Settlement(msgspec.Struct):
    """The result for one payload: counts, reasons, what is still open and why (`left`), what a bug of ours lost (`lost`)."""

    delivered: int = 0
    unconfirmed: int = 0
    rejected: int = 0
    reasons: list[Reason] = msgspec.field(default_factory=list)
    left: list[Pending] = msgspec.field(default_factory=list)
    lost: list[Pending] = msgspec.field(default_factory=list)
    refused: list[tuple[Sequence[int], ItemVerdict]] = msgspec.field(default_factory=list)
    attempts: int = 0
    bytes: int = 0
    failed: list[FailedAttempts] = msgspec.field(default_factory=list)
    waited: float = 0.0
    repeated: int = 0
    """Points sent again after an attempt that may have stored them: a backend that cannot deduplicate may have them twice."""

    def add(self, other: Settlement) -> None:
        """Add another settlement."""
        self.delivered += other.delivered
        self.unconfirmed += other.unconfirmed
        self.rejected += other.rejected
        self.attempts += other.attempts
        self.bytes += other.bytes
        self.failed += other.failed
        self.waited += other.waited
        self.repeated += other.repeated
        self.reasons += other.reasons
        self.left += other.left
        self.lost += other.lost
        self.refused += other.refused

    def reject(self, payload: Payload, verdicts: Mapping[int, ItemVerdict]) -> None:
        """Count these items of a payload as rejected, and record their positions."""
        if not verdicts:
            return
        positions = payload.positions
        together: dict[int, tuple[list[int], ItemVerdict]] = {}
        for index, verdict in verdicts.items():
            together.setdefault(id(verdict), ([], verdict))[0].append(positions[index])
        self.refused += together.values()
        self.rejected += len(verdicts)
        self.note(verdicts, Fate.REJECTED, maybe_stored=payload.attempted)

    def reject_unnamed(self, payload: Payload, count: int, why: ItemVerdict) -> None:
        """Count a number of a payload's items as rejected, without their positions."""
        self.rejected += count
        message = f"{why.message} (the backend does not say which points)"
        self.reasons.append(
            Reason(why.code, message, count, Fate.REJECTED, why.example, payload.attempted, unnamed=True)
        )

    def warn(self, payload: Payload, warning: ItemVerdict) -> None:
        """Record what the backend reports of a payload that it accepted."""
        self.reasons.append(
            Reason(warning.code, warning.message, payload.points, Fate.DELIVERED, warning.example, unnamed=True)
        )

    def leave_unconfirmed(self, verdicts: Mapping[int, ItemVerdict]) -> None:
        """Count these items as neither delivered nor rejected."""
        self.unconfirmed += len(verdicts)
        self.note(verdicts, Fate.UNCONFIRMED, maybe_stored=True)

    def leave_all_unconfirmed(self, payload: Payload, why: ItemVerdict) -> None:
        """Count a payload as neither delivered nor rejected, for one reason."""
        self.unconfirmed += payload.points
        self.reasons.append(
            Reason(why.code, why.message, payload.points, Fate.UNCONFIRMED, why.example, maybe_stored=True)
        )

    def note(self, verdicts: Mapping[int, ItemVerdict], fate: Fate, *, maybe_stored: bool = False) -> None:
        """Add a reason for each code among the verdicts, with its count."""
        counts = Counter(verdict.code for verdict in verdicts.values())
        first: dict[str, ItemVerdict] = {}
        for verdict in verdicts.values():
            first.setdefault(verdict.code, verdict)
        self.reasons += [
            Reason(code, first[code].message, count, fate, first[code].example, maybe_stored)
            for code, count in counts.items()
        ]
