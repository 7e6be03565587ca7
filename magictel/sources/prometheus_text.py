"""Prometheus' text format 0.0.4 and OpenMetrics 1.0, as a `/metrics` page or many of them: a line is a sample, a family a metric.

Counters become cumulative sums, gauges, untyped and unknown samples gauges; histograms become histograms whose buckets count for
themselves; a summary becomes sums `_count` and `_sum` and one gauge per quantile. Samples without a time have the page's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from sys import intern
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model import PROMETHEUS_TYPE, Kind, Point, number_point
from magictel.sources.parts import LATEST, Head, Interned, Part
from magictel.sources.trouble import SourceError, broken

_CHUNK = 1_000
_NAME = re.compile(rb"[A-Za-z_:][\w:]*")
_LABEL = re.compile(rb'\s*(?:([A-Za-z_][\w.:]*)|"((?:[^"\\]|\\.)*)")\s*(=)?\s*(?:"((?:[^"\\]|\\.)*)")?\s*(,|$)?')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "\\": "\\", '"': '"'}
_SUFFIXES = {
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("_sum", "_count", "_created"),
    "counter": ("_total", "_created"),
    "info": ("_info",),
}
_TYPES = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "untyped", "unknown", "info", "stateset"}
)


class PrometheusText:
    """Decodes the lines of one recording, in order. `time` (Unix nanoseconds) is that of samples without one; `shift` is added to all.

    Call `line` for each, `flush` at the end: a family's parts come when it is over, or every thousand samples.
    """

    def __init__(self, name: str, time: int, shift: int = 0) -> None:
        self.name = name
        self._time = time
        self._shift = shift
        self._resource = Resource({})
        self._scope = InstrumentationScope("")
        self._labels = Interned(_parsed)
        self._heads: dict[tuple[Any, ...], Head] = {}
        self._openmetrics = False
        self._family = ""
        self._type = "unknown"
        self._help = ""
        self._unit = ""
        self._numbers: dict[str, Part] = {}
        self._held = 0
        self._grown: dict[tuple[bytes, int | None], _Histogram] = {}
        self._created: dict[bytes, int] = {}

    def line(self, text: bytes, number: int) -> list[Part]:
        """What is complete with this line. Raises `SourceError` for one that is broken."""
        text = text.rstrip(b"\r")
        if text[:1] == b"#":
            return self._comment(text, number)
        return self._sample(text, number)

    def flush(self) -> list[Part]:
        """What is still open."""
        return list(self._complete())

    def _comment(self, text: bytes, number: int) -> list[Part]:
        words = text[1:].split(None, 2)
        if not words or words[0] not in (b"TYPE", b"HELP", b"UNIT", b"EOF"):
            return []
        if words[0] == b"EOF":
            parts = list(self._complete())
            self._begin("")
            return parts
        if len(words) < 2:
            raise broken(self.name, number, len(text) + 1, "expected a metric's name")
        name = _unquoted(words[1])
        rest = words[2].decode("utf-8", "replace").strip() if len(words) > 2 else ""
        parts = []
        if name != self._family:
            parts = list(self._complete())
            self._begin(name)
        match words[0]:
            case b"TYPE":
                if rest not in _TYPES:
                    raise broken(
                        self.name, number, text.rfind(rest.encode()) + 1, f"expected a type, got {rest[:40]!r}"
                    )
                self._type = rest
            case b"HELP":
                self._help = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), rest)
            case _:
                self._unit = rest
        return parts

    def _begin(self, family: str) -> None:
        self._family, self._type, self._help, self._unit = family, "unknown", "", ""
        self._created.clear()

    def _sample(self, text: bytes, number: int) -> list[Part]:
        at = len(text) - len(text.lstrip())
        found = _NAME.match(text, at)
        name = found[0].decode() if found else ""
        at = found.end() if found else at
        labels = b""
        if text[at : at + 1] == b"{":
            end = _closing(text, at)
            if end < 0:
                raise broken(self.name, number, len(text) + 1, "expected } after the labels")
            labels, at = text[at + 1 : end].strip(), end + 1
        elif not found:
            raise broken(self.name, number, at + 1, "expected a metric's name")
        words = text[at:].split(b" # ", 1)[0].split()  # an exemplar follows
        if not 1 <= len(words) <= 2:
            why = "expected a value" if not words else "expected the line's end after value and time"
            raise broken(self.name, number, len(text) + 1 if not words else text.rfind(words[2]) + 1, why)
        try:
            own = self._labels[labels]
        except ValueError as failure:
            column = text.find(labels) + 1 + int(failure.args[1] if len(failure.args) > 1 else 0)
            raise broken(self.name, number, column, str(failure.args[0])) from None
        if not name:
            named = own.get("__name__")
            if named is None:
                raise broken(self.name, number, text.find(b"{") + 2, "expected a metric's name in quotes")
            name, own = named, {key: value for key, value in own.items() if key != "__name__"}
        try:
            value = _number(words[0])
        except ValueError:
            column = text.find(words[0], at) + 1
            said = words[0][:40].decode("utf-8", "replace")
            raise broken(self.name, number, column, f"expected a number, got {said!r}") from None
        time = self._moment(words[1], text, number) if len(words) == 2 else self._time
        return self._take(name, labels, own, value, time + self._shift, number)

    def _moment(self, word: bytes, text: bytes, number: int) -> int:
        moment = LATEST + 1
        with suppress(ValueError, OverflowError):
            moment = _nanoseconds(word)
        if abs(moment) > LATEST:
            column = text.rfind(word) + 1
            raise broken(self.name, number, column, "expected a time (milliseconds, before the year 2262)")
        return moment

    def _take(self, name: str, raw: bytes, own: dict[str, Any], value: float, time: int, number: int) -> list[Part]:
        suffix = self._suffix(name)
        if suffix is None:  # a sample of no family that was announced
            parts = list(self._complete())
            self._begin(name)
            suffix = ""
        else:
            parts = []
        if suffix == "_created":
            self._created[raw] = round(value * 1_000_000_000) + self._shift if math.isfinite(value) else 0
            return parts
        kind = self._type
        if kind in ("histogram", "gaugehistogram") and suffix:
            self._bucket(suffix, raw, own, value, time, number)
            return parts
        start = self._created.get(raw, 0)
        if kind == "counter":
            head = self._head(name, Kind.SUM, self._unit)
        elif kind == "summary" and suffix:
            head = self._head(name, Kind.SUM, self._unit if suffix == "_sum" else "")
        else:
            head, start = self._head(name, Kind.GAUGE, self._unit), 0
        part = self._numbers.get(name)
        if part is None:
            part = self._numbers[name] = Part(head, [], [])
        part.points.append(number_point(own, start, time, value))  # type: ignore[attr-defined] # a list of ours
        part.keys.append(hash(raw))  # type: ignore[attr-defined]
        self._held += 1
        if self._held >= _CHUNK:
            parts += self._drained()
        return parts

    def _suffix(self, name: str) -> str | None:
        family = self._family
        if not family or not name.startswith(family):
            return None
        rest = name[len(family) :]
        return rest if not rest or rest in _SUFFIXES.get(self._type, ()) else None

    def _bucket(self, suffix: str, raw: bytes, own: dict[str, Any], value: float, time: int, number: int) -> None:
        bound = own.get("le")
        if suffix == "_bucket":
            try:
                limit = float(bound) if bound is not None else None
            except ValueError:
                limit = None
            if limit is None:
                raise broken(self.name, number, 1, "expected a bucket's bound (le) that is a number")
            own = {key: one for key, one in own.items() if key != "le"}
        key = (b"\0".join(f"{name}\0{one}".encode() for name, one in sorted(own.items())), time)
        held = self._grown.get(key)
        if held is None:
            held = self._grown[key] = _Histogram(own, time, number)
        if suffix == "_bucket":
            held.buckets.append((limit or 0.0, value))
        elif suffix in ("_sum", "_gsum"):
            held.sum = value
        else:
            held.count = value

    def _complete(self) -> Iterator[Part]:
        yield from self._drained()
        if self._grown:
            grown, self._grown = self._grown, {}
            head = self._head(self._family, Kind.HISTOGRAM, self._unit)
            points: list[Point] = []
            keys = []
            starts = {frozenset(self._labels[raw].items()): at for raw, at in self._created.items()}
            for (raw, _), one in grown.items():
                points.append(one.point(self.name, starts.get(frozenset(one.attributes.items()), 0)))
                keys.append(hash(raw))
            yield Part(head, points, keys)

    def _drained(self) -> list[Part]:
        parts, self._numbers, self._held = list(self._numbers.values()), {}, 0
        return parts

    def _head(self, name: str, kind: Kind, unit: str) -> Head:
        key = (name, kind, unit, self._help, self._type)
        known = self._heads.get(key)
        if known is None:
            if len(self._heads) > 20_000:
                self._heads.clear()
            temporality = None if kind is Kind.GAUGE else "cumulative"
            around = (self._resource, self._scope, "", "")
            metadata = ((PROMETHEUS_TYPE, self._type),)
            known = Head(*around, intern(name), self._help, unit, kind, temporality, kind is Kind.SUM, metadata)
            self._heads[key] = known
        return known


def _number(word: bytes) -> float:
    """A sample's value; as Go reads it, so no underscores, and nothing that a 64-bit float does not hold. Raises `ValueError`."""
    value = float(word)
    if (value - value != 0 and not word.lstrip(b"+-")[:1].isalpha()) or b"_" in word:
        raise ValueError
    return value


