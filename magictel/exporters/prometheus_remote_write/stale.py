"""Stale markers end series: queries stop showing them at once, not after five minutes. At shutdown, those of the latest collection end."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable, Iterator

from magictel.encoding.payload import Payload
from magictel.encoding.protobuf import field, varint
from magictel.exporters.prometheus_remote_write.scan import labels_of, newest_time

_STALE = b"\x09" + struct.pack("<Q", 0x7FF0000000000002)
"""The NaN that ends a series."""


class LatestCollection:
    """The delivered payloads of the latest collection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batch = 0
        self._payloads: list[Payload] = []

    def delivered(self, payload: Payload) -> None:
        """Keep a payload, in place of those of earlier collections."""
        with self._lock:
            if payload.batch > self._batch:
                self._batch, self._payloads = payload.batch, []
            if payload.batch == self._batch:
                self._payloads.append(payload)

    def taken(self) -> list[Payload]:
        """Return the payloads; afterwards there are none."""
        with self._lock:
            payloads, self._payloads = self._payloads, []
        return payloads


def markers(payloads: Iterable[Payload], now: int) -> Iterator[Payload]:
    """Yield payloads that end the series of others, at `now` in milliseconds or just after their samples."""
    for payload in payloads:
        time = max(now, newest_time(payload.body) + 1)
        sample = field(2, _STALE + b"\x10" + varint(time))
        body = b"".join([field(1, labels + sample) for labels in labels_of(payload.body)])
        yield Payload(body, 0, route=payload.route)
