"""Lines that say the same but for times and values, as whoever exports its series again and again writes them.

A line whose beginning comes for the second time is decoded as every line is, and leaves its *shape*: the bytes around times and
values, and the points' heads and attributes. A later line that is this shape, byte for byte, with times and values of its own, needs
no decoding but theirs. A shape is used only after a trial: a line with other times and values must mean the same to decoder and shape.
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
_decimals = msgspec.json.Decoder(list[float])
_integers = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]])
_MOST_BYTES = 8 * 1024 * 1024
_POINT_BYTES = 300
"""What a shape holds for a point beside its bytes, about."""
_MOST_LINES = 2_000
_TRIES, _MISSES = 4, 2
_SWEEP = 256

Decode = Callable[[bytes], list[Part]]


@dataclass(slots=True)
class _Run:
    """The points of one metric within a shape: from where to where, what stands before their values, and whether these are whole."""

    head: Head
    attributes: list[Any]
    starts: list[int]
    keys: Sequence[int]
    start: int
    stop: int
    whole: bool
    lead: bytes = b""

    def numbers(self, told: list[bytes]) -> list[Any] | None:
        """The values in what stands between times and constant bytes; None where that is anything but one plain number each."""
        text = (b"\n" + b"\n".join(told)).replace(self.lead, b",") if told else b""
        return _numbers(text[1:], self.whole, len(told))


def _numbers(text: bytes, whole: bool, count: int) -> list[Any] | None:
    """Plain numbers between commas; None where there are others, or not so many."""
    if text.translate(None, _OF_INTEGERS if whole else _OF_DECIMALS):
        return None
    try:
        numbers: list[Any] = (_integers if whole else _decimals).decode(b"[%b]" % text)
    except msgspec.DecodeError:
        return None
    return numbers if len(numbers) == count else None


class _Shape:
    """`first` stands before the first time; behind each time stands its run's lead, a value, and the point's own of `tails`."""

    def __init__(self, first: bytes, tails: list[bytes], runs: list[_Run], shift: int) -> None:
        self.first = first
        self.tails = tails
        self.runs = runs
        self.shift = shift
        alike = {(run.lead[1:], run.whole) for run in runs if run.stop > run.start}
        self.lead, self.whole = next(iter(alike)) if len(alike) == 1 else (b"", False)
        """What stands before every value, and whether all are integers; nothing where points differ in it."""
        self.unlike = 0
        self.size = sum({id(one): len(one) for one in tails}.values()) + _POINT_BYTES * len(tails)

    def parts(self, line: bytes) -> list[Part] | None:
        """What the line means; None where it is not this shape around plain times and numbers."""
        at = len(self.first)
        if not line.startswith(self.first) or not line.startswith(_TIME, at):
            return None
        if self.unlike <= _MISSES and self.lead and line.startswith(self.lead, at + len(_TIME) + 20):
            read = self._alike(line, line[at + len(_TIME) : at + len(_TIME) + 20])
            if read is not None:
                return read
            self.unlike += 1  # it has several times, and so may the next
        _, *after = line.split(line[at : at + len(_TIME) + 20])  # most lines have one time
        times = [line[at + len(_TIME) : at + len(_TIME) + 20]]
        if len(after) != len(self.tails):
            _, *after = line.split(_TIME)
            if len(after) != len(self.tails):
                return None
            times, after = list(map(_MOMENT, after)), list(map(_REST, after))
        told = set(times)
        if not all(map(_PLAIN.fullmatch, told)):
            return None
        known = {moment: int(moment[:19]) + self.shift for moment in told}
        moments = list(map(known.__getitem__, times))
        texts = list(
            map(bytes.removesuffix, after, self.tails)
        )  # what has another tail keeps it, and is no number then
        made = []
        for run in self.runs:
            numbers = run.numbers(texts[run.start : run.stop])
            if numbers is None:
                return None
            own = moments * len(numbers) if len(moments) == 1 else moments[run.start : run.stop]
            made.append(Part(run.head, NumberPoints(run.attributes, run.starts, own, numbers), run.keys))
        return made

    def _alike(self, line: bytes, moment: bytes) -> list[Part] | None:
        """What a line of one time means whose points differ in their values alone, as most are; None where it is none."""
        _, *after = line.split(b"%b%b%b" % (_TIME, moment, self.lead))
        if len(after) != len(self.tails) or not _PLAIN.fullmatch(moment):
            return None
        numbers = _numbers(b",".join(map(bytes.removesuffix, after, self.tails)), self.whole, len(after))
        if numbers is None:
            return None
        time = int(moment[:19]) + self.shift
        made = []
        for run in self.runs:
            count = run.stop - run.start
            points = NumberPoints(run.attributes, run.starts, [time] * count, numbers[run.start : run.stop])
            made.append(Part(run.head, points, run.keys))
        return made

    def line(self, values: list[bytes]) -> bytes:
        """The line of this shape with these values, each at another time."""
        leads = [run.lead[1:] for run in self.runs for _ in range(run.start, run.stop)]
        times = [b'"timeUnixNano":"%d"' % moment for moment in range(10**18, 10**18 + 7 * len(values), 7)]
        points = zip(times, leads, values, self.tails, strict=True)
        return self.first + b"".join(chain.from_iterable(points))


@dataclass(slots=True)
class _Known:
    """A line's beginning: the shape of the lines that have it, how often one was made, was of use, and was not (in a row)."""

    shape: _Shape | None = None
    made: int = 0
    used: int = 0
    missed: int = 0
    lately: int = 0


