"""What New Relic does not store, whatever protocol carries it: left out before it is sent, because New Relic drops it silently."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.metrics.export import NumberDataPoint

from magictel.encoding.known_attributes import KnownAttributes
from magictel.encoding.payload import Payload
from magictel.encoding.window import Window
from magictel.encoding.withheld import Withheld
from magictel.model.identity_cache import IdentityCache, StreamCache
from magictel.model.metrics import Attributes, Group, Kind, Point, Series, Stream, attributes_of_group, values_of
from magictel.model.metrics import attributes_of as attributes_of_points
from magictel.model.outcome import Outcome
from magictel.model.validity import all_finite, is_finite
from magictel.plugin.interface import Encoder

WINDOW = 48 * 3600.0, 24 * 3600.0
"""Seconds before and after now within which New Relic stores points."""
_RULE = "New Relic drops points older than two days or more than a day ahead"
LONGEST_NAME, LONGEST_VALUE, _MOST_ATTRIBUTES = 255, 4096, 150
_MOST_GIVEN = _MOST_ATTRIBUTES - 2
"""Attributes of a point and its resource: the scope's are two."""
_MANY = f"it has more than {_MOST_ATTRIBUTES} attributes, with those of its resource: New Relic would drop it silently"
_MERGED = (
    f"reserved keys, and keys and values over {LONGEST_NAME} and {LONGEST_VALUE} characters, do not tell series apart"
)
RESERVED = frozenset({"accountId", "appId", "eventType", "metricName", "timestamp", "endTimestamp", "interval.ms"})
"""Attributes that New Relic gives a meaning of its own, or drops."""


class Limits(Encoder[Any]):
    """The rules of New Relic, for the encoder of any protocol."""

    def __init__(self, exporter: Any) -> None:
        super().__init__(exporter)
        self._window = Window(*WINDOW, "nr.write.time", _RULE, self.seconds_of)
        self._whole = KnownAttributes()
        self._lossy = IdentityCache[Any, bool](_loses, 200_000)
        self._lossy_resources: StreamCache[bool] = StreamCache(lambda stream: _loses(stream.resource), 10_000)

    @staticmethod
    def seconds_of(item: bytes) -> float:
        """Return the time of an encoded item, in Unix seconds."""
        raise NotImplementedError

    def problem(self, series: Series, point: Point) -> Withheld | None:
        """Return why a point is left out, or None."""
        stream = series.stream
        why = _problem(stream)
        if why is not None:
            return Withheld(*why, stream.name)
        number = point.value if isinstance(point, NumberDataPoint) else point.sum
        if not is_finite(number):
            return Withheld("nr.not-finite", "New Relic has no NaN and no infinity", stream.name)
        if number < 0 and kind_of(stream) == "count":
            message = "New Relic's counts are never negative, and this sum of changes decreases"
            return Withheld("nr.negative", message, str(series), refused=True)
        given = {**stream.resource, **series.attributes}
        if len(given) > _MOST_GIVEN and len(attributes_of(given)) > _MOST_GIVEN:
            return Withheld("nr.attributes", _MANY, stream.name, refused=True)
        return None

    def fits(self, stream: Stream, points: Sequence[Point]) -> bool:
        """Return whether no point of a stream of numbers is left out; False: `problem` says which."""
        values = values_of(points)
        most = max(map(len, filter(None, attributes_of_points(points))), default=0)
        return (
            _problem(stream) is None
            and all_finite(values)
            and not (kind_of(stream) == "count" and min(values) < 0)
            and most + len(stream.resource) <= _MOST_GIVEN
        )

    def deduplicate(self, groups: Iterable[Group]) -> Iterable[Group | Withheld]:
        """Leave out points of series that New Relic would merge with another one of the collection."""
        self._whole.begin()
        checked = list(map(self._checked, groups))
        names = {group.stream.name for group, loses in checked if loses}
        kept = [group for group, _ in checked]
        return self._unmerged(kept, names) if names else kept

    def _checked(self, group: Group) -> tuple[Group, bool]:
        """Return the group, and whether New Relic drops or cuts any of its attributes; those that it does not are recognised again."""
        if self._lossy_resources(group.stream):
            return group, True
        attributes = attributes_of_group(group)
        known = self._whole.recognise(group, attributes)
        if known is not None:
            return known, False
        loses = any(map(self._lossy, attributes))
        return group if loses else self._whole.remember(group, attributes), loses

    def _unmerged(self, groups: Iterable[Group], names: set[str]) -> Iterator[Group | Withheld]:
        claims: dict[str, tuple[dict[str, Any], Series]] = {}
        for group in groups:
            if group.stream.name not in names:
                yield group
                continue
            kept: list[Point] = []
            for point in group.points:
                series = Series(group.stream, point.attributes or {})
                given = {**shared_by(series.stream), **series.attributes}
                place = json.dumps([series.stream.name, sorted(attributes_of(given).items())])
                other, first = claims.setdefault(place, (given, series))
                if other == given:
                    kept.append(point)
                    continue
                message = f"New Relic stores it as the same series as {first}: {_MERGED}"
                yield Withheld("nr.collision", message, str(series), refused=True)
            if kept:
                yield group if len(kept) == len(group.points) else replace(group, points=kept, attributes=None)

    def convert(self, groups: Iterable[Group], batch: int) -> Iterable[Group | Withheld]:
        """Leave out points whose time New Relic does not accept."""
        return self._window.inside(groups, self.exporter.clock.now(), batch)

    def expired(self, payload: Payload) -> Outcome | None:
        """Reject points that became too old in the outbox."""
        return self._window.expired(payload, self.exporter.clock.now(), self.split)


