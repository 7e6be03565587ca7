"""Points that would be one sample to Prometheus: different metrics, resources or scopes whose name, labels and time become equal.

No rule of the specification says what one who pushes does with them: of two in one request Prometheus keeps the first and
answers 204, of two in two requests it refuses the second (400), and VictoriaMetrics keeps both and shows either. So the first
is sent, and each further one is refused here, by name.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from magictel.exporters.prometheus_remote_write.encoding import Encoder, describe, milliseconds, samples
from magictel.model import Attributes, Group, Kind, Point, Series, Stream
from magictel.templates import Withheld

CODE = "prom.rw.collision"
_WHY = "to Prometheus this is the same series and time as another point: it would keep one of the two and say nothing"
_Place = tuple[str, Hashable]
_Sample = tuple[str, frozenset[tuple[str, str]], int]


def distinct(encoder: Encoder, groups: Iterable[Group]) -> Iterator[Group | Withheld]:
    """The groups without the points whose samples another stream of the collection has claimed before.

    A collection in which no two streams share a Prometheus name, job, instance and scope, the usual one, costs a look at
    each stream and none at the points.
    """
    held = list(groups)
    places = _Places(encoder)
    contested = _contested(places, held)
    if not contested:
        yield from held
        return
    claimed: dict[_Sample, Series] = {}
    for group in held:
        if contested.isdisjoint(places.of(group.stream)):
            yield group
            continue
        kept: list[Point] = []
        for point in group.points:
            series = Series(group.stream, point.attributes or {})
            own = _samples(encoder, series, point)
            other = next((claimed[one] for one in own if one in claimed and not _same(claimed[one], series)), None)
            if other is not None:
                yield Withheld(CODE, _WHY, _told(encoder, other, series), refused=True)
                continue
            claimed.update(dict.fromkeys(own, series))
            kept.append(point)
        if kept:
            yield replace(group, points=kept)


class _Places:
    """What a stream's series share in Prometheus: for each name of its samples the name, and the labels of resource and scope."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._shared: dict[tuple[int, str, str], Hashable] = {}

    def of(self, stream: Stream) -> tuple[_Place, ...]:
        """One place, a histogram's three; none where nothing is left of the name."""
        name = self._encoder.name(stream)
        if name is None:
            return ()
        key = (id(stream.resource), stream.scope_name, stream.scope_version)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = tuple(self._encoder.fixed(stream).items())
        if stream.kind is not Kind.HISTOGRAM:
            return ((name, shared),)
        return (f"{name}_bucket", shared), (f"{name}_sum", shared), (f"{name}_count", shared)


def _contested(places: _Places, groups: Iterable[Group]) -> set[_Place]:
    """The places that more than one stream claims."""
    owners: dict[_Place, Stream] = {}
    found: set[_Place] = set()
    for group in groups:
        for place in places.of(group.stream):
            owner = owners.setdefault(place, group.stream)
            if owner is not group.stream and not _alike(owner, group.stream):
                found.add(place)
    return found


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


def _alike(one: Stream, other: Stream) -> bool:
    return _identity(one) == _identity(other)


def _same(one: Series, other: Series) -> bool:
    return one.stream is other.stream or _alike(one.stream, other.stream)


def _samples(encoder: Encoder, series: Series, point: Point) -> list[_Sample]:
    """The samples of a point as Prometheus tells them apart; none where the encoder leaves the point out anyway."""
    if not isinstance(encoder.encode(series, point), bytes):
        return []
    name, own, moment = encoder.name(series.stream), encoder.labels(series), milliseconds(point.time_unix_nano)
    return [(f"{name}{suffix}", frozenset({**own, **extra}.items()), moment) for suffix, extra, _ in samples(point)]


def _told(encoder: Encoder, first: Series, second: Series) -> str:
    """The point for people, and what it is taken for; of resources the keys only."""
    one, other = first.stream, second.stream
    if one.name != other.name:
        why = f"{one.name} and {other.name} are both {encoder.name(other)}"
    elif one.resource != other.resource:
        why = f"the resources differ only in what is no label ({_differing(one.resource, other.resource)})"
    else:
        why = "unit, kind or scope differ, which are no labels"
    return f"{why}: {describe(second)}"


def _differing(one: Attributes, other: Mapping[str, Any]) -> str:
    keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
