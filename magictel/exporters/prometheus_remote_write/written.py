"""Verdicts on requests of remote write 2.0, by the counts that a receiver writes into the headers of its reply.

Prometheus stores what it can of a request, and names the series of each sample that it refuses, a line for each. Other receivers may
count only. Nothing is sent again: what was stored is stored, and the rest can never be.

Two receivers count wrongly. Mimir counts what it has received (grafana/mimir#12682), also in a refusal: complete counts prove nothing
where status or text deny them. Cortex counts 0 in each refusal and names one sample, although it stores the good ones (pkg/util/push):
where nothing is counted and not every sample named, the refusal means what it means by 1.0.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from magictel.encoding.payload import Payload
from magictel.encoding.protobuf import Fields, fields_of
from magictel.exporters.prometheus_remote_write.scan import Counts, counts
from magictel.http.error_rules import KnownError
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial, Rejected, Unconfirmed
from magictel.text import clipped

NOT_VERSION_2 = "prom.rw.not-2.0"
"""The code of a reply that shows that the receiver does not understand remote write 2.0; nothing is stored then."""
_PARTIAL = "prom.rw.partial"
_HEADER = "x-prometheus-remote-write-"
_KINDS = ("samples", "histograms", "exemplars")
COUNT = re.compile(r"[0-9]{1,18}")
"""A number in a header of counts."""
_SERIES = re.compile(r" for series (\{.*\})\s*$")
_LABEL = re.compile(r'\s*([^\s=,{"]+|"(?:[^"\\]|\\.)*")=("(?:[^"\\]|\\.)*")\s*,?')
_TARGET_INFO = ("__name__", "target_info")
"""The name of a series that belongs to no point: a resource's."""
_UNREADABLE = frozenset({"http.refused", "prom.rw.media-type", "prom.rw.protobuf", "prom.rw.snappy"})
"""Codes of refusals by a receiver that may be unable to read remote write 2.0."""
_REMEDY = "set protocol = auto or 1.0, or enable remote write 2.0 at the receiver"
Explain = Callable[[str], KnownError | None]
"""Returns what a line of a refusal means."""
_Labels = frozenset[tuple[str, str]]


