"""A collection as the parts that delivery takes: payloads and reasons, created on demand, and the points not accounted for yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.encoding.payload import Payload
from magictel.encoding.prepared import Prepared
from magictel.encoding.withheld import Withheld
from magictel.model.outcome import Fate, Reason


class Parts:
    """Iterates once over the parts of a collection. Nothing is prepared before: what a closed exporter drops need not be.

    With `tracked`, `rest` returns the points that neither a payload nor a documented rule has taken: an encoder's bug lost them, or
    an interrupt came first. `left_out` receives the batch and the position of each point that `encode` leaves out.
    """

    def __init__(
        self,
        data: MetricsData | Prepared,
        prepare: Callable[[MetricsData], Prepared],
        payloads: Callable[[Prepared], Iterator[Payload | Withheld]],
        *,
        tracked: bool,
        left_out: Callable[[int, int], None],
    ) -> None:
        self._data = data
        self._prepare = prepare
        self._payloads = payloads
        self._tracked = tracked
        self._left_out = left_out
        self._open = bytearray()
        """For each position whether its point is not accounted for yet."""
        self._batch = 0
        if isinstance(data, Prepared):
            self._track(data)

    def __iter__(self) -> Iterator[Payload | Reason]:
        data = self._data
        if isinstance(data, Prepared):
            prepared = data
        else:
            prepared = self._prepare(data)
            self._track(prepared)
        for left_out in prepared.withheld:
            yield left_out.reason
        for part in self._payloads(prepared):
            if isinstance(part, Payload):
                self._close(part.at)
                yield part
            else:
                reason = part.reason
                if part.at is not None and reason.fate is not Fate.DROPPED:
                    self._close((part.at,))
                    self._left_out(prepared.batch, part.at)
                yield reason
            del part  # free it before the next one is encoded

    def rest(self) -> tuple[Payload, ...]:
        """Return the points that no part has accounted for so far, as a payload without bytes."""
        if 1 not in self._open:
            return ()
        positions = tuple(compress(range(len(self._open)), self._open))
        return (Payload(b"", len(positions), at=positions, batch=self._batch),)

    def _track(self, prepared: Prepared) -> None:
        if self._tracked:
            self._open = bytearray(b"\1") * sum(len(group.points) for group in prepared.groups)
            self._batch = prepared.batch

    def _close(self, positions: Sequence[int]) -> None:
        if not self._open:
            return
        if isinstance(positions, range):
            self._open[positions.start : positions.stop] = bytes(len(positions))
            return
        for position in positions:
            self._open[position] = 0
