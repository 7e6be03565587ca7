"""Comparison of sent and seen points: what the backend should show, what it shows, and the differences.

Values are compared bit for bit (an int is not a float, 0.0 is not -0.0), without tolerance. An exporter declares its lossy
forms; a declared difference is listed but does not count as altered.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from magictel.model.outcome import ItemVerdict

RUN_ID = "magictel.run.id"
"""The attribute on every point of a run, with which read-back and clean-up find its points."""
POINT = "magictel.sample.point"
"""The attribute that names a point within its run."""

Value = str | int | float | bool | None | tuple[Any, ...]


class SampleQuery(msgspec.Struct, frozen=True):
    """The points of a run that a read-back looks for.

    `run_id` is the attribute `magictel.run.id` of every point; `since` and `until` (Unix seconds) enclose their times;
    `expected` are the points in the backend's terms, as returned by the exporter's `expect`.
    """

    run_id: str
    since: float
    until: float
    expected: tuple[Expected, ...] = ()

    def by_name(self) -> dict[str, list[Expected]]:
        """Return the points of each metric, by the name that was sent: the field `name`."""
        names: dict[str, list[Expected]] = {}
        for point in self.expected:
            names.setdefault(str(point.fields["name"]), []).append(point)
        return names


class Expected(msgspec.Struct, frozen=True):
    """A sent point as the backend should show it: `key` identifies it, `point` is its displayed name.

    `id` is the backend's id of the point if the exporter chose one, as a last way to find it.
    """

    key: str
    point: str
    fields: Mapping[str, Value]
    id: str | None = None


class Seen(msgspec.Struct, frozen=True):
    """A point as the backend shows it. `unreadable` are stored fields that it cannot show (then the point is unverified)."""

    key: str
    fields: Mapping[str, Value]
    unreadable: Mapping[str, str] = msgspec.field(default_factory=dict)


class Difference(msgspec.Struct, frozen=True):
    """A field that differs from the sent one. `declared` names the lossy form, or is None: then the point is altered."""

    point: str
    field: str
    sent: Value
    seen: Value
    declared: str | None = None


class Counted(msgspec.Struct, frozen=True):
    """Points of a metric that cannot be told apart: `expected` were delivered, with times from `since` to `until` (Unix nanoseconds,
    both included); the backend shows `shown` in this range, or None if unknown. Their values were not compared.
    """

    metric: str
    since: int
    until: int
    expected: int
    shown: int | None = None


class Verification(msgspec.Struct, frozen=True):
    """Counts of found, missing, altered and duplicated points. `time_to_visible`: seconds from the accepting reply until the last
    point was visible, or None.

    `unverified`: points that could not be queried; it counts only if nothing worse was found.
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
    """How a replay's points were told apart: `point`, by their identity, or `metric`, by counts only. None: a sample."""
    as_declared: int | None = None
    """Points with declared differences, if `differences` does not list all of them."""
    repeats: int = 0
    """Delivered points that repeat another one with the same identity, time and value: not among those `expected`."""
    unnamed: int = 0
    """Points that were not shown because the backend refused so many and does not say which: neither expected nor missing."""
    counted: tuple[Counted, ...] = ()
    """The metrics whose points were only counted."""
    why_missing: ItemVerdict | None = None
    """Why points are missing, as the backend itself reports it."""

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
        """Return how many of the found points were only counted."""
        return sum(min(count.shown or 0, count.expected) for count in self.counted)


Declare = Callable[[str, Value, Value], str | None]
"""A function (field, sent, seen) that returns the declared lossy form that explains the difference, or None."""


def identical(sent: Value, seen: Value) -> bool:
    """Return whether two values are equal in bits and type; NaN equals the same NaN."""
    kind = type(sent)
    if kind is not type(seen):
        return False
    if kind is float:
        return struct.pack("<d", sent) == struct.pack("<d", seen)
    if kind is tuple:
        return len(sent) == len(seen) and all(map(identical, sent, seen))  # type: ignore[arg-type] # both are tuples
    return sent == seen


def verify(expected: Iterable[Expected], seen: Iterable[Seen], declare: Declare) -> Verification:
    """Compare the sent points with those that the backend shows, in every expected and every seen field."""
    wanted = {point.key: point for point in expected}
    shown: dict[str, list[Seen]] = {}
    for point in seen:
        shown.setdefault(point.key, []).append(point)
    visible = altered = duplicated = unverified = 0
    differences: list[Difference] = []
    missing: list[str] = []
    for key, want in wanted.items():
        copies = shown.get(key, [])
        if not copies:
            missing.append(want.point)
            continue
        visible += 1
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
        len(wanted), visible, len(missing), altered, duplicated, unverified, None, tuple(differences), tuple(missing)
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


class Unreadable(msgspec.Struct, frozen=True):
    """Why stored points cannot be queried (no read permission, no query endpoint): the send is then *unverified*."""

    code: str
    message: str
    remedy: str | None = None
    final: bool = True
    """False: a retry may help (the index does not exist yet)."""
    retry_after: float | None = None
    """Seconds that the backend asks to wait before the next query, if it does."""
