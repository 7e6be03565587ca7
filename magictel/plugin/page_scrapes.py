"""What became of the points of a page: a receipt of each scrape, and their sum."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from magictel.encoding.prepared import Prepared
from magictel.encoding.withheld import Withheld
from magictel.model.observer import Observer
from magictel.model.outcome import Fate, Reason, Receipt, merge_reasons


class Scrapes:
    """The scrapes of a page in one process. Thread-safe."""

    def __init__(self, observer: Observer) -> None:
        self.taken = threading.Event()
        """Set by the first scrape."""
        self.first: Receipt | None = None
        """What became of the points in the first scrape."""
        self.accepted: str | None = None
        """The Accept header of the first scrape."""
        self.ledger = Receipt()
        self._observer = observer
        self._lock = threading.Lock()

    def add(self, receipt: Receipt, accepted: str | None) -> None:
        """Count a scrape."""
        with self._lock:
            self.ledger += receipt
            if self.first is None:
                self.accepted, self.first = accepted, receipt
            self._observer.exported(self.ledger)
        self.taken.set()

    def restart(self) -> None:
        """Wait for a first scrape again."""
        self.first = None
        self.taken.clear()


def receipt_of(prepared: Prepared, withheld: Sequence[Withheld]) -> Receipt:
    """Return the receipt of a page that a scraper took: what is not left out is delivered."""
    reasons = merge_reasons([part.reason for part in (*prepared.withheld, *withheld)])
    counts: Counter[Fate] = Counter()
    for reason in reasons:
        counts[reason.fate] += reason.count
    return Receipt(
        sent=prepared.sent,
        delivered=prepared.sent - counts.total(),
        rejected=counts[Fate.REJECTED],
        withheld=counts[Fate.WITHHELD],
        dropped=counts[Fate.DROPPED],
        reasons=reasons,
    )


def undelivered(receipt: Receipt, fate: Fate, code: str, message: str) -> Receipt:
    """Return a receipt whose delivered points have another fate (dropped or unconfirmed), for this reason."""
    moved = {"delivered": 0, fate.value: getattr(receipt, fate.value) + receipt.delivered}
    reason = Reason(code, message, receipt.delivered, fate)
    return replace(receipt, reasons=(*receipt.reasons, reason), **moved)
