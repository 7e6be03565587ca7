"""The pipeline: composes the stages for one exporter and counts every point in its ledger."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from magictel.clock import Clock
from magictel.delivery.attempt import Attempt
from magictel.delivery.attempt_timeout import AdaptiveTimeout
from magictel.delivery.backoff import Backoff
from magictel.delivery.batch import Batch, PayloadIterator
from magictel.delivery.circuit_breaker import Breaker
from magictel.delivery.deadline import Deadline
from magictel.delivery.ledger import Ledger, points_of
from magictel.delivery.outbox import Outbox, Pending
from magictel.delivery.pool import Pool
from magictel.delivery.rate_limit import RateLimit
from magictel.delivery.retry import NOT_BEGUN, STRIKES, Retry
from magictel.delivery.settlement import Settlement
from magictel.encoding.payload import Payload, Split
from magictel.model.health import Queue
from magictel.model.observer import Observer
from magictel.model.outcome import Fate, ItemVerdict, Reason, Receipt
from magictel.settings.model import ExporterSettings

OnRefused = Callable[[Sequence[int], ItemVerdict], None]
"""Receives the positions of all points that were rejected, each once."""
OnDropped = Callable[[Sequence[int]], None]
"""Receives the positions of all points that were given up; they may be stored if the end of an attempt is unknown."""
GivenUp = Callable[[Payload], None]
"""Receives every payload, or piece of one, that is given up, exactly once."""
_LEAST_PATIENCE = 1.0


def _no_split(body: bytes) -> list[bytes]:
    raise NotImplementedError("this encoder gives no item lengths and cannot cut a body into items")


class Pipeline:
    """Sends batches. `deliver` settles everything before it returns; `export` leaves what is open in the outbox.

    `ledger` may be read, and `close` called, from any thread at any time; `deliver`, `export` and `drain` one at a time.
    `in_flight` above 1 uses a lazily created pool; with `in_order` payloads are sent one by one, and none overtakes another.
    """

    def __init__(
        self,
        attempt: Attempt,
        settings: ExporterSettings,
        clock: Clock,
        seed: random.Random | None = None,
        *,
        in_order: bool = False,
        redact: Callable[[str], str] = str,
        split: Split = _no_split,
        given_up: GivenUp | None = None,
        observer: Observer | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._in_order = in_order
        self._ledger = Ledger(redact)
        self.stop = threading.Event()
        self.outbox = outbox or Outbox(settings.outbox_points, settings.outbox_bytes)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_cooldown, clock)
        self._patience = AdaptiveTimeout(max(settings.retry_budget, _LEAST_PATIENCE), settings.timeout)
        self._retry = Retry(
            attempt,
            self._breaker,
            RateLimit(settings.rate_limit, clock),
            Backoff(settings.backoff_initial, settings.backoff_max, seed or random.Random()),
            self._patience,
            clock,
            settings.timeout,
            self.stop,
            split,
            observer or Observer(),
        )
        self._given_up = given_up
        self._pool: Pool | None = None
        self._trying: tuple[Pending, ...] = ()
        self._lots = 0

    @property
    def ledger(self) -> Receipt:
        """All receipts since the exporter was created; `kept` is what is in the outbox now, or being retried."""
        return self._ledger.total((*self.outbox.summary(), *self._trying))

    @property
    def open_batches(self) -> set[int]:
        """Return the numbers of the collections of which something is in the outbox now, or being retried."""
        return {pending.payload.batch for pending in (*self.outbox.waiting, *self._trying)}

    @property
    def queue(self) -> Queue:
        """Return what waits, its limits, and whether sending pauses."""
        settings, breaker = self._settings, self._breaker
        limits = (
            (settings.outbox_points, settings.outbox_bytes) if settings.spool is None else (0, settings.spool_bytes)
        )
        waits = self.ledger.kept, self.outbox.bytes
        return Queue(*waits, *limits, breaker.state, breaker.pause_left(), self.outbox.file)

    @property
    def timed_out(self) -> bool:
        """Whether the latest attempt timed out."""
        return self._patience.timed_out

    def deliver(
        self, lot: Batch, deadline: float, on_refused: OnRefused | None = None, on_dropped: OnDropped | None = None
    ) -> Receipt:
        """Settle a batch: what is not delivered by the monotonic `deadline` is dropped, with the code of its last failure."""
        until = Deadline.at(deadline)
        receipt, left = self._send(lot, until, on_refused, fair=not self._in_order)
        if left and not self.stop.is_set():
            # Each has had its turn; what is open has the time that is left.
            open_points = points_of(left)
            self._ledger.book(replace(receipt, kept=open_points))
            rest = Batch([waiting.payload for waiting in left], open_points)
            more, left = self._send(rest, until, on_refused, again=left, first=False)
            more = replace(self._ledger.dropping(more, left), sent=0)
            self._ledger.book(replace(more, kept=-open_points))
            receipt = receipt + more
        else:
            receipt = self._ledger.dropping(receipt, left)
            self._ledger.book(receipt)
        self._give_up(waiting.payload for waiting in left)
        if on_dropped is not None:
            for waiting in left:
                on_dropped(waiting.payload.positions)
        return receipt

    def export(self, lot: Batch, deadline: float, end: float | None = None) -> Receipt:
        """Send what waits and then the batch; what is still open goes to the outbox (`kept`), and what does not fit is dropped.

        Retries end by `deadline`; untried payloads get their first attempt until `end` while the backend answers.
        The receipt covers this batch; what became of earlier points meanwhile is in `ledger`.
        """
        until = Deadline(max(deadline, deadline if end is None else end), deadline, self._patience.seconds)
        self._adopt()
        alone = not self.outbox.points
        lot = self._store(lot)
        behind = self._drain_outbox(until if self._in_order else self.outbox.share(until))
        self._lots += 1
        receipt, left = self._send(lot, until, None, behind, first=alone)
        left = [replace(waiting, lot=self._lots) for waiting in left]
        kept = points_of(left)
        self._ledger.book(replace(receipt, kept=kept))
        pushed = [waiting for waiting in self._keep(left) if waiting.lot == self._lots]
        gone = {id(waiting.payload) for waiting in pushed}
        still = self._ledger.reasons((waiting for waiting in left if id(waiting.payload) not in gone), Fate.KEPT)
        return self._ledger.dropping(
            replace(receipt, kept=kept - points_of(pushed), reasons=receipt.reasons + still), pushed
        )

    def drain(self, deadline: float, *, closing: bool = False) -> bool:
        """Retry what waits; return True when the outbox is empty. `closing`: as `Retry.closing`."""
        self._retry.closing = closing
        if not closing:
            self._adopt()
        self._drain_outbox(Deadline.at(deadline))
        return self.outbox.points == 0

    def close(self) -> Receipt:
        """Drop what waits, end the pool, and return what was dropped. Payloads in flight are counted when they end."""
        self.stop.set()
        left = self.outbox.close()
        self._count_lost()
        receipt = self._ledger.dropping(Receipt(), left)
        self._ledger.book(replace(receipt, kept=-points_of(left)))
        self._give_up(waiting.payload for waiting in left)
        if self._pool is not None:
            self._pool.close()
        return receipt

    def drop(self, lot: Batch, code: str, message: str) -> Receipt:
        """Count a batch as dropped without sending it (after shutdown, or with unusable settings)."""
        why = (self._ledger.redacted(Reason(code, message, lot.sent, Fate.DROPPED)),) if lot.sent else ()
        receipt = Receipt(sent=lot.sent, dropped=lot.sent, reasons=why)
        self._ledger.book(receipt)
        self._give_up(lot.rest())
        return receipt

    def _adopt(self) -> None:
        adopted = self.outbox.adopt()
        self._ledger.book(Receipt(sent=adopted, kept=adopted))
        self._count_lost()

    def _store(self, lot: Batch) -> Batch:
        try:
            return self.outbox.store(lot)
        except BaseException:
            self.drop(lot, "delivery.shutdown", "interrupted")
            raise
        finally:
            self._count_lost()

    def _count_lost(self) -> None:
        lost = self.outbox.lost()
        self._ledger.book(replace(self._ledger.dropping(Receipt(), lost), kept=-points_of(lost)))

    def _drain_outbox(self, until: Deadline) -> Pending | None:
        """Send what waits; if order matters, return the first that still waits."""
        first = True
        while waited := self._taken():
            if not self._in_order:
                # What only waited goes first: a payload that always fails must not use up every trial.
                waited.sort(key=lambda waiting: waiting.strikes >= STRIKES)
            self._trying = tuple(waited)
            points = points_of(waited)
            portion = Batch([waiting.payload for waiting in waited], points)
            receipt, left = self._send(portion, until, None, again=waited, first=first)
            self._ledger.book(replace(receipt, sent=0, kept=points_of(left) - points))
            self._keep(sorted(left, key=lambda waiting: waiting.lot))
            self._trying = ()
            if left:
                return left[0] if self._in_order else None
            first = False
        return None

    def _taken(self) -> list[Pending]:
        """Take what waits from the outbox; count what it could not read."""
        try:
            return self.outbox.take()
        finally:
            self._count_lost()

    def _keep(self, left: list[Pending]) -> list[Pending]:
        """Move queued payloads to the outbox; count and return what is dropped for them."""
        pushed = [old for waiting in left for old in self.outbox.put(waiting)]
        if pushed:
            full = not self.outbox.closed
            pushed = [_pushed_out(waiting) if full else waiting for waiting in pushed]
            self._ledger.book(replace(self._ledger.dropping(Receipt(), pushed), kept=-points_of(pushed)))
            self._give_up(waiting.payload for waiting in pushed)
        return pushed

    def _give_up(self, payloads: Iterable[Payload]) -> None:
        """Report what is given up; ignore exceptions of the listener."""
        if self._given_up is None:
            return
        for payload in payloads:
            with contextlib.suppress(Exception):
                self._given_up(payload)

    def _send(
        self,
        lot: Batch,
        until: Deadline,
        on_refused: OnRefused | None,
        behind: Pending | None = None,
        *,
        again: Sequence[Pending] = (),
        first: bool = True,
        fair: bool = False,
    ) -> tuple[Receipt, list[Pending]]:
        """Settle the payloads of a batch; return the receipt without what is still open, and that."""
        started = self._clock.monotonic()
        total = Settlement()
        source = PayloadIterator(lot.parts)
        settled_payloads = 0
        try:
            for number, settled in enumerate(self._settle_all(source, until, behind, first, fair)):
                settled_payloads = number + 1
                payload = source.open.popleft()
                self._give_up(waiting.payload for waiting in settled.lost)
                refused, settled.refused = settled.refused, []
                if again:
                    settled.left = [_as_before(waiting, again[number]) for waiting in settled.left]
                self.outbox.settle(payload, settled)
                total.add(settled)
                if on_refused is not None:
                    for positions, verdict in refused:
                        on_refused(positions, self._ledger.redacted(verdict))
        except BaseException:  # an interrupt, or the listener's bug: the count must hold all the same
            seconds = self._clock.monotonic() - started
            receipt = self._ledger.receipt(
                lot.sent, source.left_out, total, seconds, "delivery.shutdown", "interrupted"
            )
            receipt = self._ledger.dropping(receipt, total.left)
            unfinished = [waiting.payload for waiting in again[settled_payloads:]] or source.open
            self._give_up(waiting.payload for waiting in total.left)
            self._give_up(dataclasses.replace(payload, attempted=True) for payload in unfinished)
            self._give_up(lot.rest())
            self._ledger.book(replace(receipt, sent=0, kept=-lot.sent) if again else receipt)
            self._trying = ()
            raise
        failure = source.failure
        why = "the encoder yielded fewer items than there are points"
        if failure is not None:
            why = f"a bug, not the backend: {type(failure).__name__}: {failure}"
        seconds = self._clock.monotonic() - started
        receipt = self._ledger.receipt(lot.sent, source.left_out, total, seconds, "internal.export", why)
        self._give_up(lot.rest())
        return receipt, total.left

    def _settle_all(
        self, payloads: Iterable[Payload], until: Deadline, behind: Pending | None, first: bool, fair: bool
    ) -> Iterator[Settlement]:

        def turn() -> Deadline:
            return until.fair(self._clock.monotonic()) if fair else until

        if self._settings.in_flight > 1 and not self._in_order:
            if self._pool is None:
                self._pool = Pool(self._settings.in_flight)

            def settle(numbered: tuple[int, Payload]) -> Settlement:
                number, payload = numbered
                return self._retry.settle(payload, turn(), at_least_once=first and not number)

            yield from self._pool.map(settle, enumerate(payloads))
            return
        for payload in payloads:
            if behind is not None:
                settled = Settlement(left=[Pending(payload, behind.code, behind.message)])
            else:
                settled = self._retry.settle(payload, turn(), at_least_once=first)
            if self._in_order and settled.left:
                behind = settled.left[0]
            first = False
            del payload  # free it before the next one is encoded
            yield settled


def _as_before(now: Pending, before: Pending) -> Pending:
    """Return a payload that waited already with its batch and its last failure, not that its turn did not come again."""
    if now.code == NOT_BEGUN:
        return replace(now, lot=before.lot, code=before.code, message=before.message)
    return replace(now, lot=before.lot, strikes=before.strikes + now.strikes if now.strikes else 0)


def _pushed_out(waiting: Pending) -> Pending:
    return replace(
        waiting, code="delivery.outbox-full", message=f"the outbox is full; waited because: {waiting.message}"
    )
