"""A cache of framed and compressed bodies: each payload is compressed once, whatever its endpoints and retries."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from magictel.encoding.payload import Payload


class SentBody(NamedTuple):
    """A framed and compressed body, and the headers that declare its compression."""

    body: bytes
    headers: Mapping[str, str]


class SentBodies:
    """An LRU cache of at most `most` bodies, of payloads being sent."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, str, str], tuple[Payload, SentBody]] = OrderedDict()

    def of(self, payload: Payload, make: Callable[[Payload], SentBody]) -> SentBody:
        """Return the body of a payload; create it if it is not cached."""
        key = _key(payload)
        with self._lock:
            known = self._known.get(key)
            if known is not None and known[0].body is payload.body and known[0].runs == payload.runs:
                self._known.move_to_end(key)
                return known[1]
        sent = make(payload)
        with self._lock:
            self._known[key] = payload, sent  # the payload is kept, as ids are reused
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return sent

    def forget(self, payload: Payload) -> None:
        """Remove a payload that is not sent again."""
        with self._lock:
            self._known.pop(_key(payload), None)

    def clear(self) -> None:
        """Remove all."""
        with self._lock:
            self._known.clear()


def _key(payload: Payload) -> tuple[int, str, str]:
    return id(payload.body), payload.route, payload.form