class Shapes:
    """The shapes of one recording, bounded in bytes. `decode` is what a line means, `shift` nanoseconds added to every time."""

    def __init__(self, decode: Decode, shift: int) -> None:
        self._decode = decode
        self._shift = shift
        self._known: dict[int, _Known] = {}
        self._bytes = 0
        self._refused = 0

    def parts(self, line: bytes) -> list[Part]:
        """What the line means. Raises what `decode` raises."""
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
        made = self._decode(line)
        if known.shape is None and known.made < _TRIES + known.used // _TRIES:
            known.made += 1
            self._learn(known, line, made)
        return made

    def _learn(self, known: _Known, line: bytes, meaning: list[Part]) -> None:
        if not self._room(len(line)):
            return
        shape = _shape(line, meaning, self._shift)
        if shape is None or not self._tried(shape):
            known.made += _TRIES
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
        """Whether another line of the shape means to the decoder what it means to the shape."""
        whole = [run.whole for run in shape.runs for _ in range(run.start, run.stop)]
        line = shape.line([b"%d" % at if own else b"%d.5" % at for at, own in enumerate(whole, 1)])
        try:
            meaning = self._decode(line)
        except ValueError:  # also what msgspec raises
            return False
        read = shape.parts(line)
        return read is not None and len(read) == len(meaning) and all(map(_same, read, meaning))


def _shape(line: bytes, meaning: list[Part], shift: int) -> _Shape | None:
    """The shape of a line; None where a point is more than a number behind its time."""
    first, *after = line.split(_TIME)
    found = list(map(_POINT.match, after))
    runs: list[_Run] = []
    for part in meaning:
        points, start = part.points, runs[-1].stop if runs else 0
        if not isinstance(points, NumberPoints):
            return None
        stop = start + len(points)
        leads = {one[2] if one else b"" for one in found[start:stop]}
        kinds = set(map(type, points.values))
        if len(kinds) > 1 or len(leads) > 1 or b"" in leads:
            return None
        lead = b"\n" + next(iter(leads), b"") if leads else b""
        runs.append(_Run(part.head, points.attributes, points.starts, part.keys, start, stop, kinds == {int}, lead))
    if not runs or runs[-1].stop != len(after):
        return None
    tails = [piece[one.end() :] for piece, one in zip(after, found, strict=True) if one is not None]
    if not all(tails):
        return None
    same: dict[bytes, bytes] = {}
    return _Shape(first, [same.setdefault(tail, tail) for tail in tails], runs, shift)


def _same(one: Part, other: Part) -> bool:
    """The same heads and attributes (they are interned), and equal numbers of the same types."""
    mine, theirs = one.points, other.points
    return (
        one.head is other.head
        and list(one.keys) == list(other.keys)
        and isinstance(mine, NumberPoints)
        and isinstance(theirs, NumberPoints)
        and len(mine) == len(theirs)
        and all(map(is_, mine.attributes, theirs.attributes))
        and (mine.starts, mine.times, mine.values) == (theirs.starts, theirs.times, theirs.values)
        and list(map(type, mine.values)) == list(map(type, theirs.values))
    )
