"""What an operator reads: the first failure at once, then one summary a minute, and the recovery with the ledger."""

from __future__ import annotations

import logging

from magictel.clock import Clock
from magictel.outcome import Fate, Receipt

_EVERY = 60.0


class DeliveryLog:
    """Writes to `magictel.<target>`; never more than one line a minute while things stay bad."""

    def __init__(self, log: logging.Logger, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._bad = False
        self._last = 0.0
        self._since = Receipt()
        self._told_after_shutdown = False

    def exported(self, receipt: Receipt, ledger: Receipt) -> None:
        """One export ended."""
        lost = receipt.rejected + receipt.undelivered
        now = self._clock.monotonic()
        if not lost:
            if self._bad:
                self._bad = False
                self._log.warning("delivering again: %s", _sentence(ledger))
            return
        self._since = self._since + receipt
        if not self._bad or now - self._last >= _EVERY:
            self._log.error("%s%s", _sentence(self._since), _why(self._since))
            self._bad, self._last, self._since = True, now, Receipt()

    def ended(self, ledger: Receipt, dropped: Receipt) -> None:
        """The exporter was shut down."""
        if dropped.dropped:
            self._log.error("shut down with points undelivered: %s%s", _sentence(dropped), _why(dropped))
        self._log.info("shut down: %s", _sentence(ledger))

    def after_shutdown(self, receipt: Receipt) -> None:
        """An export came after shutdown; said once."""
        if not self._told_after_shutdown and receipt.sent:
            self._told_after_shutdown = True
            self._log.error("delivery.shutdown: %d points exported after shutdown were dropped", receipt.sent)


def _sentence(receipt: Receipt) -> str:
    parts = [f"sent {receipt.sent}", f"delivered {receipt.delivered}"]
    for fate in (Fate.REJECTED, Fate.WITHHELD, Fate.KEPT, Fate.DROPPED):
        count = getattr(receipt, fate.value)
        if count:
            parts.append(f"{fate.value} {count}")
    return ", ".join(parts)


def _why(receipt: Receipt) -> str:
    bad = [reason for reason in receipt.reasons if reason.fate not in (Fate.DELIVERED, Fate.WITHHELD)]
    return "".join(f"; {reason.count} {reason.fate.value}: {reason.code}: {reason.message}" for reason in bad[:3])
