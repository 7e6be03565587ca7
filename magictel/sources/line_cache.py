"""A cache for lines that differ only in times and values, as written by repeated exports of the same series.

When the beginning of a line occurs for the second time, the decoded line leaves its *shape*: the bytes around times and values, and
the points' heads and attributes. Of a later line with the same shape, byte for byte, only times and values are decoded. A shape is
used only after a trial: decoder and shape must give the same result for a line with other times and values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import is_, itemgetter
from typing import Annotated, Any

import msgspec

from magictel.model.metrics import NumberPoints
from magictel.sources.batching import Head, Part

_TIME = b'"timeUnixNano":"'
_POINT = re.compile(rb'([1-9]\d{18}")(,"(?:asDouble|asInt)":"?)-?\d[\d.eE+-]*')
_MOMENT, _REST = itemgetter(slice(0, 20)), itemgetter(slice(20, None))
_PLAIN = re.compile(rb'[1-9]\d{18}"')
_OF_DECIMALS, _OF_INTEGERS = b"0123456789+-.eE,", b"0123456789-,"
_NEGATIVE_ZERO = re.compile(rb"-0(?<=[,\[]-0)(?=[,\]])")
_decimals = msgspec.json.Decoder(list[float])
_integers = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]])
_MOST_BYTES = 8 * 1024 * 1024
_POINT_BYTES = 300
"""Approximate memory of a shape per point, besides its bytes."""
_MOST_LINES = 2_000
_TRIES, _MISSES = 4, 2
_SWEEP = 256

Decode = Callable[[bytes], list[Part]]


@dataclass(slots=True)
class _Run:
    """The points of a metric within a shape: their range, the bytes before their values, and whether the values are integers."""

    head: Head
    attributes: list[Any]
    starts: list[int]
    keys: Sequence[int]
    start: int
    stop: int
    whole: bool
    lead: bytes = b""

    def numbers(self, texts: list[bytes]) -> list[Any] | None:
        """Return the values between times and constant bytes, or None if any is not a plain number."""
        text = (b"\n" + b"\n".join(texts)).replace(self.lead, b",") if texts else b""
        return _numbers(text[1:], self.whole, len(texts))


def _numbers(text: bytes, whole: bool, count: int) -> list[Any] | None:
    """Return comma-separated plain numbers, or None if there are others, or a different count."""
    if text.translate(None, _OF_INTEGERS if whole else _OF_DECIMALS):
        return None
    try:
        numbers: list[Any] = (
            _integers.decode(b"[%b]" % text) if whole else _decimals.decode(_NEGATIVE_ZERO.sub(b"-0.0", b"[%b]" % text))
        )
    except msgspec.DecodeError:
        return None
    return numbers if len(numbers) == count else None


class _Shape:
    """The shape of a line: `first` precedes the first time; each time is followed by its run's lead, a value, and one of `tails`."""

    def __init__(self, first: bytes, tails: list[bytes], runs: list[_Run], shift: int) -> None:
        self.first = first
        self.tails = tails
        self.runs = runs
        self.shift = shift
        alike = {(run.lead[1:], run.whole) for run in runs if run.stop > run.start}
        self.lead, self.whole = next(iter(alike)) if len(alike) == 1 else (b"", False)
        """Return the bytes before every value, and whether all are integers; None if the points differ."""
        self.unlike = 0
        self.size = sum({id(tail): len(tail) for tail in tails}.values()) + _POINT_BYTES * len(tails)

    def parts(self, line: bytes) -> list[Part] | None:
        """Return the line's points, or None if it does not have this shape with plain times and numbers."""
        at = len(self.first)
        if not line.startswith(self.first) or not line.startswith(_TIME, at):
            return None
        if self.unlike <= _MISSES and self.lead and line.startswith(self.lead, at + len(_TIME) + 20):
            read = self._alike(line, line[at + len(_TIME) : at + len(_TIME) + 20])
            if read is not None:
                return read
            self.unlike += 1  # it has several times, as the next line may
        _, *after = line.split(line[at : at + len(_TIME) + 20])  # most lines have one time
        times = [line[at + len(_TIME) : at + len(_TIME) + 20]]
        if len(after) != len(self.tails):
            _, *after = line.split(_TIME)
            if len(after) != len(self.tails):
                return None
            times, after = list(map(_MOMENT, after)), list(map(_REST, after))
        distinct = set(times)
        if not all(map(_PLAIN.fullmatch, distinct)):
            return None
        known = {moment: int(moment[:19]) + self.shift for moment in distinct}
        moments = list(map(known.__getitem__, times))
        texts = list(
            map(bytes.removesuffix, after, self.tails)
        )  # a different tail remains, so the text is not a number
        parts = []
        for run in self.runs:
            numbers = run.numbers(texts[run.start : run.stop])
            if numbers is None:
                return None
            run_times = moments * len(numbers) if len(moments) == 1 else moments[run.start : run.stop]
            parts.append(Part(run.head, NumberPoints(run.attributes, run.starts, run_times, numbers), run.keys))
        return parts

    def _alike(self, line: bytes, moment: bytes) -> list[Part] | None:
        """Return the points of a line with a single time whose points differ only in values, the usual case, or None."""
        _, *after = line.split(b"%b%b%b" % (_TIME, moment, self.lead))
        if len(after) != len(self.tails) or not _PLAIN.fullmatch(moment):
            return None
        numbers = _numbers(b",".join(map(bytes.removesuffix, after, self.tails)), self.whole, len(after))
        if numbers is None:
            return None
        time = int(moment[:19]) + self.shift
        parts = []
        for run in self.runs:
            count = run.stop - run.start
            points = NumberPoints(run.attributes, run.starts, [time] * count, numbers[run.start : run.stop])
            parts.append(Part(run.head, points, run.keys))
        return parts

    def line(self, values: list[bytes]) -> bytes:
        """Return a line of this shape with these values, each at a different time."""
        leads = [run.lead[1:] for run in self.runs for _ in range(run.start, run.stop)]
        times = [b'"timeUnixNano":"%d"' % moment for moment in range(10**18, 10**18 + 7 * len(values), 7)]
        points = zip(times, leads, values, self.tails, strict=True)
        return self.first + b"".join(chain.from_iterable(points))


