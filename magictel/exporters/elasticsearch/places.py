"""The indices that documents were stored in: the configured one, an index of its alias, or another one (reroute, date_index_name)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from msgspec.structs import replace

from magictel.errors import WireError
from magictel.http.wire import Wire
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial

ELSEWHERE = "es.write.elsewhere"
_FAILURE_STORE = re.compile(r"\.fs-.+-\d{6,}")
_LONGEST = 2.0


def is_failure_store(concrete: str) -> bool:
    """True for a backing index of a data stream's failure store."""
    return _FAILURE_STORE.fullmatch(concrete) is not None


def belongs(concrete: str, index: str) -> bool:
    """True where the name alone shows that `concrete` is the index, a backing index of it, or what its date math makes."""
    if concrete == index or re.fullmatch(rf"\.ds-{re.escape(index)}-(?:[\d.]+-)?\d{{6,}}", concrete):
        return True
    return index.startswith("<") and concrete.startswith(index[1:].partition("{")[0])


def elsewhere(concrete: str, index: str) -> ItemVerdict:
    """Return the note on a document that was stored in another index."""
    why = f"the document was stored in {concrete}, not {index}: a pipeline moved it, or {index} is an alias"
    return ItemVerdict(ELSEWHERE, why, concrete)


class Places:
    """The indices that an exporter's documents were stored in. Threads may race: they learn the same."""

    def __init__(self, index: str) -> None:
        self._index = index
        self._behind: frozenset[str] = frozenset()
        self._elsewhere: dict[str, None] = {}
        self._missing = False

    @property
    def read(self) -> str:
        """Return the indices for a read-back: the configured one, and every other one with documents."""
        return ",".join([*([] if self._missing and self._elsewhere else [self._index]), *self._elsewhere])

    def settle(self, outcome: Outcome, wire: Callable[[], Wire], timeout: float) -> Outcome:
        """Drop the notes on documents that went where the index's name (an alias) points; remember the other places."""
        if not isinstance(outcome, Delivered | Partial):
            return outcome
        strange = {note.example for note in outcome.notes.values() if note.code == ELSEWHERE and note.example}
        if not strange:
            return outcome
        if strange - self._behind - self._elsewhere.keys():
            self._ask(wire, min(_LONGEST, timeout))
        for name in sorted(strange - self._behind):
            self._elsewhere[name] = None
        notes: Mapping[int, ItemVerdict] = {
            index: note
            for index, note in outcome.notes.items()
            if note.code != ELSEWHERE or note.example not in self._behind
        }
        return replace(outcome, notes=notes)

    def _ask(self, wire: Callable[[], Wire], timeout: float) -> None:
        """Ask for the indices of the name; without an answer or the permission nothing is concluded."""
        try:
            reply = wire().get(f"/{quote(self._index)}/_settings/index.uuid?flat_settings=true", timeout=timeout)
        except WireError:
            return
        body = reply.json()
        if reply.status == 200 and isinstance(body, dict):
            self._behind |= frozenset(body)
        self._missing = reply.status == 404
