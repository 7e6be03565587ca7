"""Guess which backend a log line is about from its words and the errors in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import UNRECOGNISED, Alternative, Diagnosis, Pasted, is_own
from magictel.diagnose.replies import is_vague, read_answer, reply_in
from magictel.http.wire import Reply
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.http_exporter import HttpExporter

_READ = 20_000
_NAMELESS = "no backend is named in it"


@dataclass(frozen=True, slots=True)
class _Reading:
    """One exporter's diagnosis, and the evidence for this exporter."""

    diagnosis: Diagnosis
    word: str | None
    named: bool
    is_own_code: bool

    @property
    def weight(self) -> int:
        return 3 * bool(self.word) + self.named + 2 * self.is_own_code + (self.diagnosis.code != UNRECOGNISED)


def guess(exporters: Sequence[AnyExporter], pasted: Pasted) -> Diagnosis:
    """Return the diagnosis of the most likely exporter, with the reason and any equally likely exporters.

    One that does not use HTTP is tried if the text names it and it uses a network, or if no other recognises anything.
    """
    readings = [_read(exporter, pasted) for exporter in exporters if isinstance(exporter, HttpExporter)]
    if pasted.text or pasted.body:
        nothing = all(reading.diagnosis.code == UNRECOGNISED for reading in readings)
        for exporter in exporters:
            if not isinstance(exporter, HttpExporter) and (nothing or exporter.writes_to == "network"):
                reading = _read(exporter, pasted)
                if reading.diagnosis.code != UNRECOGNISED and (nothing or reading.word):
                    readings.append(reading)
    most = max(reading.weight for reading in readings)
    likely = [reading for reading in readings if reading.weight == most]
    first = likely[0]
    names = [reading.diagnosis.exporter for reading in likely]
    named = first.word or first.is_own_code or len(names) == 1
    if first.diagnosis.code == UNRECOGNISED and not first.word:
        return replace(first.diagnosis, exporter="", guessed=_NAMELESS)
    why = _why(first, names) if named else _NAMELESS
    alternatives = list(first.diagnosis.alternatives)
    codes = {first.diagnosis.code, *(alternative.code for alternative in alternatives)}
    for reading in likely[1:]:
        if reading.diagnosis.code not in codes and reading.diagnosis.code:
            codes.add(reading.diagnosis.code)
            alternatives.append(Alternative(reading.diagnosis.code, f"read as {reading.diagnosis.exporter}"))
    name = first.diagnosis.exporter if named else ""
    return replace(first.diagnosis, exporter=name, guessed=why, alternatives=tuple(alternatives))


def _why(first: _Reading, names: Sequence[str]) -> str:
    reason = f"it says {first.word!r}" if first.word else "the error is one of its own" if first.is_own_code else ""
    if len(names) == 1:
        return reason or "only this exporter recognises it"
    others = ", ".join(names[1:])
    return f"{reason}; it may be {others} as well"


def _read(exporter: AnyExporter, pasted: Pasted) -> _Reading:
    diagnosis = diagnose(exporter, pasted)
    pieces = [pasted.text or "", (pasted.body or b"")[:_READ].decode("utf-8", "replace")]
    text = " ".join([*pieces, *pasted.headers, *pasted.headers.values()])[:_READ].lower()
    words = exporter.log_words
    word = next((word for word in words if word in text), None)
    is_own_code = is_own(diagnosis.code, (*exporter.code_families, exporter.name)) and not is_vague(diagnosis.code)
    if is_own_code and isinstance(exporter, HttpExporter):
        reply, _ = reply_in(exporter, pasted)
        # OpenSearch has a code of its own for any 401: only the words of a reply point to a backend, not its status.
        is_own_code = reply is None or read_answer(exporter, Reply(reply.status), pasted.during).code != diagnosis.code
    return _Reading(diagnosis, word, word is not None and word == words[0], is_own_code)
