"""Points that would be one sample to Prometheus: their names, labels and times become equal, within a metric or between two.

The specification has no rule for a sender: of two in one request Prometheus keeps the first and
answers 204, of two in two requests it refuses the second (400), and VictoriaMetrics keeps both and shows either. So the first
is sent, and each further one is refused here, by name. A repeat of a point (the same attributes, time and value) is sent: it costs nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from magictel.encoding.withheld import Withheld
from magictel.formats.prometheus.likeness import Likeness
from magictel.formats.prometheus.series import SeriesNames, milliseconds
from magictel.model.metrics import Attributes, Group, Point, Series, Stream, times_of

_WHY = "to Prometheus this is the same series and time as another point: it would silently keep one of the two"
_WHY_UNTIMED = "to Prometheus this is the same series as another point, and a page has one sample of each"
_Place = tuple[str, Hashable]
_Sample = tuple[str, frozenset[tuple[str, str]], int]
_Claimed = dict[_Sample, tuple[Series, Point]]


class SampleCollisions:
    """Passes on the points of collections but those whose samples another point of the collection has claimed before.

    A collection in which no two metrics share a Prometheus name, job, instance and scope, the usual one, costs a comparison of
    each point's attributes with those of the collection before; new ones are compared as labels.
    """

    def __init__(
        self, names: SeriesNames, code: str, leaves_out: Callable[[Stream], bool], *, timed: bool = True
    ) -> None:
        """`code`: of those points. `leaves_out`: whether the encoder leaves a stream out. `timed`: whether samples carry their
        times; otherwise a series has one sample, and a repeat of a point is left out too.
        """
        self._names, self._code, self._leaves_out, self._timed = names, code, leaves_out, timed
        self._likeness = Likeness(names, timed=timed)

    def deduplicate(self, groups: Iterable[Group]) -> Iterator[Group | Withheld]:
        """Return a collection's groups without those points, and each of them withheld."""
        going = list(groups)
        self._likeness.begin()
        suspects: dict[int, frozenset[int] | None] = {}
        for sharing, certain in self._sharing(going):
            if not certain:  # other metrics, resources or scopes: each point of them may be another's
                suspects.update(dict.fromkeys(sharing))
            elif len(sharing) == 1:
                (number,) = sharing
                apart = self._likeness.apart(going[number])
                if apart is None:
                    suspects.update(self._alike(going, sharing))
                else:
                    going[number] = apart
            elif not self._likeness.all_apart([going[number] for number in sharing]):
                suspects.update(self._alike(going, sharing))
        claimed: _Claimed = {}
        for number, group in enumerate(going):
            if number in suspects:
                yield from self._unclaimed(group, suspects[number], claimed)
            else:
                yield group

    def _sharing(self, groups: Sequence[Group]) -> Iterator[tuple[list[int], bool]]:
        """The groups that share places, by their numbers; and whether they are all of one metric and share all of their places."""
        places = _Places(self._names, self._leaves_out)
        claims = [places.of(group.stream) for group in groups]
        by_place: dict[_Place, list[int]] = {}
        for number, claimed_places in enumerate(claims):
            for place in claimed_places:
                by_place.setdefault(place, []).append(number)
        done: set[int] = set()
        for number, claimed_places in enumerate(claims):
            if number in done or not claimed_places:
                continue
            if all(len(by_place[place]) == 1 for place in claimed_places):
                yield [number], True
                continue
            sharing, more = {number}, [number]
            while more:
                for place in claims[more.pop()]:
                    new = set(by_place[place]) - sharing
                    sharing |= new
                    more += new
            done |= sharing
            certain = all(
                claims[other] == claimed_places and _alike(groups[other].stream, groups[number].stream)
                for other in sharing
            )
            yield sorted(sharing), certain

    def _alike(self, groups: Sequence[Group], sharing: Sequence[int]) -> dict[int, frozenset[int]]:
        """For each of these groups, of one metric, the places of its points that are like others in labels and time."""
        keys = {
            number: list(
                zip(
                    self._likeness.texts(groups[number]),
                    map(self._moment, times_of(groups[number].points)),
                    strict=True,
                )
            )
            for number in sharing
        }
        counts = Counter(chain.from_iterable(keys.values()))
        return {
            number: frozenset(place for place, key in enumerate(keys_of_points) if counts[key] > 1)
            for number, keys_of_points in keys.items()
        }

    def _unclaimed(
        self, group: Group, suspects: frozenset[int] | None, claimed: _Claimed
    ) -> Iterator[Group | Withheld]:
        kept: list[Point] = []
        for place, point in enumerate(group.points):
            if suspects is None or place in suspects:
                series = Series(group.stream, point.attributes or {})
                places = self._samples(series, point)
                other = next((claimed[place] for place in places if place in claimed), None)
                if other is not None:
                    repeats = _repeats(self._names, *other, series, point)
                    if not (repeats and self._timed):
                        why = _WHY if self._timed else _WHY_UNTIMED
                        shown = _collision(self._names, *other, series, point)
                        yield Withheld(self._code, why, shown, refused=not repeats)
                        continue
                claimed.update(dict.fromkeys(places, (series, point)))
            kept.append(point)
        if kept:
            yield replace(group, points=kept, attributes=None)

    def _samples(self, series: Series, point: Point) -> list[_Sample]:
        """Return the identities of a point's samples in Prometheus; none if the encoder leaves the point out anyway."""
        name = self._names.name(series.stream)
        if name is None or self._leaves_out(series.stream):
            return []
        try:
            parts = self._names.values(series.stream, point)
        except (OverflowError, ValueError):
            return []
        labels, moment = self._names.labels(series), self._moment(point.time_unix_nano)
        return [(f"{name}{suffix}", frozenset({**labels, **extra}.items()), moment) for suffix, extra, _ in parts]

    def _moment(self, time: int) -> int:
        """Return the time that distinguishes samples of a series."""
        return milliseconds(time) if self._timed else 0


