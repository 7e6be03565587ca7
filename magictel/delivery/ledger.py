"""The ledger: counts every point of a pipeline and what became of it, without secrets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from magictel.delivery.outbox import Pending
from magictel.delivery.settlement import Settlement
from magictel.model.outcome import Fate, ItemVerdict, Reason, Receipt, merge_failed, merge_reasons

V = TypeVar("V", Reason, ItemVerdict)


class Ledger:
    """Adds up receipts, from any thread; creates the receipts of batches."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._lock = threading.Lock()
        self._booked = Receipt()

    def book(self, receipt: Receipt) -> None:
        """Add a receipt."""
        with self._lock:
            self._booked = self._booked + receipt

    def total(self, open_now: Iterable[Pending]) -> Receipt:
        """Return the sum of all receipts, with the reasons of what is queued now."""
        kept = self.reasons(open_now, Fate.KEPT)
        with self._lock:
            return replace(self._booked, reasons=self._booked.reasons + kept)

    def receipt(
        self, sent: int, left_out: Sequence[Reason], total: Settlement, seconds: float, code: str, why: str
    ) -> Receipt:
        """Return the receipt of `sent` points, without what is still open; `left_out`: reasons for points not sent.

        Points of unknown fate are counted as dropped, with `code` and `why`.
        """
        withheld = sum(reason.count for reason in left_out if reason.fate is Fate.WITHHELD)
        lost = sum(reason.count for reason in left_out if reason.fate is Fate.DROPPED)
        refused = sum(reason.count for reason in left_out if reason.fate is Fate.REJECTED)
        receipt = Receipt(
            sent=sent,
            delivered=total.delivered,
            rejected=total.rejected + refused,
            withheld=withheld,
            dropped=lost,
            attempts=total.attempts,
            bytes=total.bytes,
            seconds=seconds,
            reasons=tuple(map(self.redacted, merge_reasons([*left_out, *total.reasons]))),
            unconfirmed=total.unconfirmed,
            failed=merge_failed(total.failed),
            waited=total.waited,
        )
        receipt = self.dropping(receipt, total.lost)
        missing = (
            receipt.sent - receipt.readable - receipt.rejected - withheld - receipt.dropped - points_of(total.left)
        )
        if missing <= 0:
            return receipt
        interrupted = code == "delivery.shutdown"
        reason = self.redacted(Reason(code, why, missing, Fate.DROPPED, None, interrupted))
        return replace(receipt, dropped=receipt.dropped + missing, reasons=(*receipt.reasons, reason))

    def dropping(self, receipt: Receipt, left: Iterable[Pending]) -> Receipt:
        """Return the receipt with open points counted as dropped."""
        left = tuple(left)
        if not left:
            return receipt
        reasons = merge_reasons((*receipt.reasons, *self.reasons(left, Fate.DROPPED)))
        return replace(receipt, dropped=receipt.dropped + points_of(left), reasons=reasons)

    def reasons(self, left: Iterable[Pending], fate: Fate) -> tuple[Reason, ...]:
        """Return why points are still open, as reasons of one fate."""
        return tuple(
            map(
                self.redacted,
                merge_reasons(
                    Reason(waiting.code, waiting.message, waiting.payload.points, fate, None, waiting.payload.attempted)
                    for waiting in left
                ),
            )
        )

    def redacted(self, reason: V) -> V:
        """Return a reason or verdict without secrets: it quotes the backend, which may echo what was sent."""
        example = None if reason.example is None else self._redact(reason.example)
        return replace(reason, message=self._redact(reason.message), example=example)


def points_of(waiting: Iterable[Pending]) -> int:
    """Return the number of points in these payloads."""
    return sum(payload.payload.points for payload in waiting)
