"""A collection as the parts that delivery takes: payloads and reasons, created on demand, and the points not accounted for yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
        self._rest: set[int] = set()
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
                self._rest.difference_update(part.at)
                yield part
            else:
                reason = part.reason
                if part.at is not None and reason.fate is not Fate.DROPPED:
                    self._rest.discard(part.at)
                    self._left_out(prepared.batch, part.at)
                yield reason
            del part  # free it before the next one is encoded

    def rest(self) -> tuple[Payload, ...]:
        """Return the points that no part has accounted for so far, as a payload without bytes."""
        positions = tuple(sorted(self._rest))
        return (Payload(b"", len(positions), at=positions, batch=self._batch),) if positions else ()

    def _track(self, prepared: Prepared) -> None:
        if self._tracked:
            self._rest.update(range(sum(len(group.points) for group in prepared.groups)))
            self._batch = prepared.batch