class _Places:
    """What a stream's series share in Prometheus: for each name of its samples the name, and the labels of resource and scope."""

    def __init__(self, names: SeriesNames, leaves_out: Callable[[Stream], bool]) -> None:
        self._names, self._leaves_out = names, leaves_out
        self._shared: dict[tuple[Any, ...], Hashable] = {}

    def of(self, stream: Stream) -> tuple[_Place, ...]:
        """One place, a histogram's three; none where the encoder leaves the stream out."""
        name = self._names.name(stream)
        if name is None or self._leaves_out(stream):
            return ()
        scope = stream.scope_name, stream.scope_version, stream.scope_schema_url, id(stream.scope_attributes)
        key = (id(stream.resource), *scope, self._names.verbatim(stream))
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = frozenset(self._names.fixed(stream).items())
        return tuple((f"{name}{suffix}", shared) for suffix in self._names.sample_suffixes(stream))


def _identity(stream: Stream) -> tuple[Any, ...]:
    """What makes a stream another one; a new description does not."""
    return (
        stream.name,
        stream.unit,
        stream.kind,
        stream.monotonic,
        stream.scope_name,
        stream.scope_version,
        stream.scope_attributes,
        stream.resource,
    )


def _alike(stream: Stream, other: Stream) -> bool:
    return stream is other or _identity(stream) == _identity(other)


def _repeats(names: SeriesNames, first: Series, first_point: Point, series: Series, point: Point) -> bool:
    """Whether a point is the first one once more: of the same metric, with the same attributes, time and value."""
    return (
        _alike(first.stream, series.stream)
        and _distinct(first.attributes) == _distinct(series.attributes)
        and milliseconds(first_point.time_unix_nano) == milliseconds(point.time_unix_nano)
        and repr(names.values(first.stream, first_point)) == repr(names.values(series.stream, point))
    )


def _distinct(attributes: Attributes) -> frozenset[tuple[str, str]]:
    """Return attributes as OpenTelemetry distinguishes them: 1, True and "1" are three values."""
    return frozenset((key, repr(value)) for key, value in attributes.items())


def _quoted(attributes: Attributes) -> dict[str, str]:
    return {key: json.dumps(value, ensure_ascii=False, default=repr) for key, value in attributes.items()}


def _collision(names: SeriesNames, first: Series, first_point: Point, second: Series, second_point: Point) -> str:
    """The point for people, and what it is taken for; of resources the keys only."""
    stream, other = first.stream, second.stream
    if stream.name != other.name:
        why = f"{stream.name} and {other.name} are both {names.name(other)}"
    elif stream.resource != other.resource:
        why = f"the resources differ only in what is no label ({_differing(stream.resource, other.resource)})"
    elif not _alike(stream, other):
        why = "unit, kind or scope differ, which are no labels"
    elif _distinct(first.attributes) != _distinct(second.attributes):
        pair = [str(series) for series in (first, second)]
        if pair[0] == pair[1]:  # they differ in a type, or beyond what is shown
            pair = [str(replace(series, attributes=_quoted(series.attributes))) for series in (first, second)]
        return f"{pair[0]} has the same labels: {pair[1]}"
    elif milliseconds(first_point.time_unix_nano) != milliseconds(second_point.time_unix_nano):
        why = "the same series has two points"
    elif first_point.time_unix_nano != second_point.time_unix_nano:
        why = "two points lie within one millisecond"
    else:
        why = "the same point has another value"
    return f"{why}: {second}"


def _differing(attributes: Attributes, other: Mapping[str, Any]) -> str:
    keys = sorted(key for key in {*attributes, *other} if attributes.get(key) != other.get(key))
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
