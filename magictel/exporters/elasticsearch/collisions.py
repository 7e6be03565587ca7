"""Points that a time-series index cannot tell apart: of each set with equal dimensions and time the first is sent.

The index keeps one document for each set of dimension values and millisecond, and answers 409 to any other, which may also be a
repeat of what is stored already. So the others of a collection are refused here, by name. A repeat of the same document is
withheld: nothing is lost by it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import msgspec
import orjson

from magictel.encoding.payload import Payload
from magictel.encoding.withheld import Withheld
from magictel.exporters.elasticsearch.dimensions import Dimensions, Leaves, leaves_of
from magictel.exporters.elasticsearch.encoding import Frame, attributes_json, split
from magictel.exporters.elasticsearch.values import INT64_MAX, LONGEST_TEXT
from magictel.model.metrics import Attributes, Group, Point, Series, Stream, attributes_of, times_of
from magictel.model.outcome import ItemVerdict, Outcome, Partial

CODE = "es.write.tsdb-collision"
REPEAT = "es.write.duplicate"
_WHY = (
    "another point of the collection has the same dimensions and time, so the time-series index would keep only the first: "
    "make the attribute that distinguishes them a dimension"
)
_REPEATED = "the same point twice in a collection: the time-series index keeps it once"
_LABELS = frozenset(("start_timestamp", "name", "unit", "kind", "temporality", "monotonic"))
_LABELLED = ("attributes.", "resource.", "scope.")
_SHOWN = 3
_LONGEST = 120
_MOST_SERIES = 300_000
_Key = tuple[int, int, int]
"""A stream and a set of attributes, as numbers that are equal where the index may take them for one, and the millisecond."""


class _Document(msgspec.Struct, frozen=True):
    body: bytes
    leaves: Leaves
    time_unix_nano: int


class DocumentCollisions:
    """Passes on the points of collections but those that the index would take for another one.

    A warm point costs two look-ups; documents are compared only where series and time may be equal. Threads may share it.
    """

    def __init__(
        self,
        dimensions: Sequence[Dimensions],
        encode: Callable[[Series, Point], bytes],
        frame: Callable[[Stream], Frame],
    ) -> None:
        self.dimensions = dimensions
        self.occurred = False
        """Whether points were refused since this was made: the dimensions may be others by now."""
        self._encode = encode
        self._frame = frame
        self._numbers: dict[Hashable, int] = {}
        self._attributes: dict[int, tuple[Attributes | None, int]] = {}

    def deduplicate(self, groups: Iterable[Group]) -> Iterator[Group | Withheld]:
        """Return a collection's groups without those points, and each of them withheld."""
        collection = list(groups)
        if len(self._attributes) > _MOST_SERIES or len(self._numbers) > _MOST_SERIES:
            self._numbers, self._attributes = {}, {}
        keys = [self._keys(group) for group in collection]
        counts = Counter(chain.from_iterable(keys))
        sent: dict[Hashable, _Document] = {}
        for group, group_keys in zip(collection, keys, strict=True):
            suspects = {place for place, key in enumerate(group_keys) if counts[key] > 1}
            if suspects:
                yield from self._first_ones(group, suspects, sent)
            else:
                yield group

    def explain(self, payload: Payload, outcome: Outcome) -> Outcome:
        """Return the outcome with each 409 named that another item of the payload explains.

        That happens where the first write made the index, so that its dimensions were not known before.
        """
        if not isinstance(outcome, Partial):
            return outcome
        conflicts = {number for number, verdict in outcome.unconfirmed.items() if verdict.code == REPEAT}
        if not conflicts:
            return outcome
        rejected, notes = dict(outcome.rejected), dict(outcome.notes)
        unconfirmed = dict(outcome.unconfirmed)
        sent: dict[Hashable, _Document] = {}
        for number, item in enumerate(payload.cut(split).items()):
            document = _read(item, 0)
            first = sent.setdefault(self._identity(document.leaves), document)
            if number not in conflicts or first is document:
                continue
            del unconfirmed[number]
            withheld = self._withheld(first, document)
            verdict = ItemVerdict(withheld.code, withheld.message, withheld.point)
            (rejected if withheld.refused else notes)[number] = verdict
        return msgspec.structs.replace(outcome, rejected=rejected, notes=notes, unconfirmed=unconfirmed)

    def _keys(self, group: Group) -> list[_Key]:
        tail = self._frame(group.stream).tail
        stream = self._number(leaves_of(orjson.loads(b"{" + tail.strip()[1:])))
        numbers = map(self._series, attributes_of(group.points))
        return [
            (stream, series, time // 1_000_000) for series, time in zip(numbers, times_of(group.points), strict=True)
        ]

    def _series(self, attributes: Attributes | None) -> int:
        known = self._attributes.get(id(attributes))
        if known is None:
            known = attributes, self._number(_leaves_of_attributes(attributes or {}))
            self._attributes[id(attributes)] = known
        return known[1]

    def _number(self, leaves: Leaves) -> int:
        identity = tuple(dimensions.identity(leaves) for dimensions in self.dimensions)
        return self._numbers.setdefault(identity, len(self._numbers))

    def _identity(self, leaves: Leaves) -> Hashable:
        return tuple(leaves["@timestamp"]), *(dimensions.identity(leaves) for dimensions in self.dimensions)

    def _first_ones(
        self, group: Group, suspects: set[int], sent: dict[Hashable, _Document]
    ) -> Iterator[Group | Withheld]:
        kept: list[Point] = []
        for place, point in enumerate(group.points):
            if place in suspects:
                document = _read(
                    self._encode(Series(group.stream, point.attributes or {}), point), point.time_unix_nano
                )
                first = sent.setdefault(self._identity(document.leaves), document)
                if first is not document:
                    yield self._withheld(first, document)
                    continue
            kept.append(point)
        if kept:
            yield replace(group, points=kept, attributes=None)

    def _withheld(self, first: _Document, second: _Document) -> Withheld:
        if first.body == second.body:
            return Withheld(REPEAT, _REPEATED, _described(second.leaves))
        self.occurred = True
        names = [_described(document.leaves) for document in (first, second)]
        points = f"{names[0]} and {names[1]}" if names[0] != names[1] else f"two points of {names[1]}"
        paths = _differing(first.leaves, second.leaves)
        if paths:
            difference = self._difference(paths, first.leaves, second.leaves)
        elif first.time_unix_nano != second.time_unix_nano:
            difference = "lie within one millisecond"
        else:
            difference = "differ only in their values"
        return Withheld(CODE, _WHY, f"{points} {difference}", refused=True)

    def _difference(self, paths: Sequence[str], first: Leaves, second: Leaves) -> str:
        """Return what differs that the index does not look at, or else which two values it takes for one."""
        plain = [path for path in paths if not any(dimensions.holds(path) for dimensions in self.dimensions)]
        if plain:
            more = ", …" if len(plain) > _SHOWN else ""
            are = "which is not a dimension" if len(plain) == 1 else "which are not dimensions"
            return f"differ only in {', '.join(plain[:_SHOWN])}{more}, {are}"
        path = paths[0]
        values = " and ".join(_value(leaves.get(path, ())) for leaves in (first, second))
        if not path.startswith("attributes."):  # of resources the keys only
            return f"differ only in {path}: the index treats both values as equal"
        return f"differ only in {path}: the index treats {values} as equal"


def _read(item: bytes, time_unix_nano: int) -> _Document:
    """Return the document of an item, without its action line."""
    body = item[item.index(b"\n") + 1 :]
    return _Document(body, leaves_of(orjson.loads(body)), time_unix_nano)


def _leaves_of_attributes(attributes: Attributes) -> Leaves:
    """Return a point's attributes as they stand in its document; everyday ones without writing it."""
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            if len(value) > LONGEST_TEXT or not value.isascii():
                break
        elif kind is not bool and not (kind is int and -INT64_MAX <= value <= INT64_MAX):
            break
    else:
        if all(type(key) is str and key.isascii() for key in attributes):
            return {f"attributes.{key}": (value,) for key, value in attributes.items()}
    return leaves_of(orjson.loads(b'{"attributes":' + attributes_json(attributes) + b"}"))


def _differing(first: Leaves, second: Leaves) -> list[str]:
    """Return the paths of all labels that differ as JSON, where 1, true and 1.0 are three values."""
    paths = {path for path in (*first, *second) if path in _LABELS or path.startswith(_LABELLED)}
    return sorted(path for path in paths if orjson.dumps(first.get(path)) != orjson.dumps(second.get(path)))


def _described(leaves: Leaves) -> str:
    attributes = (
        f"{path.removeprefix('attributes.')}={', '.join(map(str, values))}"
        for path, values in leaves.items()
        if path.startswith("attributes.")
    )
    return f"{leaves['name'][0]}{{{', '.join(attributes)}}}"[:_LONGEST]


def _value(values: Sequence[Any]) -> str:
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in values)[:_LONGEST]
