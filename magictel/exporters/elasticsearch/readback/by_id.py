"""Read-back of points with an `_id`: by search on ids, and on times for copies with another id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magictel.exporters.elasticsearch.readback.counting import total
from magictel.exporters.elasticsearch.readback.run import MOST_HITS, fields_of, hits_of, lists_of, search, values_of
from magictel.http.wire import Wire
from magictel.model.verification import Declare, Expected, Seen, Unreadable, Value, identical

_IDS = 1_000
_TIMES = 1_000
_MOST_STRANGERS = MOST_HITS
"""Maximum number of other documents at the points' times; beyond it no copies are searched for."""


def find(wire: Wire, index: str, expected: Sequence[Expected], declare: Declare) -> Sequence[Seen] | Unreadable:
    """Return the documents with the points' ids, and copies of the points with other ids. Raises `WireError`."""
    seen: list[Seen] = []
    copies: dict[str, int] = {}
    for start in range(0, len(expected), _IDS):
        wanted = {point.key: point for point in expected[start : start + _IDS]}
        which = {"ids": {"values": sorted(wanted)}}
        shown = _shown(wire, index, which, list(wanted.values()), 2 * len(wanted))
        if isinstance(shown, Unreadable):
            return shown
        for key, names, hidden, hit in shown:
            identity = key.rpartition("/")[2]
            if identity in wanted:
                seen.append(_seen(identity, hit, names, hidden, wanted[identity]))
    for point in seen:
        copies[point.key] = copies.get(point.key, 0) + 1
    return [*seen, *_doubles(wire, index, expected, copies, declare)]


_Shown = list[tuple[str, Mapping[str, str], Mapping[str, str], Mapping[str, list[Any]]]]
"""Hits by `index/id`: the names that show the fields, the fields that nothing shows and why, and the values."""


def _shown(
    wire: Wire, index: str, which: Mapping[str, Any], wanted: Sequence[Expected], size: int
) -> _Shown | Unreadable:
    """Return hits by `index/id`, each read by the mapping of its index: those of one alias may map a field differently."""
    fields = fields_of(wire, index)
    if isinstance(fields, Unreadable):
        return fields
    concrete = [index]
    if len(fields.indices) > 1:
        hits = hits_of(wire, index, {"query": dict(which), "_source": False, "size": size})
        if isinstance(hits, Unreadable):
            return hits
        concrete = sorted({key.rpartition("/")[0] for key, _ in hits})
    shown_points: _Shown = []
    names = {name for point in wanted for name in point.fields}
    for concrete_index in concrete:
        index_fields = fields if concrete_index == index else fields_of(wire, concrete_index)
        if isinstance(index_fields, Unreadable):
            return index_fields
        shown = {name: by for name in names if (by := index_fields.shown_by(name))}
        part = search(wire, concrete_index, which, shown, lists_of(wanted), size)
        if isinstance(part, Unreadable):
            return part
        hidden = index_fields.hidden(names)
        shown_points += [(key, shown, hidden, hit) for key, hit in part.items()]
    return shown_points


def _seen(
    key: str, hit: Mapping[str, list[Any]], shown: Mapping[str, str], hidden: Mapping[str, str], want: Expected
) -> Seen:
    unreadable = {name: why for name, why in hidden.items() if name in want.fields}
    return Seen(key, dict(values_of(hit, shown, want.fields)), unreadable)


def _doubles(
    wire: Wire, index: str, expected: Sequence[Expected], copies: Mapping[str, int], declare: Declare
) -> Iterator[Seen]:
    """Yield copies with other ids: searched for if there are more documents at the points' times than points."""
    by_time: dict[str, list[Expected]] = {}
    for point in expected:
        by_time.setdefault(str(point.fields["@timestamp"])[:23], []).append(point)
    times = sorted(by_time)
    for start in range(0, len(times), _TIMES):
        chunk = times[start : start + _TIMES]
        points_at_times = [point for time in chunk for point in by_time[time]]
        at_these = {"terms": {"@timestamp": [f"{time}Z" for time in chunk]}}
        count = total(wire, index, at_these)
        if isinstance(count, Unreadable):  # no date, no right: then nothing is doubled for all we know
            continue
        strange = count - sum(copies.get(point.key, 0) for point in points_at_times)
        if not 0 < strange <= _MOST_STRANGERS:
            continue
        keys = {point.key for point in points_at_times}
        which = {"bool": {"filter": [at_these], "must_not": [{"ids": {"values": sorted(keys)}}]}}
        strangers = _shown(wire, index, which, points_at_times, _MOST_STRANGERS)
        for _, names, hidden, hit in () if isinstance(strangers, Unreadable) else strangers:
            moment = next(iter(hit.get(names.get("@timestamp", ""), ())), None)
            for want in by_time.get(str(moment)[:23], ()):
                seen = _seen(want.key, hit, names, hidden, want)
                if _same(want, seen, declare):
                    yield seen


def _same(want: Expected, seen: Seen, declare: Declare) -> bool:
    names = want.fields.keys() | seen.fields.keys()

    def matches(name: str, sent: Value, got: Value) -> bool:
        return name in seen.unreadable or identical(sent, got) or declare(name, sent, got) is not None

    return all(matches(name, want.fields.get(name), seen.fields.get(name)) for name in names)