def kind_of(stream: Stream) -> str:
    """Return the type of a stream's metrics in New Relic."""
    if stream.kind not in (Kind.GAUGE, Kind.SUM):
        return "summary"
    return "count" if stream.temporality == "delta" else "gauge"


def attributes_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as New Relic stores them: texts, numbers and booleans, within its limits."""
    written: dict[str, Any] = {}
    for key, value in attributes.items():
        if key in RESERVED or len(key) > LONGEST_NAME:
            continue
        if isinstance(value, str):
            written[key] = value[:LONGEST_VALUE]
        elif isinstance(value, bool | int):  # an integer beyond 64 bits would cost the whole request
            written[key] = value if -(1 << 63) <= value < 1 << 63 else str(value)
        elif isinstance(value, float):
            written[key] = value if is_finite(value) else str(value)
        elif value is not None:
            written[key] = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))[:LONGEST_VALUE]
    return {whole(key): whole(value) if isinstance(value, str) else value for key, value in written.items()}


def shared_by(stream: Stream) -> dict[str, Any]:
    """Return the attributes that all points of a stream have: those of its resource, and its scope's name and version."""
    scope = {"otel.library.name": stream.scope_name, "otel.library.version": stream.scope_version}
    return {**stream.resource, **{key: value for key, value in scope.items() if value}}


def whole(text: str) -> str:
    """Return a text without half characters, which JSON cannot have."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _loses(attributes: Attributes | None) -> bool:
    """Return whether New Relic drops a key, or cuts a value."""
    return any(
        key in RESERVED or len(key) > LONGEST_NAME or (isinstance(value, str) and len(value) > LONGEST_VALUE)
        for key, value in (attributes or {}).items()
    )


def _problem(stream: Stream) -> tuple[str, str] | None:
    if not 0 < len(stream.name) <= LONGEST_NAME:
        return "nr.name", "New Relic's names have 1 to 255 characters"
    if stream.temporality == "cumulative" and (stream.monotonic or stream.kind is not Kind.SUM):
        return "nr.cumulative", "New Relic needs delta counts, and this point is cumulative"
    return None
