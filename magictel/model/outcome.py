"""The verdict on one attempt (seven outcomes) and the ledger of one delivery (`Receipt`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Delivered:
    """The backend says that it took every item. `notes` are items it took for a reason worth counting (409 on our own repeat).

    `warning`: what it says of the whole payload besides (OTLP: nothing rejected, and a message).
    """

    notes: Mapping[int, ItemVerdict] = field(default_factory=dict)
    warning: ItemVerdict | None = None


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """Why one item of a payload was refused, or taken in an unusual way: stable code, sentence, example (redacted, cut).

    `maybe_stored`, of an item that is to be repeated: the backend may hold it all the same (it had no verdict, or a vague one).
    """

    code: str
    message: str
    example: str | None = None
    maybe_stored: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """Some items were taken. Indices count the payload's items.

    `rejected` are refused for good; `retry` may be sent again, all under one reason, after `retry_after` seconds; `unconfirmed` got a
    success that does not say that they are stored; the rest are delivered. `notes` as in `Delivered`. `needs_operator` is True when only a
    person can fix what keeps `retry` out (a full disk). `unnamed`: so many of the others were refused as well, for the reason `why`,
    and nobody knows which (OTLP's partial success): they are never sent again, and no item is blamed.
    """

    rejected: Mapping[int, ItemVerdict] = field(default_factory=dict)
    retry: Mapping[int, ItemVerdict] = field(default_factory=dict)
    notes: Mapping[int, ItemVerdict] = field(default_factory=dict)
    retry_after: float | None = None
    needs_operator: bool = False
    unconfirmed: Mapping[int, ItemVerdict] = field(default_factory=dict)
    unnamed: int = 0
    why: ItemVerdict | None = None


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """Nothing says that it was stored, and nothing that it was not: a success that does not look like the backend's own, or a protocol
    without answers (UDP; the exporter then says `confirms = False`).

    Not sent again: where a repeat is harmless, `judge` answers the first time with `Unavailable(unknown=True)`, and with this once
    `payload.attempted`. The points are neither delivered nor lost; a read-back decides, and without one they are unverified.
    """

    code: str
    message: str
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Throttled:
    """The backend asks to wait `retry_after` seconds. `needs_operator`: waiting alone will not help (flood stage)."""

    code: str
    message: str
    retry_after: float | None = None
    needs_operator: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody, or not the backend, answered; or it does not let us in. `maybe_stored`: the items may have arrived, so a repeat may
    duplicate. `needs_operator`: waiting alone will not help (credentials that are refused).
    """

    code: str
    message: str
    retry_after: float | None = None
    maybe_stored: bool = False
    needs_operator: bool = False


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The payload must be halved and sent again; a single item that is too large is rejected."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The whole payload was refused for good: sending it again cannot help."""

    code: str
    message: str
    remedy: str | None = None
    example: str | None = None


Outcome = Delivered | Partial | Unconfirmed | Throttled | Unavailable | TooLarge | Rejected


class Fate(StrEnum):
    """What finally became of a point; the six sum to what was sent."""

    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"
    WITHHELD = "withheld"
    KEPT = "kept"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why points met a fate other than plain delivery: code, sentence, how many, one example.

    `maybe_stored`: an earlier attempt ended without a complete reply, so these points may be with the backend all the same.
    `unnamed`: the backend counts these points and does not say which they are.
    """

    code: str
    message: str
    count: int
    fate: Fate
    example: str | None = None
    maybe_stored: bool = False
    unnamed: bool = False


@dataclass(frozen=True, slots=True)
class FailedAttempts:
    """How many attempts ended in the same way, with something to be sent again: code, and the reply's status where that says it."""

    code: str
    status: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of every point of one delivery: `sent = delivered + unconfirmed + rejected + withheld + kept + dropped`.

    `unconfirmed`: the answer was a success, and does not say that these are stored.
    Points are SDK data points (a histogram is one). `bytes` are request bodies as they travelled, over all attempts; `seconds` wall time.
    `failed` are those of the `attempts` after which something was to be sent again; `waited`: seconds spent waiting before that.
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
        """True when every point is accounted for."""
        return self.sent == self.readable + self.rejected + self.withheld + self.kept + self.dropped

    @property
    def readable(self) -> int:
        """Points that a read-back looks for: delivered + unconfirmed."""
        return self.delivered + self.unconfirmed

    @property
    def unnamed(self) -> int:
        """Rejected points of which the backend does not say which they are: a read-back may miss so many."""
        return sum(reason.count for reason in self.reasons if reason.unnamed and reason.fate is Fate.REJECTED)

    @property
    def undelivered(self) -> int:
        """Points that are neither with the backend nor refused by it: kept + dropped."""
        return self.kept + self.dropped

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
    """Add up reasons of the same code, fate and certainty, the first example and sentence kept, in order of first appearance."""
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
    """Add up attempts that ended in the same way, in order of first appearance."""
    merged: dict[tuple[str, int | None], int] = {}
    for attempt in attempts:
        key = (attempt.code, attempt.status)
        merged[key] = merged.get(key, 0) + attempt.count
    return tuple(FailedAttempts(code, status, count) for (code, status), count in merged.items())
