"""Redaction of attributes before a collection is encoded: every exporter, page, recording and outbox gets redacted ones only.

Rules on names come first, as shell patterns (`keep` before `drop`, `redact`, `hashed`); other values are searched for sensitive shapes
(`secrets.shapes`). What was redacted is counted by rule and never shown. Each set of attributes is redacted once: where the same
objects come again, and nothing in them is sensitive, the same objects are passed on, so that layouts can be used again.

Masking or dropping a value that distinguishes two series makes them one series for the backend: these are counted and named. A hash
keeps them apart.
"""

from __future__ import annotations

import fnmatch
import hmac
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from operator import attrgetter, is_, itemgetter
from typing import Any

import msgspec

from magictel.encoding.columns import rows_by_keys
from magictel.encoding.identity import identity, stream_identity
from magictel.model.identity_cache import IdentityCache, StreamCache
from magictel.model.metrics import Attributes, Group, NumberPoints, Point, Stream, attributes_of
from magictel.secrets.secret import MASK
from magictel.secrets.shapes import NAMES, SMALLEST_CARD, Masking, is_secret_name

REDACTED = "delivery.redacted"
COLLISION = "delivery.redaction-collision"
_MOST_NOTICES = 20
_MOST_KNOWN = 200_000
_DROPPED = object()
_NOTHING: set[Any] = set()
_exemplars = attrgetter("exemplars")


class _Action(Enum):
    """What a rule does with the attributes whose name it matches; `SECRET`: the name is a secret's."""

    KEEP = "keep_attributes"
    DROP = "drop_attributes"
    REDACT = "redact_attributes"
    HASH = "hash_attributes"
    SECRET = NAMES
    SEARCH = ""


class Rules(msgspec.Struct, frozen=True):
    """`redact`, `drop`, `hashed` and `keep` are shell patterns over attribute keys, of points, scopes and resources alike.

    `shapes` (see `secrets.shapes`) and `patterns` (regular expressions) are searched for in every other value; `action`, which is
    `mask`, `hash` or `drop`, is for what they match. `salt` is the key of hashes.
    """

    redact: Sequence[str] = ()
    drop: Sequence[str] = ()
    hashed: Sequence[str] = ()
    keep: Sequence[str] = ()
    shapes: Sequence[str] = ()
    patterns: Sequence[str] = ()
    action: str = "mask"
    salt: str = ""


class _Redacted(msgspec.Struct):
    """A stream without sensitive attributes, and the latest attributes of its points: as given, and redacted (None: unchanged)."""

    stream: Stream
    points: tuple[list[Any], list[Any] | None] = ([], None)


