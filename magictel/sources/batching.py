"""Batching of decoded points into slices of `MetricsData`: a few thousand points each, with neighbouring points of a metric together.

Repeated attributes are the same objects, so that the exporters' caches work for recordings, too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any, NamedTuple, TypeVar

from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model.identity_cache import IdentityCache
from magictel.model.metrics import Kind, Metadata, MetricWithMetadata, Point, joined, times_of
from magictel.model.metrics_data import data_of

V = TypeVar("V")
SLICE = 4_000
"""Approximate number of points per slice: lines are not split."""
_MOST_ENTRIES = 20_000
_MOST_HEADS = 10_000
RESOURCES = 1_000
"""Maximum number of resources, or scopes, that a decoder caches."""
_MOST_BYTES = 6 * 1024 * 1024
_EXACT = 100_000
_PLACES = 1 << 21


class Head(NamedTuple):
    """The common data of a metric's points. Equal `resource`s and `scope`s are the same objects."""

    resource: Resource
    scope: InstrumentationScope
    resource_schema_url: str
    scope_schema_url: str
    name: str
    description: str
    unit: str
    kind: Kind
    temporality: str | None
    monotonic: bool
    metadata: Metadata = ()


Around = tuple[Resource, InstrumentationScope, str, str]
"""Resource and scope of a metric, with their schema URLs."""


class Heads:
    """A cache of metric heads: the same metric gets the same head."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Head] = {}

    def of(self, around: Around, key: tuple[Hashable, ...], make: Callable[[], Head]) -> Head:
        """Return the head for a metric's `around` (resource and scope) and `key`, creating it if needed."""
        key = (id(around[0]), id(around[1]), *around[2:], *key)
        known = self._known.get(key)
        if known is None or known.resource is not around[0] or known.scope is not around[1]:  # ids are reused
            if len(self._known) > _MOST_HEADS:
                self._known.clear()
            known = self._known[key] = make()
        return known


class Part(NamedTuple):
    """Points of a metric, with a number for each that identifies its attributes."""

    head: Head
    points: Sequence[Point]
    keys: Sequence[int]


@dataclass(frozen=True, slots=True)
class Slice:
    """A batch of neighbouring points, and the position of the last one among all points."""

    data: MetricsData
    points: int
    until: int
    newest: int
    """Unix nanoseconds."""
    sent_before: bool = False


class Interned(dict[bytes, V]):
    """A cache of decoded values (attributes, resources, scopes) by their bytes: two generations of bounded size."""

    def __init__(self, decode: Callable[[bytes], V], most: int = _MOST_ENTRIES) -> None:
        super().__init__()
        self._decode = decode
        self._most = most
        self._old: dict[bytes, V] = {}
        self._bytes = 0

    def __missing__(self, raw: bytes) -> V:
        known = self._old.get(raw)
        if known is None:
            known = self._decode(raw)
        self._bytes += len(raw)
        if len(self) >= self._most or self._bytes > _MOST_BYTES:
            self._old = dict(self)
            self.clear()
            self._bytes = len(raw)
        self[raw] = known
        return known


class AttributesCache(Interned[dict[str, Any]]):
    """A cache of attributes by their bytes. `repeated`: hashes of bytes with a duplicate key, of which one pair is lost."""

    def __init__(self, decode: Callable[[bytes], tuple[dict[str, Any], int]]) -> None:
        super().__init__(self._counted)
        self._decode_pairs = decode
        self.repeated: set[int] = set()

    def _counted(self, raw: bytes) -> dict[str, Any]:
        attributes, pairs = self._decode_pairs(raw)
        if len(attributes) < pairs:
            self.repeated.add(hash(raw))
        return attributes


