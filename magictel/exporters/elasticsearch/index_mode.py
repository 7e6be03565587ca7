"""The index's mode: a time-series index generates its own ids from dimensions. Asked once, or learned from refused items."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from magictel.errors import WireError
from magictel.exporters.elasticsearch.dimensions import Dimensions, dimensions_of
from magictel.http.messages import MISREAD
from magictel.http.wire import Wire
from magictel.model.outcome import Outcome, Partial

_LONGEST = 2.0
_TOO_OLD = 60.0
"""Seconds after which dimensions are asked again, where points collide: a rollover may have brought others."""
_SETTINGS = (
    "index.mode,index.routing_path,index.dimensions,index.version.created,index.default_pipeline,index.final_pipeline"
)
_PIPELINES = ("index.default_pipeline", "index.final_pipeline")
_WITH_ID = re.compile(rb'^\{"create":\{"_id":"[^"\n]*"\}\}$', re.MULTILINE)
_Settings = Mapping[str, Mapping[str, Any]]
"""Flat settings by the name of the concrete index."""


class IndexMode:
    """The known mode of an index. Threads may race: they learn the same."""

    def __init__(self, index: str, pipeline: str = "") -> None:
        self.time_series = False
        self.dimensions: tuple[Dimensions, ...] = ()
        """Of each index behind the name; empty: none is in time-series mode, or they are not known."""
        self.unknown_because = ""
        """Why the dimensions of a time-series index are not known."""
        self.doubted = False
        """Whether points collided since the dimensions were asked."""
        self._index = index
        self._pipeline = pipeline
        self._asked = False
        self._dimensions_asked: float | None = None

    def ask_once(self, wire: Callable[[], Wire], timeout: float, now: float) -> None:
        """Ask the index's settings, the first time only, and the dimensions of a time-series index, those again where points collide.

        Without an answer or the right to it nothing is concluded. `now` is monotonic.
        """
        settings: _Settings | None = None
        if not self._asked:
            self._asked = True
            settings = self._ask_settings(wire, timeout)
            self.time_series = self.time_series or bool(settings)
        asked = self._dimensions_asked
        if self.time_series and (asked is None or (self.doubted and now - asked >= _TOO_OLD)):
            self._dimensions_asked = now
            self.doubted = False
            self._ask_dimensions(wire, timeout, settings)

    def learn(self, outcome: Outcome) -> bool:
        """Return whether an item was refused for its id, which reveals the index mode without reading the settings."""
        if not isinstance(outcome, Partial):
            return False
        if any(verdict.code == "es.write.duplicate" for verdict in outcome.unconfirmed.values()):
            self.doubted = True
        if any(verdict.code == "es.write.time-series-id" for verdict in outcome.retry.values()):
            self.time_series = True
            return True
        return False

    def _ask_settings(self, wire: Callable[[], Wire], timeout: float) -> _Settings | None:
        """Return the settings of the indices in time-series mode; None where they were not answered."""
        body = self._answer(wire, f"_settings/{_SETTINGS}?flat_settings=true", timeout)
        if body is None:
            return None
        settings = {
            name: answer["settings"]
            for name, answer in body.items()
            if isinstance(answer, dict) and isinstance(answer.get("settings"), dict)
        }
        return {name: known for name, known in settings.items() if known.get("index.mode") == "time_series"}

    def _ask_dimensions(self, wire: Callable[[], Wire], timeout: float, settings: _Settings | None) -> None:
        settings = self._ask_settings(wire, timeout) if settings is None else settings
        if not settings:
            return
        pipelines = {str(known.get(name) or "_none") for known in settings.values() for name in _PIPELINES}
        pipelines = (pipelines | {self._pipeline or "_none"}) - {"_none"}
        if pipelines:
            self.dimensions = ()
            self.unknown_because = f"an ingest pipeline ({', '.join(sorted(pipelines))}) may change dimensions"
            return
        body = self._answer(wire, "_mapping", timeout)
        if body is None:
            return
        dimensions: list[Dimensions] = []
        try:
            for name, known in settings.items():
                of_index = dimensions_of(known, body[name]["mappings"])
                if of_index not in dimensions:
                    dimensions.append(of_index)
        except MISREAD:
            self.dimensions = ()
            self.unknown_because = "the mapping has a form that is not known here"
            return
        self.dimensions = tuple(dimensions)
        self.unknown_because = ""

    def _answer(self, wire: Callable[[], Wire], question: str, timeout: float) -> dict[str, Any] | None:
        try:
            reply = wire().get(f"/{quote(self._index)}/{question}", timeout=min(_LONGEST, timeout / 4))
        except WireError as failure:
            self.unknown_because = failure.message
            return None
        body = reply.json()
        if reply.status == 200 and isinstance(body, dict):
            return body
        missing = ": the privilege view_index_metadata is missing" if reply.status == 403 else ""
        self.unknown_because = f"{reply.status} to GET {self._index}/{question.partition('/')[0]}{missing}"
        return None


def without_ids(body: bytes) -> bytes:
    """Return a bulk body without ids in its action lines, which no document resembles."""
    return _WITH_ID.sub(b'{"create":{}}', body)