class Redaction:
    """A function that redacts collections by `rules`. `notice` gets a code and a message, once for each kind of event."""

    def __init__(self, rules: Rules, notice: Callable[[str, str], None] = lambda code, message: None) -> None:
        self._rules = rules
        self._notice = notice
        self._noticed: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()
        """Redacted values by rule, each once for a set of attributes; series that became one under `redaction-collision`."""
        self._merged: dict[str, int] = {}
        """By metric, the most series of a collection that became another one."""
        self._originals: dict[Hashable, Hashable] = {}
        """By the identity of a redacted stream, that of the first one that became it."""
        self._merged_streams: set[Hashable] = set()
        self._is_off = not any((rules.redact, rules.drop, rules.hashed, rules.shapes, rules.patterns))
        self._masking = Masking(rules.shapes, rules.patterns, self._replacement)
        self._action = lru_cache(10_000)(self._action_for)
        self._clean: dict[str, set[Any]] = {}
        """Values in which nothing is sensitive, by key."""
        self._unchanged: dict[int, Attributes] = {}
        """Sets of attributes in which nothing is sensitive, by id, as ids are reused."""
        self._known = IdentityCache[Any, Attributes](lambda given: self.attributes(given or {}), _MOST_KNOWN)
        self._streams = StreamCache(self._stream, 10_000)

    def __call__(self, groups: Iterable[Group]) -> Iterable[Group]:
        """Return the groups with redacted attributes."""
        return groups if self._is_off else map(self._group, groups)

    def attributes(self, attributes: Attributes) -> Attributes:
        """Return redacted attributes, or the same object if nothing in them is sensitive."""
        redacted: dict[str, Any] = {}
        for key, value in attributes.items():
            result = self._value(key, value)
            if result is not _DROPPED:
                redacted[key] = result
        if len(redacted) != len(attributes) or not all(map(is_, redacted.values(), attributes.values())):
            return redacted
        return attributes

    def _group(self, group: Group) -> Group:
        known = self._streams(group.stream)
        stream = group.stream if known.stream.resource is group.stream.resource else known.stream
        if known.stream.scope_attributes is not group.stream.scope_attributes:
            stream = known.stream
        points = group.points
        given = attributes_of(points)
        latest, changed = known.points
        if len(given) != len(latest) or not all(map(is_, given, latest)):
            latest, changed = known.points = given, self._changed(stream, points, given)
        if changed is not None:
            points = _with_attributes(points, changed)
        if not isinstance(points, NumberPoints) and any(map(_exemplars, points)):
            points = list(map(self._with_exemplars, points))
        return Group(stream, points, group.source, latest if changed is None else changed)

    def _stream(self, stream: Stream) -> _Redacted:
        resource, scope = self._known(stream.resource), self._known(stream.scope_attributes)
        if resource is stream.resource and scope is stream.scope_attributes:
            return _Redacted(stream)
        redacted = replace(stream, resource=resource, scope_attributes=scope)
        if len(self._originals) > _MOST_KNOWN:
            self._originals.clear()
            self._merged_streams.clear()
        original = stream_identity(stream)
        if self._originals.setdefault(stream_identity(redacted), original) != original:
            self._merged_streams.add(original)
            self._collided(stream.name, "several resources or scopes")
        return _Redacted(redacted)

    def _changed(self, stream: Stream, points: Sequence[Point], given: list[Any]) -> list[Any] | None:
        """Return the redacted attributes of points, or None if nothing in them is sensitive."""
        recorded = isinstance(points, NumberPoints)  # many collections, whose attributes are the same few objects
        if recorded and all(map(self._unchanged.__contains__, map(id, given))):
            return None
        if self._all_clean(given):
            if recorded:
                if len(self._unchanged) > _MOST_KNOWN:
                    self._unchanged.clear()
                self._unchanged.update(zip(map(id, given), given, strict=True))
            return None
        redacted = list(map(self._known, given))
        if all(map(is_, redacted, given)):
            return None
        self._count_collisions(stream, given, redacted)
        return redacted

    def _all_clean(self, given: list[Any]) -> bool:
        """Return whether nothing in these attributes is sensitive, searched column by column; False also where that is not certain."""
        if set(map(type, given)) == {dict} and len(set(map(len, given))) == 1:
            with suppress(KeyError):  # as many keys, but others
                return self._columns_clean(tuple(given[0]), given)
        return all(self._columns_clean(rows.keys, rows.attributes) for rows in rows_by_keys(given))

    def _columns_clean(self, keys: tuple[str, ...], attributes: Sequence[Attributes]) -> bool:
        """As `_all_clean`, of attributes with these keys; raise `KeyError` if one of them lacks a key."""
        for key in keys:
            values = list(map(itemgetter(key), attributes))
            action = self._action(key)
            if action is _Action.KEEP:
                continue
            if action is not _Action.SEARCH:
                return False
            clean = self._clean.get(key, _NOTHING)
            try:
                if clean.issuperset(values):
                    continue
                new = set(values) - clean
            except TypeError:  # lists
                return False
            if not self._masking.is_clean(new):
                return False
            if len(self._clean) + len(clean) > _MOST_KNOWN:
                self._clean.clear()
            self._clean.setdefault(key, set()).update(new)
        return True

    def _count_collisions(self, stream: Stream, given: Iterable[Any], redacted: Iterable[Any]) -> None:
        """Count the series that became one."""
        originals: dict[bytes, bytes] = {}
        merged: set[bytes] = set()
        for before, after in {
            id(before): (before, after) for before, after in zip(given, redacted, strict=True)
        }.values():
            original = identity(before)
            if originals.setdefault(identity(after), original) != original:
                merged.add(original)
        if merged:
            self._merged[stream.name] = max(len(merged), self._merged.get(stream.name, 0))
            self._collided(stream.name, f"{len(merged) + 1} series, or more,")

    def _collided(self, name: str, which: str) -> None:
        self.counts["redaction-collision"] = sum(self._merged.values()) + len(self._merged_streams)
        message = (
            f"{name}: redaction gives {which} the same attributes: the backend may keep one of them; a hash keeps them "
            'apart (hash_attributes for names, redact_with = "hash" for shapes)'
        )
        self._notify(COLLISION, name, message)

    def _with_exemplars(self, point: Point) -> Point:
        if not point.exemplars:
            return point
        exemplars = [
            replace(exemplar, filtered_attributes=self.attributes(exemplar.filtered_attributes or {}))
            for exemplar in point.exemplars
        ]
        return replace(point, exemplars=exemplars)

    def _action_for(self, key: str) -> _Action:
        rules = self._rules
        for patterns, action in (
            (rules.keep, _Action.KEEP),
            (rules.drop, _Action.DROP),
            (rules.redact, _Action.REDACT),
            (rules.hashed, _Action.HASH),
        ):
            if any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns):
                return action
        return _Action.SECRET if NAMES in rules.shapes and is_secret_name(key) else _Action.SEARCH

    def _value(self, key: str, value: Any) -> Any:
        """Return a redacted value, the same object if nothing in it is sensitive, or `_DROPPED`."""
        action = self._action(key)
        if action is _Action.KEEP:
            return value
        if action is _Action.SEARCH:
            return self._searched(key, value)
        if action is _Action.SECRET and (value is None or isinstance(value, bool) or value in ("", MASK)):
            return value
        self.counts[action.value] += 1
        if action is _Action.SECRET:
            self._report(key, action.value)
        if action is _Action.DROP or (action is _Action.SECRET and self._rules.action == "drop"):
            return _DROPPED
        if action is _Action.HASH or (action is _Action.SECRET and self._rules.action == "hash"):
            return [self._hash(item) for item in value] if isinstance(value, list | tuple) else self._hash(value)
        return MASK

    def _searched(self, key: str, value: Any) -> Any:
        """Return a value without sensitive shapes; attributes within it are redacted as well."""
        if isinstance(value, str):
            text, shape = self._masking(value)
            if not shape:
                return value
            self.counts[shape] += 1
            self._report(key, shape)
            return _DROPPED if self._rules.action == "drop" else text
        if isinstance(value, Mapping):
            return self.attributes(value)
        if isinstance(value, list | tuple):
            items = [self._searched(key, item) for item in value]
            same = all(map(is_, items, value))
            return value if same else [item for item in items if item is not _DROPPED]
        if isinstance(value, int) and value > SMALLEST_CARD:
            text = self._searched(key, str(value))
            return value if text == str(value) else text
        return value

    def _replacement(self, secret: str) -> str:
        return self._hash(secret) if self._rules.action == "hash" else MASK

    def _hash(self, value: Any) -> str:
        """Return a keyed hash: equal for equal values, of 64 bits."""
        text = value if isinstance(value, str) else repr(value)
        digest = hmac.digest(self._rules.salt.encode(), text.encode("utf-8", "surrogatepass"), "sha256")
        return f"hash:{digest[:8].hex()}"

    def _report(self, key: str, shape: str) -> None:
        what = {
            NAMES: "a secret's name",
            "tokens": "a key or token",
            "urls": "credentials in an address",
            "cards": "a card number",
            "emails": "an e-mail address",
            "pattern": "a match of redact_patterns",
        }[shape]
        self._notify(
            REDACTED, f"{key} {shape}", f"attribute {key[:80]} has {what}: its value is redacted before sending"
        )

    def _notify(self, code: str, about: str, message: str) -> None:
        if (code, about) not in self._noticed and len(self._noticed) < _MOST_NOTICES:
            self._noticed.add((code, about))
            self._notice(code, message)


def _with_attributes(points: Sequence[Point], attributes: list[Any]) -> Sequence[Point]:
    if isinstance(points, NumberPoints):
        return NumberPoints(attributes, points.starts, points.times, points.values)
    return [
        point if point.attributes is redacted else replace(point, attributes=redacted)
        for point, redacted in zip(points, attributes, strict=True)
    ]
