"""Points of a recording in New Relic's terms: a series is a name and attributes, and each of its points a row with its times."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magictel.model.verification import Expected, Seen, Unreadable, Value
from magictel.plugin.query_limit import portions

Nrql = Callable[[str], list[dict[str, Any]] | Unreadable]
_MOST_ROWS = 5_000
"""The rows that LIMIT MAX gives at most."""
_LONGEST = 2_000
"""The most characters of the names in a query."""
_LONGEST_VALUE = 4_000
_FIELD = {"gauge": "latest", "count": "count", "cumulativeCount": "count"}
"""The field of a stored number that is its value, by the type of the metric."""
_DENSE = f"New Relic shows at most {_MOST_ROWS} rows of a query, and a millisecond has more points of these metrics"
_UNKNOWN = "New Relic shows it in a form that magictel does not know"
_MILLISECOND = 1_000_000


def key_of(name: str, attributes: Mapping[str, Any], start: int | None, end: int) -> str:
    """Return the key of a point: its times in Unix nanoseconds, and its series."""
    given = {key: value for key, value in attributes.items() if isinstance(value, str | int | float) and _shown(value)}
    end //= _MILLISECOND
    return f"{min(start // _MILLISECOND, end) if start else end} {end}\n{json.dumps([name, given], sort_keys=True)}"


def _shown(value: str | float) -> bool:
    """Return whether a row shows the value as it is: neither empty nor cut."""
    return not isinstance(value, str) or 0 < len(value) < _LONGEST_VALUE


def find(nrql: Nrql, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
    """Return what rows show of the points. Raise `WireError`."""
    wanted = _Wanted(expected)
    seen: list[Seen] = []
    for names in portions(sorted(wanted.keys), _LONGEST, lambda name: len(text(name))):
        rows = _rows(nrql, names, wanted.since - 1, wanted.until + 1)
        if isinstance(rows, Unreadable):
            return rows
        for row in rows:
            point = wanted.of(row)
            if point is not None:
                seen.append(_seen(point, row))
    return seen


class _Wanted:
    """The points by what a row shows of them: name, time, and the values of the keys that their series have.

    Of series with some of the keys of another one, a row belongs to the one with the most.
    """

    def __init__(self, expected: Sequence[Expected]) -> None:
        self.keys: dict[str, list[tuple[str, ...]]] = {}
        self._points: dict[tuple[Any, ...], Expected] = {}
        known: dict[str, tuple[str, dict[str, Any]]] = {}
        starts, ends = [], []
        for point in expected:
            times, _, series = point.key.partition("\n")
            start, end = map(int, times.split())
            starts.append(start)
            ends.append(end)
            name, attributes = known.get(series) or known.setdefault(series, tuple(json.loads(series)))
            keys = tuple(attributes)
            if keys not in self.keys.setdefault(name, []):
                self.keys[name].append(keys)
            self._points[name, end, keys, tuple(map(_comparable, attributes.values()))] = point
        self.since, self.until = min(starts, default=0), max(ends, default=0)
        for of_name in self.keys.values():
            of_name.sort(key=len, reverse=True)

    def of(self, row: Mapping[str, Any]) -> Expected | None:
        """Return the point that a row shows, or None: it belongs to none."""
        name = str(row.get("metricName"))
        end = row.get("endTimestamp") or row.get("timestamp")
        for keys in self.keys.get(name, ()):
            point = self._points.get((name, end, keys, tuple(_comparable(row.get(key)) for key in keys)))
            if point is not None:
                return point
        return None


def _comparable(value: Any) -> Any:
    """Return a value whose type counts: True is not 1, but 1 is 1.0."""
    return (value,) if isinstance(value, bool) else value


def _rows(nrql: Nrql, names: Sequence[str], since: int, until: int) -> list[dict[str, Any]] | Unreadable:
    """Return the rows of these metrics in this time, in as many queries as their number needs."""
    quoted = ", ".join(map(text, names))
    rows = nrql(f"SELECT * FROM Metric WHERE metricName IN ({quoted}) SINCE {since} UNTIL {until} LIMIT MAX")
    if isinstance(rows, Unreadable) or len(rows) < _MOST_ROWS:
        return rows
    middle = (since + until) // 2
    if middle == since:
        return Unreadable("verify.unreadable", _DENSE)
    both: list[dict[str, Any]] = []
    for half in ((since, middle), (middle, until)):
        of_half = _rows(nrql, names, *half)
        if isinstance(of_half, Unreadable):
            return of_half
        both += [row for row in of_half if half[0] <= row.get("timestamp", half[0]) < half[1]]
    return both


def text(value: str) -> str:
    """Return a text as NRQL writes it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _seen(point: Expected, row: Mapping[str, Any]) -> Seen:
    """Return the point as the row shows it."""
    name = str(point.fields["name"])
    stored = row.get(name)
    numbers = stored if isinstance(stored, dict) else {}
    end = int(point.key.partition("\n")[0].split()[1])
    fields: dict[str, Value] = {"name": name, "time": end * _MILLISECOND}
    changed = (field.removeprefix("attributes.") for field in point.fields if field.startswith("attributes."))
    fields |= {f"attributes.{key}": plain(row[key]) for key in changed if row.get(key) is not None}
    if "value" in point.fields:
        fields["value"] = _number(numbers.get(_FIELD.get(str(numbers.get("type")), "")))
    else:
        total = numbers.get("sum", numbers.get("total"))
        shown = {**numbers, "sum": total}
        fields |= {part: _number(shown.get(part)) for part in ("count", "sum", "min", "max") if part in point.fields}
    unknown = {part: _UNKNOWN for part, number in fields.items() if number is None}
    return Seen(point.key, {part: number for part, number in fields.items() if part not in unknown}, unknown)


def plain(value: Any) -> Value:
    """Return a value as it is compared: a list as a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
