"""Points of a recording in Datadog's terms: a series is a name, a host and tags, and has one point for each second.

Datadog adds up the distributions of a second: they are compared with the sum of those that were sent. A query shows the seconds of many
series, because it rolls up to one second, which Datadog does for up to 1500 of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from magictel.model.verification import Expected, Seen, Unreadable, Value
from magictel.plugin.query_limit import portions

Query = Callable[[str, int, int], list[dict[str, Any]] | Unreadable]
"""Queries, joined by commas, from and until (Unix seconds): returns the series of the reply."""
_SECONDS = 1_400
"""The most seconds of a query."""
_LONGEST = 3_000
"""The most characters of the queries of a request."""
_SECOND = 1_000_000_000
_ROUNDED = 1e-9
"""The part of a sum that the order of its additions may change."""
_PARTS = frozenset({"value", "count", "sum", "min", "max"})
_MEAN = "mean"
"""The mean of the series in a group, which differs from their sum if there are several."""
_SEVERAL = "Datadog adds it to another series with the same tags and more"
_MERGED = "Datadog adds up the distributions of a series within a second, and shows more than these"
_COARSE = "Datadog shows intervals of {} s, and the recording's points need seconds"


class _Question(NamedTuple):
    """A query with the metric and the part of its points that it shows, and the tags by which it is filtered."""

    name: str
    part: str
    text: str
    common: tuple[str, ...]


def key_of(name: str, tags: Sequence[str], host: str, nanos: int, added_up: bool) -> str | None:
    """Return the key of a point as queries show it; None if a tag has several values: no query groups by all of them.

    `added_up`: Datadog adds the points of a second up, so that several of them are no repeats.
    """
    grouped = {tag for tag in tags if ":" in tag}  # a tag without a value groups nothing
    if host:
        grouped.add(f"host:{host.lower()}")
    if len({tag.partition(":")[0] for tag in grouped}) < len(grouped):
        return None
    second, fraction = divmod(nanos, _SECOND)
    return "\n".join((f"{second} {fraction}" if added_up else str(second), name, *sorted(grouped)))


def find(query: Query, whole: bool, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
    """Return what queries show of the points. `whole`: histograms are distributions, not several series. Raise `WireError`."""
    places: dict[str, list[Expected]] = defaultdict(list)
    for point in expected:
        places[_place(point)].append(point)
    shown: dict[str, dict[str, Value]] = {place: {} for place in places}
    for since, points in _windows(expected):
        for questions in portions(_questions(points, whole), _LONGEST, lambda question: len(question.text)):
            rows = query(",".join(question.text for question in questions), since, since + _SECONDS)
            if isinstance(rows, Unreadable):
                return rows
            for row in rows:
                interval = row.get("interval") or 1
                if interval > 1:
                    return Unreadable("verify.unreadable", _COARSE.format(interval))
                _put(shown, questions[row.get("query_index") or 0], row)
    return [seen for place, sent in places.items() if shown[place] for seen in _all_seen(sent, shown[place])]


def _place(point: Expected) -> str:
    """Return second and series of a point."""
    time, _, series = point.key.partition("\n")
    return f"{time.partition(' ')[0]}\n{series}"


def _windows(expected: Sequence[Expected]) -> Iterator[tuple[int, list[Expected]]]:
    """Yield the points by the time of a query, each with its beginning."""
    windows: dict[int, list[Expected]] = defaultdict(list)
    for point in expected:
        windows[int(_place(point).partition("\n")[0]) // _SECONDS * _SECONDS].append(point)
    yield from windows.items()


def _questions(points: Sequence[Expected], whole: bool) -> Iterator[_Question]:
    metrics: dict[str, tuple[list[frozenset[str]], set[str]]] = {}
    for point in points:
        _, name, *tags = point.key.split("\n")
        of_series, parts = metrics.setdefault(name, ([], set()))
        of_series.append(frozenset(tags))
        parts.update(_PARTS & point.fields.keys())
    for name, (of_series, parts) in metrics.items():
        common = frozenset.intersection(*of_series)
        keys = sorted({tag.partition(":")[0] for tags in of_series for tag in tags - common})
        tail = f"{{{','.join(sorted(common)) or '*'}}}" + (f" by {{{','.join(keys)}}}" if keys else "")
        for part in sorted(parts):
            for shown, text in _aggregates(part, name, tail, whole):
                yield _Question(name, shown, text, tuple(common))


def _aggregates(part: str, name: str, tail: str, whole: bool) -> Iterator[tuple[str, str]]:
    if part == "value":
        yield part, f"sum:{name}{tail}.rollup(sum,1)"
        yield _MEAN, f"avg:{name}{tail}.rollup(sum,1)"
    elif whole:
        yield part, f"{part}:{name}{tail}.rollup(1)"
    else:
        yield part, f"sum:{name}.{part}{tail}.rollup(sum,1)"


def _put(shown: dict[str, dict[str, Value]], question: _Question, row: Mapping[str, Any]) -> None:
    """Note the numbers of a series that the recording has."""
    tags = {*question.common, *(tag for tag in row.get("tag_set") or () if not tag.endswith(":N/A"))}
    series = "\n".join((question.name, *sorted(tags)))
    for milliseconds, number in row.get("pointlist") or ():
        fields = shown.get(f"{int(milliseconds) // 1000}\n{series}")
        if fields is not None and number is not None:
            fields[question.part] = float(number)


def _all_seen(sent: Sequence[Expected], numbers: dict[str, Value]) -> Iterator[Seen]:
    """Yield the points of a series within a second: of distributions, which Datadog adds up, those whose sum is shown."""
    if len(sent) == 1 or _more(numbers.get("count"), _sum(sent, "count")):
        yield from (_seen(point, numbers) for point in sent)
        return
    count, rest = (_sum(sent, part) - _float(numbers.get(part)) for part in ("count", "sum"))
    near = _ROUNDED * math.fsum(abs(_float(point.fields["sum"])) for point in sent)
    arrived = list(sent)
    if count:  # all but one, or none: which of several are lost is not known
        lost = (
            point
            for point in sent
            if point.fields["count"] == count and abs(_float(point.fields["sum"]) - rest) <= near
        )
        missing = next(lost, None)
        arrived = [point for point in sent if missing is not None and point is not missing]
    changed = {} if count or abs(rest) <= near else {"sum": numbers.get("sum")}
    for point in arrived:
        yield _seen(point, {part: point.fields[part] for part in _PARTS & point.fields.keys()} | changed)


def _sum(points: Sequence[Expected], part: str) -> float:
    return math.fsum(_float(point.fields[part]) for point in points)


def _float(value: Value) -> float:
    return value if isinstance(value, float) else 0.0


def _seen(point: Expected, numbers: dict[str, Value]) -> Seen:
    second, name, *tags = _place(point).split("\n")
    labels = {f"tags.{key}": text for key, _, text in (tag.partition(":") for tag in tags)}
    shown = {field: text for field, text in labels.items() if field in point.fields}
    mean = numbers.pop(_MEAN, None)
    unreadable = {"value": _SEVERAL} if mean != numbers.get("value") else {}
    if _more(numbers.get("count"), point.fields.get("count")):
        unreadable = dict.fromkeys(numbers, _MERGED)
    sent = {part: number for part, number in numbers.items() if part in point.fields}  # Datadog estimates others
    return Seen(point.key, {"name": name, "time": int(second) * _SECOND, **shown, **sent}, unreadable)


def _more(shown: Value, sent: Value) -> bool:
    return isinstance(shown, float) and isinstance(sent, float) and shown > sent
