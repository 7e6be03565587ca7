"""Sent against seen: what the backend should show for each point, what it shows, and the differences.

Values are compared bit for bit (an int is not a float, 0.0 is not -0.0), with no tolerance. An exporter declares its lossy
forms; a declared difference is listed and does not count as altered.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Value = str | int | float | bool | None | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """What a read-back looks for: one run's points.

    `run_id` stands in the attribute `magictel.run.id` of every point; `since` and `until` (Unix seconds) enclose their times;
    `expected` are the points in the backend's own terms, as the exporter's `expect` gave them.
    """

    run_id: str
    since: float
    until: float
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """One sent point as the backend should show it: `key` tells it from others, `point` names it for people.

    `id` is the backend's own name of it, where the exporter chose one: a last way to find it.
    """

    key: str
    point: str
    fields: Mapping[str, Value]
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One point as the backend shows it. `unreadable` are fields it holds but cannot show (then the point is unverified)."""

    key: str
    fields: Mapping[str, Value]
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not as sent. `declared` names the documented lossy form, or is None: then the point is altered."""

    point: str
    field: str
    sent: Value
    seen: Value
    declared: str | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """Points of one metric that nothing tells apart: `expected` were delivered, with times from `since` to `until` (Unix nanoseconds,
    both included), `shown` are there in this time, or None where nobody could tell. Their values were not compared.
    """

    metric: str
    since: int
    until: int
    expected: int
    shown: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """Found, missing, altered, duplicated. `time_to_visible` in seconds from the accepting reply until the last point was shown, or None.

    `unverified` names why some or all points could not be asked for; it counts only where nothing worse was found.
    """

    expected: int
    found: int = 0
    missing: int = 0
    altered: int = 0
    duplicated: int = 0
    unverified: int = 0
    time_to_visible: float | None = None
    differences: tuple[Difference, ...] = ()
    missing_points: tuple[str, ...] = ()
    code: str | None = None
    message: str | None = None
    remedy: str | None = None
    identity: str | None = None
    """What a replay's points were told apart by: `point`, each by its own identity, or `metric`, counts only. None: a sample."""
    as_declared: int | None = None
    """Points with differences that are declared, where `differences` does not list all of them."""
    repeats: int = 0
    """Points delivered that are another one once more, with the same identity, time and value: not among those `expected`."""
    unnamed: int = 0
    """Points that were not shown because the backend refused so many and does not say which: neither expected nor missing."""
    counted: tuple[Counted, ...] = ()
    """The metrics of which points were counted only."""

    def excusing(self, unnamed: int) -> Verification:
        """Return the verification with up to `unnamed` missing points taken for those that were refused without being named."""
        excused = min(self.missing, unnamed)
        if not excused:
            return self
        missing = self.missing - excused
        points = self.missing_points if missing else ()  # which of them are lost nobody knows either
        return replace(
            self,
            expected=self.expected - excused,
            missing=missing,
            missing_points=points,
            unnamed=self.unnamed + excused,
        )

    @property
    def by_count(self) -> int:
        """Points of those found that were counted only."""
        return sum(min(one.shown or 0, one.expected) for one in self.counted)


Declare = Callable[[str, Value, Value], str | None]
"""(field, sent, seen) → the name of the declared lossy form that explains the difference, or None."""


def identical(sent: Value, seen: Value) -> bool:
    """Equal bit for bit and type for type; NaN equals the same NaN."""
    kind = type(sent)
    if kind is not type(seen):
        return False
    if kind is float:
        return struct.pack("<d", sent) == struct.pack("<d", seen)
    if kind is tuple:
        return len(sent) == len(seen) and all(map(identical, sent, seen))  # type: ignore[arg-type] # both are tuples
    return sent == seen


def verify(expected: Iterable[Expected], seen: Iterable[Seen], declare: Declare) -> Verification:
    """Compare what was sent with what the backend shows; every expected field and every field seen is held against the other."""
    wanted = {one.key: one for one in expected}
    shown: dict[str, list[Seen]] = {}
    for one in seen:
        shown.setdefault(one.key, []).append(one)
    found = altered = duplicated = unverified = 0
    differences: list[Difference] = []
    missing: list[str] = []
    for key, want in wanted.items():
        copies = shown.get(key, [])
        if not copies:
            missing.append(want.point)
            continue
        found += 1
        duplicated += len(copies) - 1
        undeclared = False
        for copy in copies:
            for difference in _differences(want, copy, declare):
                differences.append(difference)
                undeclared = undeclared or difference.declared is None
        altered += undeclared
        unverified += not undeclared and any(copy.unreadable for copy in copies)
    for key, copies in shown.items():
        if key not in wanted:
            altered += len(copies)
            differences.extend(Difference(key, "(point)", None, "a point that was not sent") for _ in copies)
    return Verification(
        len(wanted), found, len(missing), altered, duplicated, unverified, None, tuple(differences), tuple(missing)
    )


def _differences(want: Expected, seen: Seen, declare: Declare) -> Iterable[Difference]:
    if want.fields.keys() == seen.fields.keys() and all(
        map(identical, want.fields.values(), map(seen.fields.__getitem__, want.fields))
    ):
        return
    for name in sorted(want.fields.keys() | seen.fields.keys()):
        sent, got = want.fields.get(name), seen.fields.get(name)
        if name in seen.unreadable or identical(sent, got):
            continue
        yield Difference(want.point, name, sent, got, declare(name, sent, got))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a backend cannot be asked what it holds (no right to read, no query end point): the send is then *unverified*."""

    code: str
    message: str
    remedy: str | None = None
    final: bool = True
    """False: asking again may help (the index is not there yet)."""