def _nanoseconds(word: bytes) -> int:
    """Milliseconds in Prometheus' format, seconds with a fraction in OpenMetrics'."""
    try:
        whole = int(word)
    except ValueError:
        return round(float(word) * 1000) * 1_000_000
    return whole * 1_000_000 if abs(whole) > 100_000_000_000 else whole * 1_000_000_000


class _Histogram:
    __slots__ = ("attributes", "buckets", "count", "line", "sum", "time")

    def __init__(self, attributes: dict[str, Any], time: int, line: int) -> None:
        self.attributes, self.time, self.line = attributes, time, line
        self.buckets: list[tuple[float, float]] = []
        self.sum: float | None = None
        self.count: float | None = None

    def point(self, name: str, start: int) -> Point:
        """The histogram: buckets become counts of their own. Raises `SourceError` where they do not grow."""
        self.buckets.sort()
        bounds = [bound for bound, _ in self.buckets if bound != math.inf]
        grown = [count for bound, count in self.buckets if bound != math.inf]
        last = next((count for bound, count in self.buckets if bound == math.inf), self.count)
        grown.append(last if last is not None else (grown[-1] if grown else 0.0))
        if any(not math.isfinite(one) for one in grown) or any(a > b for a, b in pairwise(grown)):
            raise broken(name, self.line, None, "expected a histogram whose buckets grow with their bounds")
        counts = [int(after - before) for before, after in zip([0.0, *grown], grown, strict=False)]
        made: Any = HistogramDataPoint  # a page has no minimum and no maximum
        return made(self.attributes, start, self.time, int(grown[-1]), self.sum, counts, bounds, None, None)  # type: ignore[no-any-return]