@dataclass(slots=True)
class _Known:
    """A line's beginning: its shape, and how often a shape was created, used, and not usable (in a row)."""

    shape: _Shape | None = None
    created: int = 0
    used: int = 0
    missed: int = 0
    lately: int = 0


class Shapes:
    """The shapes of a recording, bounded in bytes. `decode` decodes a line, `shift` nanoseconds are added to every time."""

    def __init__(self, decode: Decode, shift: int) -> None:
        self._decode = decode
        self._shift = shift
        self._known: dict[int, _Known] = {}
        self._bytes = 0
        self._refused = 0

    def parts(self, line: bytes) -> list[Part]:
        """Return the line's points. Raise the exceptions of `decode`."""
        at = line.find(_TIME)
        if at < 0:
            return self._decode(line)
        beginning = hash(line[:at])
        known = self._known.get(beginning)
        if known is None:
            if len(self._known) >= _MOST_LINES:
                self._known.clear()
                self._bytes = 0
            self._known[beginning] = _Known()
            return self._decode(line)
        shape = known.shape
        if shape is not None:
            read = shape.parts(line)
            if read is not None:
                known.used += 1
                known.lately += 1
                known.missed = 0
                return read
            known.missed += 1
            if known.missed > _MISSES or line.count(_TIME) != len(shape.tails):
                known.shape = None
                self._bytes -= shape.size
        parts = self._decode(line)
        if known.shape is None and known.created < _TRIES + known.used // _TRIES:
            known.created += 1
            self._learn(known, line, parts)
        return parts

    def _learn(self, known: _Known, line: bytes, meaning: list[Part]) -> None:
        if not self._room(len(line)):
            return
        shape = _shape(line, meaning, self._shift)
        if shape is None or not self._tried(shape):
            known.created += _TRIES
            return
        known.shape, known.missed = shape, 0
        self._bytes += shape.size

    def _room(self, more: int) -> bool:
        if self._bytes + more <= _MOST_BYTES:
            return True
        self._refused += 1
        if self._refused % _SWEEP == 1:
            for known in self._known.values():
                if known.shape is not None and not known.lately:
                    self._bytes -= known.shape.size
                    known.shape = None
                known.lately = 0
        return self._bytes + more <= _MOST_BYTES

    def _tried(self, shape: _Shape) -> bool:
        """Return whether decoder and shape give the same result for another line of the shape."""
        whole = [run.whole for run in shape.runs for _ in range(run.start, run.stop)]
        line = shape.line([b"%d" % at if is_whole else b"%d.5" % at for at, is_whole in enumerate(whole, 1)])
        try:
            meaning = self._decode(line)
        except ValueError:  # includes msgspec's exceptions
            return False
        read = shape.parts(line)
        return read is not None and len(read) == len(meaning) and all(map(_same, read, meaning))


def _shape(line: bytes, meaning: list[Part], shift: int) -> _Shape | None:
    """Return the shape of a line, or None if a point has more than a number after its time."""
    first, *after = line.split(_TIME)
    matches = list(map(_POINT.match, after))
    runs: list[_Run] = []
    for part in meaning:
        points, start = part.points, runs[-1].stop if runs else 0
        if not isinstance(points, NumberPoints):
            return None
        stop = start + len(points)
        leads = {match[2] if match else b"" for match in matches[start:stop]}
        kinds = set(map(type, points.values))
        if len(kinds) > 1 or len(leads) > 1 or b"" in leads:
            return None
        lead = b"\n" + next(iter(leads), b"") if leads else b""
        runs.append(_Run(part.head, points.attributes, points.starts, part.keys, start, stop, kinds == {int}, lead))
    if not runs or runs[-1].stop != len(after):
        return None
    tails = [piece[match.end() :] for piece, match in zip(after, matches, strict=True) if match is not None]
    if not all(tails):
        return None
    same: dict[bytes, bytes] = {}
    return _Shape(first, [same.setdefault(tail, tail) for tail in tails], runs, shift)


def _same(part: Part, other: Part) -> bool:
    """Return whether heads and attributes are the same objects, and numbers equal in value and type."""
    mine, theirs = part.points, other.points
    return (
        part.head is other.head
        and list(part.keys) == list(other.keys)
        and isinstance(mine, NumberPoints)
        and isinstance(theirs, NumberPoints)
        and len(mine) == len(theirs)
        and all(map(is_, mine.attributes, theirs.attributes))
        and (mine.starts, mine.times, mine.values) == (theirs.starts, theirs.times, theirs.values)
        and list(map(type, mine.values)) == list(map(type, theirs.values))
    )
