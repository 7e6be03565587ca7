"""The pipeline composes the stages for one exporter and keeps its ledger: nothing leaves it uncounted."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from magictel.clock import Clock
from magictel.delivery.backoff import Backoff
from magictel.delivery.breaker import Breaker
from magictel.delivery.outbox import Outbox, Waiting
from magictel.delivery.rate_limit import RateLimit
from magictel.delivery.retry import Attempt, Retry, Settled
from magictel.outcome import Fate, ItemVerdict, Reason, Receipt, merge_reasons
from magictel.payload import Payload
from magictel.settings.model import ExporterSettings

OnRefused = Callable[[bytes, ItemVerdict], None]


@dataclass(frozen=True, slots=True)
class Lot:
    """What one collection became before delivery: payloads, and reasons for the points that were withheld."""

    payloads: Iterable[Payload]
    withheld: list[Reason]
    sent: int


class Pipeline:
    """Sends lots. `deliver` settles everything before it returns; `export` leaves what is open in the outbox.

    Thread-safe; `in_flight` above 1 uses a pool, made lazily.
    """

    def __init__(self, attempt: Attempt, settings: ExporterSettings, clock: Clock, seed: random.Random | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self.stop = threading.Event()
        self.outbox = Outbox(settings.outbox_points, settings.outbox_bytes)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_cooldown, clock)
        self._retry = Retry(
            attempt,
            self._breaker,
            RateLimit(settings.rate_limit, clock),
            Backoff(settings.backoff_initial, settings.backoff_max, seed or random.Random()),
            clock,
            settings.timeout,
            self.stop,
        )
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._ledger = Receipt()

    @property
    def ledger(self) -> Receipt:
        """Everything since the exporter was made; `kept` is what waits in the outbox now."""
        with self._lock:
            return replace(self._ledger, kept=self.outbox.points)

    def deliver(self, lot: Lot, deadline: float, on_refused: OnRefused | None = None) -> Receipt:
        """Settle a lot for good: what is not delivered by the monotonic `deadline` is dropped, under the code that kept it out."""
        settled, receipt = self._send(lot, deadline, on_refused)
        receipt = _drop(receipt, settled.left)
        self._book(receipt)
        return receipt

    def export(self, lot: Lot, deadline: float) -> Receipt:
        """Send what waits and then the lot; what is still open goes to the outbox (`kept`), what that pushes out is dropped.

        The receipt speaks of this lot; earlier points that were settled now are in `ledger`.
        """
        earlier = self.outbox.take()
        if earlier:
            old, receipt = self._send(Lot([one.payload for one in earlier], [], 0), deadline, None)
            dropped = self._keep(old.left)
            self._book(_drop(receipt, dropped))
        settled, receipt = self._send(lot, deadline, None)
        dropped = self._keep(settled.left)
        kept = sum(payload.points for payload, _, _ in settled.left)
        receipt = replace(receipt, kept=kept, reasons=receipt.reasons + _reasons(settled.left, Fate.KEPT))
        pushed = sum(payload.points for payload, _, _ in dropped)
        self._book(_drop(replace(receipt, kept=0, reasons=_without(receipt.reasons, Fate.KEPT)), dropped, "delivery.outbox-full"))
        own = min(pushed, kept)
        return replace(receipt, kept=kept - own, dropped=receipt.dropped + own)

    def drain(self, deadline: float) -> bool:
        """Try what waits once more; True when nothing waits any longer."""
        earlier = self.outbox.take()
        if earlier:
            settled, receipt = self._send(Lot([one.payload for one in earlier], [], 0), deadline, None)
            self._book(_drop(receipt, self._keep(settled.left)))
        return self.outbox.points == 0

    def close(self) -> Receipt:
        """Drop what waits, end the pool; returns what was dropped."""
        self.stop.set()
        left = [(one.payload, one.code, one.message) for one in self.outbox.take()]
        receipt = _drop(Receipt(), left)
        self._book(receipt)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        return receipt

    def drop(self, lot: Lot, code: str, message: str) -> Receipt:
        """Count a lot as dropped without sending it (after shutdown, or with unusable settings)."""
        receipt = Receipt(sent=lot.sent, dropped=lot.sent, reasons=(Reason(code, message, lot.sent, Fate.DROPPED),) if lot.sent else ())
        self._book(receipt)
        return receipt

    def _book(self, receipt: Receipt) -> None:
        with self._lock:
            self._ledger = self._ledger + receipt

    def _keep(self, left: list[tuple[Payload, str, str]]) -> list[tuple[Payload, str, str]]:
        dropped: list[tuple[Payload, str, str]] = []
        for payload, code, message in left:
            for old in self.outbox.put(Waiting(payload, code, message)):
                dropped.append((old.payload, old.code, old.message))
        return dropped

    def _send(self, lot: Lot, deadline: float, on_refused: OnRefused | None) -> tuple[Settled, Receipt]:
        started = self._clock.monotonic()
        total = Settled()
        for settled in self._settle_all(lot.payloads, deadline):
            if on_refused is not None:
                for item, verdict in settled.refused:
                    on_refused(item, verdict)
            settled.refused.clear()
            total.add(settled)
        withheld = sum(reason.count for reason in lot.withheld)
        return total, Receipt(
            sent=lot.sent,
            delivered=total.delivered,
            rejected=total.rejected,
            withheld=withheld,
            attempts=total.attempts,
            bytes=total.bytes,
            seconds=self._clock.monotonic() - started,
            reasons=merge_reasons([*lot.withheld, *total.reasons]),
        )

    def _settle_all(self, payloads: Iterable[Payload], deadline: float) -> Iterator[Settled]:
        if self._settings.in_flight <= 1:
            for payload in payloads:
                yield self._retry.settle(payload, deadline)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._settings.in_flight, thread_name_prefix="magictel")
        window: list[Future[Settled]] = []
        for payload in payloads:
            if len(window) >= self._settings.in_flight:
                yield window.pop(0).result()
            window.append(self._pool.submit(self._retry.settle, payload, deadline))
        for future in window:
            yield future.result()


def _reasons(left: list[tuple[Payload, str, str]], fate: Fate, under: str | None = None) -> tuple[Reason, ...]:
    return merge_reasons(Reason(under or code, message, payload.points, fate) for payload, code, message in left)


def _without(reasons: tuple[Reason, ...], fate: Fate) -> tuple[Reason, ...]:
    return tuple(reason for reason in reasons if reason.fate is not fate)


def _drop(receipt: Receipt, left: list[tuple[Payload, str, str]], under: str | None = None) -> Receipt:
    dropped = sum(payload.points for payload, _, _ in left)
    return replace(receipt, dropped=receipt.dropped + dropped, reasons=receipt.reasons + _reasons(left, Fate.DROPPED, under))
