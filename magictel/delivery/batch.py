"""A batch: a collection on its way into the pipeline, as payloads that are created on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import msgspec

from magictel.encoding.payload import Payload
from magictel.model.outcome import Reason


class Batch(msgspec.Struct, frozen=True):
    """A collection of `sent` points as payloads, with the reasons for points left out among them.

    `rest`: returns the points that no part has accounted for so far, as payloads without bytes.
    """

    parts: Iterable[Payload | Reason]
    sent: int
    rest: Callable[[], Iterable[Payload]] = tuple


class PayloadIterator:
    """Iterates over the payloads of a batch, collects the reasons among them, and records an encoder's exception, so that no count is lost.

    `open`: payloads passed on whose settlement the caller has not removed yet.
    """

    def __init__(self, parts: Iterable[Payload | Reason]) -> None:
        self._parts = parts
        self.left_out: list[Reason] = []
        self.open: deque[Payload] = deque()
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[Payload]:
        try:
            for part in self._parts:
                if isinstance(part, Payload):
                    self.open.append(part)
                    yield part
                else:
                    self.left_out.append(part)
                del part  # free it before the next one is encoded
        except Exception as failure:
            self.failure = failure
