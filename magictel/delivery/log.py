"""Log for operators: the first failure at once, then one summary a minute, and the recovery with the ledger."""

from __future__ import annotations

import logging

from magictel.clock import Clock
from magictel.model.observer import Observer
from magictel.model.outcome import Fate, Receipt

EVERY = 60.0
"""Seconds between two lines about failures."""


class DeliveryLog(Observer):
    """Logs to `magictel.<target>`: warnings while points wait, errors if points are rejected or dropped."""

    def __init__(self, log: logging.Logger, clock: Clock, *, confirms: bool = True) -> None:
        self._confirms = confirms
        self._log = log
        self._clock = clock
        self._bad = False
        self._last: float | None = None
        self._unreported = False
        self._reported = Receipt()
        self._seen = Receipt()
        self._told_after_shutdown = False

    def exported(self, ledger: Receipt) -> None:
        """Log the end of an export; `ledger` is the exporter's current one."""
        now = self._clock.monotonic()
        new, self._seen = ledger.since(self._seen), ledger
        unconfirmed = new.unconfirmed if self._confirms else 0
        bad = bool(new.rejected or unconfirmed or new.dropped or ledger.kept)
        self._unreported = self._unreported or bad
        if self._unreported and (self._last is None or now - self._last >= EVERY):
            since = ledger.since(self._reported)
            level = logging.ERROR if since.rejected or since.dropped else logging.WARNING
            self._log.log(level, "%s%s", _sentence(since), _why(since))
            self._bad, self._last = bad, now
        elif self._bad and not bad:
            self._bad = False
            self._log.warning("delivering again; in all: %s", _sentence(ledger))
        else:
            return
        self._unreported, self._reported = False, ledger

    def ended(self, ledger: Receipt, dropped: Receipt) -> None:
        """Log the shutdown; `dropped` is what was still queued."""
        if dropped.dropped:
            self._log.error("shut down with undelivered points%s", _why(dropped))
        if ledger.sent:
            self._log.info("shut down; in all: %s", _sentence(ledger))

    def after_shutdown(self, receipt: Receipt) -> None:
        """Log an export after shutdown, once."""
        if not self._told_after_shutdown and receipt.sent:
            self._told_after_shutdown = True
            self._log.error("delivery.shutdown: %d points exported after shutdown were dropped", receipt.sent)


def _sentence(receipt: Receipt) -> str:
    parts = [f"sent {receipt.sent}", f"delivered {receipt.delivered}"]
    for fate in (Fate.UNCONFIRMED, Fate.REJECTED, Fate.WITHHELD, Fate.KEPT, Fate.DROPPED):
        count = getattr(receipt, fate.value)
        if count:
            parts.append(f"{fate.value} {count}")
    return ", ".join(parts)


def _why(receipt: Receipt) -> str:
    bad = [reason for reason in receipt.reasons if reason.fate not in (Fate.DELIVERED, Fate.WITHHELD)]
    return "".join(
        f"; {reason.count} {reason.fate.value}: {reason.code}: {' '.join(reason.message.split())}"
        f"{' (may have been stored)' if reason.maybe_stored else ''}"
        for reason in bad[:3]
    )