def judge_written(payload: Payload, reply: Reply, explain: Explain, general: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of a request of 2.0. `general`: by everything but the counts."""
    try:
        written = written_of(reply)
    except ValueError as unreadable:
        quoted = " ".join(reply.text[:200].split()) or None
        return Unconfirmed("http.unconfirmed", f"{reply.status}, but {unreadable}", quoted) if reply.ok else general()
    if written is None:
        return _not_understood(reply, general)
    if not reply.ok and reply.status != 400:
        return general()
    sent = counts(payload.body)
    missing = max(0, sent.samples - written.samples) + max(0, sent.histograms - written.histograms)
    if missing:
        unnamed = reply.text.strip().count("\n") + 1 < missing == sent.samples + sent.histograms
        return general() if unnamed and not reply.ok else _refused(payload, reply, explain, missing, sent)
    outcome = general()
    unexplained = isinstance(outcome, Rejected) and outcome.code == "http.refused" and not reply.ok
    if not unexplained and not isinstance(outcome, Delivered | Unconfirmed):
        return outcome
    lost = sent.exemplars - written.exemplars
    quoted = " ".join(reply.text[:300].split())
    if lost > 0:
        why = f"{lost} of {sent.exemplars} exemplars were not stored{': ' + quoted if quoted else ''}"
        return Delivered(warning=ItemVerdict("prom.rw.exemplars", why))
    if unexplained:
        why = f"{reply.status}, although all samples are counted as written"
        return Unconfirmed("http.unconfirmed", why, quoted or None)
    return Delivered()


def written_of(reply: Reply) -> Counts | None:
    """Return the counts of a reply's headers; None if it has none, so that 2.0 was not understood.

    Raise `ValueError`, whose text names the header, if one is not a number.
    """
    texts = [reply.headers.get(f"{_HEADER}{kind}-written") for kind in _KINDS]
    if texts[0] is None and texts[1] is None:
        return None
    for kind, text in zip(_KINDS, texts, strict=True):
        if text is not None and not COUNT.fullmatch(text):
            raise ValueError(f'X-Prometheus-Remote-Write-{kind.title()}-Written is "{clipped(text, 20)}", not a number')
    return Counts(*(0 if text is None else int(text) for text in texts))


def uncounted(reply: Reply) -> Reply:
    """Return a reply without the counts of its headers."""
    headers = {name: value for name, value in reply.headers.items() if not name.startswith(_HEADER)}
    return replace(reply, headers=headers)


def _not_understood(reply: Reply, general: Callable[[], Outcome]) -> Outcome:
    outcome = general()
    quoted = " ".join(reply.text[:200].split())
    if reply.ok and isinstance(outcome, Delivered | Unconfirmed):
        why = "without the number of samples written: the receiver does not understand remote write 2.0, and stored nothing"
        return Rejected(NOT_VERSION_2, f"{reply.status} {why}", _REMEDY, quoted)
    if isinstance(outcome, Rejected) and outcome.code in _UNREADABLE and reply.status in (400, 406, 415, 422):
        why = f"{reply.status}{': ' + quoted if quoted else ''}: the receiver does not seem to understand remote write 2.0"
        return Rejected(NOT_VERSION_2, why, _REMEDY, quoted)
    return outcome


def _refused(payload: Payload, reply: Reply, explain: Explain, missing: int, sent: Counts) -> Outcome:
    """Return the outcome of a request of which samples are missing: those that the reply names, and a number of others."""
    lines = [line for line in reply.text.splitlines() if line.strip()]
    known = [explain(line) for line in lines]
    codes = Counter(error.code if error is not None else _PARTIAL for error in known)
    (code,) = codes if len(codes) == 1 else (_PARTIAL,)
    of = f"{missing} of {sent.samples + sent.histograms} samples were not stored"
    reasons = Counter(
        error.message.removeprefix(f"{reply.status}: ") if error is not None else clipped(line, 200)
        for error, line in zip(known, lines, strict=True)
    )
    why = "; ".join(f"{number} × {reason}" if len(reasons) > 1 else reason for reason, number in reasons.most_common(5))
    verdict = ItemVerdict(
        code, f"{reply.status}: {of}{': ' + why if why else ''}", clipped(" ".join(lines), 200) or None
    )
    if missing >= sent.samples + sent.histograms:
        remedy = next((error.remedy for error in known if error is not None), None)
        return Rejected(verdict.code, verdict.message, remedy, verdict.example)
    named: dict[_Labels, list[ItemVerdict]] = {}
    for error, line in zip(known, lines, strict=True):
        match = _SERIES.search(line)
        if match is not None and error is not None:
            sample = ItemVerdict(error.code, error.message, clipped(line, 200))
            named.setdefault(_labels(match[1]), []).append(sample)
    rejected: dict[int, ItemVerdict] = {}
    notes: dict[int, ItemVerdict] = {}
    for labels, positions in _positions(payload).items() if named and payload.sizes is not None else ():
        verdicts = named.get(labels, [])
        if verdicts and len(positions) <= len(verdicts):  # otherwise it is not known at which times
            missing -= len(positions)
            where = notes if _TARGET_INFO in labels else rejected
            where.update(dict.fromkeys(positions, verdicts[0]))
    unnamed = max(0, min(missing, payload.points - len(rejected)))
    notes = {position: note for position, note in notes.items() if position not in rejected}
    return Partial(rejected=rejected, notes=notes, unnamed=unnamed, why=verdict if unnamed else None)


def _positions(payload: Payload) -> dict[_Labels, list[int]]:
    """Return the labels of each series of a payload, with the positions of its samples' items."""
    positions: dict[_Labels, list[int]] = {}
    for position, item in enumerate(payload.items()):
        for _, series in fields_of(item):
            labels = (Fields(content) for place, content in fields_of(series) if place == 1)
            positions.setdefault(frozenset((label.text(1), label.text(2)) for label in labels), []).append(position)
    return positions


def _labels(text: str) -> _Labels:
    """Return labels as Prometheus writes them: `{__name__="m", a="b"}`, names that are no identifiers quoted."""
    return frozenset(
        (_text(name) if name[0] == '"' else name, _text(value)) for name, value in _LABEL.findall(text[1:-1])
    )


def _text(literal: str) -> str:
    """Return a text that Go has quoted; its escapes are Python's."""
    try:
        return str(ast.literal_eval(literal))
    except (SyntaxError, ValueError):
        return literal[1:-1]


def unsent_natives(outcome: Outcome, native: Mapping[int, ItemVerdict], points: int) -> Outcome:
    """Return the outcome of a request of 1.0 with the native histograms that it could not carry, by their positions."""
    if not native:
        return outcome
    if isinstance(outcome, Delivered):
        return Partial(rejected=native, notes=outcome.notes)
    if isinstance(outcome, Partial):
        unnamed = min(outcome.unnamed, points - len(native))
        return Partial(rejected={**outcome.rejected, **native}, unnamed=unnamed, why=outcome.why if unnamed else None)
    if isinstance(outcome, Unconfirmed):
        why = ItemVerdict(outcome.code, outcome.message, outcome.example)
        others = {position: why for position in range(points) if position not in native}
        return Partial(rejected=native, unconfirmed=others)
    return outcome
