"""Any points in Prometheus' terms: a series and a time are an identity, and a histogram's parts belong to one point."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from magictel.formats.prometheus.names import label_value
from magictel.formats.prometheus.series import SeriesNames, describe, identity, milliseconds, samples
from magictel.model.metrics import Attributes, Point, Series, Stream
from magictel.model.verification import Expected, Seen, Unreadable, Value
from magictel.promql.query import QueryApi, any_of

_NAMES = 2_000
"""Characters of metric names that one query asks for."""
_MOST_HELD = 5_000
"""Series that are remembered from one point to the next."""
_AT = "\n"
_UNCLEAR = re.compile(r'[,="\\]')
_BRACE = re.compile(r"[{\\]")
_UP_TO_LABELS = re.compile(r"(?:[^{\\]|\\.)*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")


class Identities:
    """Points as `find` looks for them. What a series' points share is made once, where their attributes are the same objects again."""

    def __init__(self, names: SeriesNames, carried: Callable[[Series, Point], bool]) -> None:
        """`carried`: whether the encoder sends a point."""
        self._names, self._carried = names, carried
        self._streams: dict[Stream, tuple[Attributes, dict[int, _Known]]] = {}
        self._stream: Stream | None = None
        self._here: dict[int, _Known] = {}
        self._held = 0

    def of(self, series: Series, point: Point) -> Expected | None:
        """A point's samples, each under its whole series; None where the encoder leaves the point out."""
        if series.stream is not self._stream:
            self._enter(series.stream)
        known = self._here.get(id(series.attributes))
        if known is None:
            if not self._here and not self._carried(series, point):
                return None
            known = self._made(series)
        try:
            values = samples(point, self._names.bound_text(series.stream))
        except (
            OverflowError,
            ValueError,
        ):  # of a stream that it does not leave out the encoder leaves out such a point
            return None
        fields: dict[str, Value] = {known.sample(suffix, extra): _double(value) for suffix, extra, value in values}
        moment = milliseconds(point.time_unix_nano)
        return Expected(f"{moment}{known.key}", f"{known.shown} at {moment / 1000:.3f}", fields)

    def _enter(self, stream: Stream) -> None:
        """The series of this stream; equal resources are not enough to share them: 1 == True == 1.0."""
        resource, series = self._streams.get(stream, (None, {}))
        if resource is not stream.resource:
            series = {}
            self._streams[stream] = stream.resource, series
        self._stream, self._here = stream, series

    def _made(self, series: Series) -> _Known:
        if self._held >= _MOST_HELD or len(self._streams) > _MOST_HELD:
            self._streams.clear()
            self._held = 0
            self._enter(series.stream)
        self._held += 1
        name, own = self._wanted(series)
        # The metric's own name is part of the key: of two that become one name in Prometheus, one is not shown as it was sent.
        key = f"{_AT}{series.stream.name}{_AT}{_series(own)}"
        made = self._here[id(series.attributes)] = _Known(series.attributes, name, own, key, describe(series), {})
        return made

    def _wanted(self, series: Series) -> tuple[str, Mapping[str, str]]:
        """The name and the labels that a user looks for. A page says its own: what the encoder renames is lost."""
        stream = series.stream
        if not self._names.verbatim(stream):
            return self._names.name(stream) or "", self._names.labels(series)
        own = {key: label_value(value) for key, value in series.attributes.items() if value != ""}
        return stream.name, own | identity(stream.resource)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a series' points share. `attributes` are kept, as ids are reused; `samples` are texts by suffix and `le`."""

    attributes: Attributes
    name: str
    own: Mapping[str, str]
    key: str
    shown: str
    samples: dict[tuple[str, str | None], str]

    def sample(self, suffix: str, extra: Mapping[str, str]) -> str:
        """One sample's series."""
        which = suffix, extra.get("le")
        text = self.samples.get(which)
        if text is None:
            text = self.samples[which] = _series({**self.own, **extra, "__name__": f"{self.name}{suffix}"})
        return text


def find(api: QueryApi, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
    """What queries show of the points. Raises `WireError`."""
    if not expected:
        return []
    wanted: dict[tuple[str, int], list[str]] = {}
    for one in expected:
        moment = int(one.key.partition(_AT)[0])
        for series in one.fields:
            wanted.setdefault((series, moment), []).append(one.key)
    moments = [moment for _, moment in wanted]
    since, until = min(moments) / 1000 - 1, max(moments) / 1000 + 1
    shown: dict[str, list[dict[str, Value]]] = {}
    for names in _some(sorted({_name(series) for series, _ in wanted})):
        rows = api.samples(f"__name__=~{any_of(names)}", since, until)
        if isinstance(rows, Unreadable):
            return rows
        for row in rows:
            series = _series(row["metric"])
            for time, text in row["values"]:
                for key in wanted.get((series, round(float(time) * 1000)), ()):
                    _put(shown.setdefault(key, []), series, float(text))
    return [Seen(key, fields) for key, copies in shown.items() for fields in copies]


def _put(copies: list[dict[str, Value]], series: str, value: float) -> None:
    """A second sample of one series and time is a second copy of the point."""
    for fields in copies:
        if series not in fields:
            fields[series] = value
            return
    copies.append({series: value})


def _some(names: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for name in names:
        if chunk and size + len(name) > _NAMES:
            yield chunk
            chunk, size = [], 0
        chunk.append(name)
        size += len(name) + 1
    yield chunk


def _series(labels: Mapping[str, str]) -> str:
    """`name{label=value, …}`, by which a series is recognised and shown; labels without a value are none."""
    own = sorted((name, _told(value)) for name, value in labels.items() if value and name != "__name__")
    name = _BRACE.sub(r"\\\g<0>", labels.get("__name__", ""))
    return f"{name}{{{', '.join(f'{name}={value}' for name, value in own)}}}"


def _told(value: str) -> str:
    """A label's value, quoted where it could be taken for something else."""
    return json.dumps(value, ensure_ascii=False) if _UNCLEAR.search(value) else value


def _name(series: str) -> str:
    name = _UP_TO_LABELS.match(series)
    return _ESCAPE.sub(r"\1", name[0]) if name else series


def _double(value: float) -> Value:
    return float("nan") if value != value else float(value)
