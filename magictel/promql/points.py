"""Points of a replay in Prometheus' terms: series and time are the identity, and the parts of a histogram form a point."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from magictel.formats.prometheus.names import label_value
from magictel.formats.prometheus.series import SeriesNames, identity, milliseconds
from magictel.model.identity_cache import StreamCache
from magictel.model.metrics import Attributes, Point, Series
from magictel.model.verification import Expected, Seen, Unreadable, Value
from magictel.plugin.query_limit import portions
from magictel.promql.expected import bound_of, samples_of
from magictel.promql.query import QueryApi, any_of

_NAMES = 2_000
"""Maximum length of the metric names in a query."""
_MOST_SERIES = 5_000
"""Maximum number of cached series."""
_AT = "\n"
_UNCLEAR = re.compile(r'[,="\\]')
_BRACE = re.compile(r"[{\\]")
_UP_TO_LABELS = re.compile(r"(?:[^{\\]|\\.)*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")


class Identities:
    """Points as `find` looks for them. The common data of a series' points is cached by the identity of their attributes."""

    def __init__(self, names: SeriesNames, carried: Callable[[Series, Point], bool]) -> None:
        """Create the cache. `carried`: whether the encoder sends a point."""
        self._names, self._carried = names, carried
        self._streams: StreamCache[dict[int, _Known]] = StreamCache(lambda _: {}, _MOST_SERIES)
        self._count = 0

    def of(self, series: Series, point: Point) -> Expected | None:
        """Return a point's samples, each with its series, or None if the encoder omits the point."""
        here = self._streams(series.stream)
        known = here.get(id(series.attributes))
        if known is None:
            if not here and not self._carried(series, point):
                return None
            known = self._new(series)
        values: Iterable[tuple[str, Mapping[str, str], Value]]
        try:
            values = self._names.values(series.stream, point)
        except (
            OverflowError,
            ValueError,
        ):  # of a stream that it does not leave out the encoder leaves out such a point
            return None
        fields: dict[str, Value] = {known.sample(suffix, extra): _double(value) for suffix, extra, value in values}
        moment = milliseconds(point.time_unix_nano)
        return Expected(f"{moment}{known.key}", f"{known.shown} at {moment / 1000:.3f}", fields)

    def _new(self, series: Series) -> _Known:
        if self._count >= _MOST_SERIES:
            self._streams.clear()
            self._count = 0
        self._count += 1
        name, labels = self._wanted(series)
        # The metric's own name is part of the key: of two that get the same name in Prometheus, one is not shown as sent.
        key = f"{_AT}{series.stream.name}{_AT}{_series(labels)}"
        known = _Known(series.attributes, name, labels, key, str(series), {})
        self._streams(series.stream)[id(series.attributes)] = known
        return known

    def _wanted(self, series: Series) -> tuple[str, Mapping[str, str]]:
        """Return the expected name and labels. Metrics from a page keep theirs: what the encoder renames is lost."""
        stream = series.stream
        if not self._names.verbatim(stream):
            return self._names.name(stream) or "", self._names.labels(series)
        labels = {key: label_value(value) for key, value in series.attributes.items() if value != ""}
        return stream.name, labels | identity(stream.resource)


@dataclass(frozen=True, slots=True)
class _Known:
    """The common data of a series' points. `attributes` are kept, because ids are reused; `samples` are texts by suffix and bound."""

    attributes: Attributes
    name: str
    labels: Mapping[str, str]
    key: str
    shown: str
    samples: dict[tuple[str, str], str]

    def sample(self, suffix: str, extra: Mapping[str, str]) -> str:
        """Return the series of a sample."""
        which = suffix, bound_of(extra)
        text = self.samples.get(which)
        if text is None:
            text = self.samples[which] = _series({**self.labels, **extra, "__name__": f"{self.name}{suffix}"})
        return text


def find(api: QueryApi, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
    """Return what queries show of the points. Raise `WireError`."""
    if not expected:
        return []
    wanted: dict[tuple[str, int], list[str]] = {}
    for point in expected:
        moment = int(point.key.partition(_AT)[0])
        for series in point.fields:
            wanted.setdefault((series, moment), []).append(point.key)
    moments = [moment for _, moment in wanted]
    since, until = min(moments) / 1000 - 1, max(moments) / 1000 + 1
    shown: dict[str, list[dict[str, Value]]] = {}
    for names in portions(sorted({_name(series) for series, _ in wanted}), _NAMES, len):
        rows = api.samples(f"__name__=~{any_of(names)}", since, until)
        if isinstance(rows, Unreadable):
            return rows
        for row in rows:
            series = _series(row["metric"])
            for time, value in samples_of(row):
                for key in wanted.get((series, round(float(time) * 1000)), ()):
                    _put(shown.setdefault(key, []), series, value)
    return [Seen(key, fields) for key, copies in shown.items() for fields in copies]


def _put(copies: list[dict[str, Value]], series: str, value: Value) -> None:
    """Return the copies of a point: a second sample of the same series and time is a second copy."""
    for fields in copies:
        if series not in fields:
            fields[series] = value
            return
    copies.append({series: value})


def _series(labels: Mapping[str, str]) -> str:
    """Return `name{label=value, …}`, which identifies a series; labels without a value are omitted."""
    pairs = sorted((name, _quoted(value)) for name, value in labels.items() if value and name != "__name__")
    name = _BRACE.sub(r"\\\g<0>", labels.get("__name__", ""))
    return f"{name}{{{', '.join(f'{name}={value}' for name, value in pairs)}}}"


def _quoted(value: str) -> str:
    """Return a label's value, quoted if it is ambiguous."""
    return json.dumps(value, ensure_ascii=False) if _UNCLEAR.search(value) else value


def _name(series: str) -> str:
    name = _UP_TO_LABELS.match(series)
    return _ESCAPE.sub(r"\1", name[0]) if name else series


def _double(value: Value) -> Value:
    if not isinstance(value, float | int):
        return value
    return float("nan") if value != value else float(value)
