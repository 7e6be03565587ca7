"""Whether the index makes its own ids (time-series mode): asked once, and else learned from the first refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from magictel.errors import WireError
from magictel.http.wire import Wire
from magictel.model.outcome import Outcome, Partial

_LONGEST = 2.0
_WITH_ID = re.compile(rb'^\{"create":\{"_id":"[^"\n]*"\}\}$', re.MULTILINE)


class IndexMode:
    """What is known of an index's mode. Threads may race: both would learn the same."""

    def __init__(self) -> None:
        self.time_series = False
        self._asked = False

    def ask_once(self, wire: Callable[[], Wire], index: str, timeout: float) -> None:
        """Ask the index's settings, the first time only; without an answer or the right to it nothing is concluded."""
        if self._asked:
            return
        self._asked = True
        try:
            self.ask(wire(), index, min(_LONGEST, timeout / 4))
        except WireError:
            return

    def ask(self, wire: Wire, index: str, timeout: float | None = None) -> bool:
        """Ask the index's settings now. Raises `WireError`."""
        reply = wire.get(f"/{quote(index)}/_settings/index.mode?flat_settings=true", timeout=timeout)
        body = reply.json()
        if reply.status == 200 and isinstance(body, dict):
            modes = [one.get("settings", {}).get("index.mode") for one in body.values() if isinstance(one, dict)]
            self.time_series = "time_series" in modes
        return self.time_series

    def learn(self, outcome: Outcome) -> None:
        """An item refused for its id says what the settings were not asked for."""
        if isinstance(outcome, Partial) and any(
            one.code == "es.write.time-series-id" for one in outcome.retry.values()
        ):
            self.time_series = True


def without_ids(body: bytes) -> bytes:
    """A bulk body with our ids taken out of its action lines; documents begin otherwise."""
    return _WITH_ID.sub(b'{"create":{}}', body)