def _closing(text: bytes, at: int) -> int:
    """Where the labels that begin at `at` end; -1: they do not."""
    end = text.find(b"}", at)
    while end >= 0:
        quotes = text[at:end].replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"')
        if quotes % 2 == 0:
            return end
        end = text.find(b"}", end + 1)
    return -1


def _parsed(raw: bytes) -> dict[str, Any]:
    """Labels; a quoted name alone is the metric's (`__name__`). Raises `ValueError` with what was expected and where."""
    made: dict[str, Any] = {}
    at = 0
    while at < len(raw):
        found = _LABEL.match(raw, at)
        if found is None or found.end() == at:
            raise ValueError("expected a label's name", at)
        plain, quoted, equals, value, comma = found.groups()
        if comma is None and found.end() < len(raw):
            raise ValueError("expected a comma or the labels' end", found.end())
        if plain is not None and (not equals or value is None):
            raise ValueError("expected a label's value in quotes", found.end())
        name = plain.decode() if plain is not None else _text(quoted)
        if value is None:
            if equals:
                raise ValueError("expected a label's value in quotes", found.end())
            made["__name__"] = name
        else:
            made[intern(name)] = _text(value)
        at = found.end()
    return made


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), text) if "\\" in text else text


def _unquoted(raw: bytes) -> str:
    return _text(raw[1:-1]) if raw[:1] == b'"' and raw[-1:] == b'"' else raw.decode("utf-8", "replace")


def decode(decoder: PrometheusText, given: Iterable[tuple[int, bytes]], on_broken: Any) -> Iterator[list[Part]]:
    """Batches of a page's parts; `on_broken` is told of lines that cannot be read, and raises or not."""
    for number, text in given:
        try:
            parts = decoder.line(text, number)
        except SourceError as failure:
            on_broken(failure)
            continue
        if parts:
            yield parts
    try:
        yield decoder.flush()
    except SourceError as failure:
        on_broken(failure)