class SeriesCount:
    """A counter of series: exact up to 100 000, beyond that an estimate in two megabytes (linear counting, within 1 %)."""

    def __init__(self) -> None:
        self._known: dict[int, set[int]] = {}
        self._count = 0
        self._places: bytearray | None = None
        self._latest: dict[int, tuple[Head, Sequence[int]]] = {}
        self._told_apart = IdentityCache(_digest, 1_000)
        """Resources: several pages have equal ones that are not the same."""

    def add(self, head: Head, keys: Sequence[int]) -> None:
        """Count the series of a metric's points."""
        key = id(head)
        latest = self._latest.get(key)
        if latest is not None and (latest[1] is keys or latest[1] == keys):
            return
        if len(self._latest) > 1_000:
            self._latest.clear()
        self._latest[key] = head, keys
        identity = hash(head[4:]) ^ self._told_apart(head.resource)
        if self._places is not None:
            _mark(self._places, identity, keys)
            return
        known = self._known.setdefault(identity, set())
        before = len(known)
        known.update(keys)
        self._count += len(known) - before
        if self._count > _EXACT:
            self._places = bytearray(_PLACES)
            for identity, counted in self._known.items():
                _mark(self._places, identity, counted)
            self._known = {}

    @property
    def value(self) -> int:
        """Return the number of series so far."""
        if self._places is None:
            return self._count
        return round(-_PLACES * log(max(1, self._places.count(0)) / _PLACES))


def _digest(resource: Resource) -> int:
    return hash(repr(sorted(resource.attributes.items(), key=str)))


def _mark(places: bytearray, identity: int, keys: Iterable[int]) -> None:
    last, bucket = _PLACES - 1, identity & _PLACES - 1
    for key in keys:
        places[key & last ^ bucket] = 1


_Gathered = dict[int, tuple[Head, list[Sequence[Point]], list[Sequence[int]]]]


@dataclass(slots=True)
class Gathering:
    """A builder of slices from parts. The first `skip` points were sent before: left out, or with `history` in slices of their own."""

    skip: int = 0
    history: bool = False
    points: int = 0
    """Points seen so far, skipped or not."""
    series: SeriesCount = field(default_factory=SeriesCount)

    def slices(self, batches: Iterable[Iterable[Part]], size: int = SLICE) -> Iterator[Slice]:
        """Yield slices; a slice ends with the batch (a line, a chunk) in which it reaches `size` points."""
        gathered: _Gathered = {}
        count = 0
        for batch in batches:
            for part in batch:
                rest, over = part, self.skip - self.points
                if over > 0:
                    before = Part(part.head, part.points[:over], part.keys[:over])
                    rest = Part(part.head, part.points[over:], part.keys[over:])
                    self.points += len(before.points)
                    count += _add(gathered, before) if self.history else 0
                    if count and self.points == self.skip:
                        yield self._slice(gathered, count)
                        gathered, count = {}, 0
                self.points += len(rest.points)
                count += _add(gathered, rest)
            if count >= size:
                yield self._slice(gathered, count)
                gathered, count = {}, 0
        if count:
            yield self._slice(gathered, count)

    def _slice(self, gathered: _Gathered, count: int) -> Slice:
        resources: dict[tuple[int, str], tuple[Head, dict[tuple[int, str], tuple[Head, list[Metric]]]]] = {}
        newest = 0
        for head, runs, keys in gathered.values():
            points = joined(runs)
            for key in keys:
                self.series.add(head, key)
            for times in map(times_of, runs):
                newest = max(newest, times[0] if times.count(times[0]) == len(times) else max(times))
            _, scopes = resources.setdefault((id(head.resource), head.resource_schema_url), (head, {}))
            _, metrics = scopes.setdefault((id(head.scope), head.scope_schema_url), (head, []))
            data = data_of(head.kind, head.temporality, head.monotonic, points)
            metrics.append(MetricWithMetadata(head.name, head.description, head.unit, data, head.metadata))
        resource_metrics = [
            ResourceMetrics(
                first.resource,
                [ScopeMetrics(scope.scope, metrics, scope.scope_schema_url) for scope, metrics in scopes.values()],
                first.resource_schema_url,
            )
            for first, scopes in resources.values()
        ]
        return Slice(MetricsData(resource_metrics), count, self.points, newest, self.points <= self.skip)


def _add(gathered: _Gathered, part: Part) -> int:
    """Add a part to the others of its metric, and return its number of points."""
    if part.points:
        _, points, keys = gathered.setdefault(id(part.head), (part.head, [], []))
        points.append(part.points)
        keys.append(part.keys)
    return len(part.points)
