"""The outcome of an attempt (seven types) and the ledger of a delivery (`Receipt`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import replace


class Delivered(msgspec.Struct, frozen=True):
    """The backend confirms that it accepted every item. `notes` are items accepted for a noteworthy reason (409 on a retry).

    `warning`: its message about the whole payload (OTLP: nothing rejected, and a message).
    """

    notes: Mapping[int, ItemVerdict] = msgspec.field(default_factory=dict)
    warning: ItemVerdict | None = None


class ItemVerdict(msgspec.Struct, frozen=True):
    """Why an item of a payload was rejected, or accepted in an unusual way: stable code, message, example (redacted, truncated).

    `maybe_stored`, for an item to retry: the backend may have stored it (its result was missing or vague).
    """

    code: str
    message: str
    example: str | None = None
    maybe_stored: bool = False


class Partial(msgspec.Struct, frozen=True):
    """Some items were accepted. Indices count the payload's items.

    `rejected` are rejected permanently; `retry` may be sent again, all for the same reason, after `retry_after` seconds; `unconfirmed` got
    a success that does not confirm storage; the rest are delivered. `notes` as in `Delivered`. `needs_operator`: only a person can fix
    what prevents `retry` (a full disk). `unnamed`: the number of further rejected items, for the reason `why`, that the backend does
    not name (OTLP's partial success): they are never sent again, and no item is blamed.
    """

    rejected: Mapping[int, ItemVerdict] = msgspec.field(default_factory=dict)
    retry: Mapping[int, ItemVerdict] = msgspec.field(default_factory=dict)
    notes: Mapping[int, ItemVerdict] = msgspec.field(default_factory=dict)
    retry_after: float | None = None
    needs_operator: bool = False
    unconfirmed: Mapping[int, ItemVerdict] = msgspec.field(default_factory=dict)
    unnamed: int = 0
    why: ItemVerdict | None = None


class Unconfirmed(msgspec.Struct, frozen=True):
    """It is unknown whether the payload was stored: a success that does not look like the backend's, or a protocol without replies
    (UDP; the exporter then sets `confirms = False`).

    Not retried: if a retry is harmless, `judge` first returns `Unavailable(maybe_stored=True)`, and this outcome once
    `payload.attempted`. The points are neither delivered nor lost; a read-back decides, and without one they are unverified.
    """

    code: str
    message: str
    example: str | None = None


class Throttled(msgspec.Struct, frozen=True):
    """The backend throttles: wait `retry_after` seconds. `needs_operator`: waiting alone does not help (flood stage)."""

    code: str
    message: str
    retry_after: float | None = None
    needs_operator: bool = False


class Unavailable(msgspec.Struct, frozen=True):
    """There was no reply, or not from the backend; or the backend rejected the credentials. `maybe_stored`: the items may be stored,
    so a retry may duplicate. `needs_operator`: waiting alone does not help (rejected credentials).
    """

    code: str
    message: str
    retry_after: float | None = None
    maybe_stored: bool = False
    needs_operator: bool = False


class TooLarge(msgspec.Struct, frozen=True):
    """The payload must be split and sent again; a single item that is too large is rejected."""

    code: str
    message: str


class Rejected(msgspec.Struct, frozen=True):
    """The whole payload was rejected permanently: a retry cannot help. `maybe_stored`: some of it may be stored all the same."""

    code: str
    message: str
    remedy: str | None = None
    example: str | None = None
    maybe_stored: bool = False


Outcome = Delivered | Partial | Unconfirmed | Throttled | Unavailable | TooLarge | Rejected


class Fate(StrEnum):
    """The final fate of a point; the six counts add up to the sent points."""

    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"
    WITHHELD = "withheld"
    KEPT = "kept"
    DROPPED = "dropped"


class Reason(msgspec.Struct, frozen=True):
    """Why points have a fate other than plain delivery: code, message, count, an example.

    `maybe_stored`: an earlier attempt ended without a complete reply, so these points may be stored.
    `unnamed`: the backend counts these points but does not name them.
    """

    code: str
    message: str
    count: int
    fate: Fate
    example: str | None = None
    maybe_stored: bool = False
    unnamed: bool = False


class FailedAttempts(msgspec.Struct, frozen=True):
    """The number of attempts that failed in the same way, with points left to retry: code, and the reply's status if relevant."""

    code: str
    status: int | None = None
    count: int = 1


class Receipt(msgspec.Struct, frozen=True):
    """The fate of every point of a delivery: `sent = delivered + unconfirmed + rejected + withheld + kept + dropped`.

    `unconfirmed`: the reply was a success that does not confirm storage.
    Points are SDK data points (a histogram is one). `bytes` are request bodies as sent, over all attempts; `seconds` wall time.
    `failed` are those `attempts` after which points were left to retry; `waited`: seconds spent waiting before retries.
    """

    sent: int = 0
    delivered: int = 0
    rejected: int = 0
    withheld: int = 0
    kept: int = 0
    dropped: int = 0
    attempts: int = 0
    bytes: int = 0
    seconds: float = 0.0
    reasons: tuple[Reason, ...] = ()
    unconfirmed: int = 0
    failed: tuple[FailedAttempts, ...] = ()
    waited: float = 0.0

    @property
    def balanced(self) -> bool:
        """Return whether every point is accounted for."""
        return self.sent == self.readable + self.rejected + self.withheld + self.kept + self.dropped

    @property
    def readable(self) -> int:
        """Return the number of points that a read-back looks for: delivered + unconfirmed."""
        return self.delivered + self.unconfirmed

    @property
    def unnamed(self) -> int:
        """Return the number of rejected points that the backend does not name: a read-back may miss so many."""
        return sum(reason.count for reason in self.reasons if reason.unnamed and reason.fate is Fate.REJECTED)

    @property
    def undelivered(self) -> int:
        """Return the number of points that were neither stored nor rejected: kept + dropped."""
        return self.kept + self.dropped

    def since(self, before: Receipt) -> Receipt:
        """Return what happened since an earlier state of the same ledger; queued points are those of now."""
        counts: dict[tuple[str, Fate, bool, bool], int] = {
            (reason.code, reason.fate, reason.maybe_stored, reason.unnamed): reason.count
            for reason in before.reasons
            if reason.fate is not Fate.KEPT
        }
        reasons: list[Reason] = []
        for reason in self.reasons:
            more = reason.count - counts.get((reason.code, reason.fate, reason.maybe_stored, reason.unnamed), 0)
            if more > 0:
                reasons.append(replace(reason, count=more))
        return Receipt(
            sent=self.sent - before.sent,
            delivered=self.delivered - before.delivered,
            rejected=self.rejected - before.rejected,
            withheld=self.withheld - before.withheld,
            kept=self.kept,
            dropped=self.dropped - before.dropped,
            reasons=tuple(reasons),
            unconfirmed=self.unconfirmed - before.unconfirmed,
        )

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            self.sent + other.sent,
            self.delivered + other.delivered,
            self.rejected + other.rejected,
            self.withheld + other.withheld,
            self.kept + other.kept,
            self.dropped + other.dropped,
            self.attempts + other.attempts,
            self.bytes + other.bytes,
            self.seconds + other.seconds,
            merge_reasons([*self.reasons, *other.reasons]),
            self.unconfirmed + other.unconfirmed,
            merge_failed([*self.failed, *other.failed]),
            self.waited + other.waited,
        )


def merge_reasons(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Merge reasons with the same code, fate and certainty, with the first example and message, in order of first appearance."""
    merged: dict[tuple[str, Fate, bool, bool], Reason] = {}
    for reason in reasons:
        key = (reason.code, reason.fate, reason.maybe_stored, reason.unnamed)
        known = merged.get(key)
        merged[key] = (
            reason
            if known is None
            else replace(known, count=known.count + reason.count, example=known.example or reason.example)
        )
    return tuple(merged.values())


def merge_failed(attempts: Iterable[FailedAttempts]) -> tuple[FailedAttempts, ...]:
    """Merge attempts that failed in the same way, in order of first appearance."""
    merged: dict[tuple[str, int | None], int] = {}
    for attempt in attempts:
        key = (attempt.code, attempt.status)
        merged[key] = merged.get(key, 0) + attempt.count
    return tuple(FailedAttempts(code, status, count) for (code, status), count in merged.items())
