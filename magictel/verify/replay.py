"""`replay --verify`: a second pass over the recordings, slice by slice, that compares the sent points with those of each backend.

Memory does not grow with the recording: its points are read again, with the same shift. Only eight bytes are kept for each item that
was rejected or dropped, which is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from magictel.clock import Clock
from magictel.model.events import Event, Waited
from magictel.model.metrics import Point, Series
from magictel.model.outcome import ItemVerdict
from magictel.model.verification import Difference, Expected, Seen, Unreadable, Verification, verify
from magictel.plugin.exporter import Exporter
from magictel.sources.batching import Slice
from magictel.verify.asking import explained
from magictel.verify.counts import Tally
from magictel.verify.polling import Patience, patience, poll

_MOST_GONE = 500_000
_SHOWN = 50
"""Maximum number of kept differences and missing points."""


@dataclass(slots=True)
class Gone:
    """The undelivered points of a target, by their items. Beyond half a million they are no longer recorded: `full`."""

    known: set[int] = field(default_factory=set)
    full: bool = False

    def add(self, series: Series, point: Point, exporter: Exporter[Any]) -> None:
        """Note a point that was rejected or dropped."""
        item = exporter.encoder.encode(series, point)
        if len(self.known) >= _MOST_GONE:
            self.full = True
        elif isinstance(item, bytes):
            self.known.add(_digest(item))

    def holds(self, item: bytes) -> bool:
        """Return whether the item was noted."""
        return _digest(item) in self.known


class Proof:
    """A target's verification, slice by slice. `until`: number of points passed to the target; `delivered`: points that the backend
    accepted; `noted`: among them, those with a note; `unnamed`: points that it rejected without naming them.
    """

    def __init__(
        self,
        target: str,
        exporter: Exporter[Any],
        gone: Gone,
        until: int,
        within: float | None,
        clock: Clock,
        delivered: int,
        noted: int = 0,
        unnamed: int = 0,
    ) -> None:
        self.target = target
        self.until = until
        self._exporter, self._gone, self._clock = exporter, gone, clock
        self._within = within
        self._patience: Patience | None = None
        self._visible: float | None = None
        self._trouble: Unreadable | None = None
        self._sum = Verification(0, identity="point")
        self._forms: set[str] = set()
        self._tally = Tally(exporter, noted)
        self._repeated = 0
        self._why_missing: ItemVerdict | None = None
        self._delivered, self._unnamed = delivered, unnamed

    def begin(self) -> None:
        """Query the backend's delay until it shows a point."""
        self._exporter.begin_recording()
        wait = patience(self._exporter, self._clock, self._within, "magictel replay --verify")
        if isinstance(wait, Unreadable):
            self._trouble = wait
            return
        self._patience = wait
        if self._gone.full:
            self._trouble = Unreadable(
                "verify.unreadable", f"more than {_MOST_GONE} points were rejected, too many to record which"
            )

    def hold(self, piece: Slice) -> Iterator[Event]:
        """Compare a slice with the points that the backend shows, and wait for them while there is time."""
        if piece.sent_before:
            self._exporter.learn(piece.data)
            return
        expected, repeats = self._expected(piece)
        if not expected:
            return
        wait = self._patience
        if wait is None or (self._trouble is not None and self._trouble.final):
            assert self._trouble is not None
            self._add(_unverified(expected, self._trouble))
            return

        def unsure(result: Verification) -> bool:
            return bool(result.altered or result.unverified or result.duplicated)

        def verdict(shown: Sequence[Seen]) -> Verification:
            return self._matched(expected, shown, repeats).excusing(self._unnamed)

        for state in poll(
            lambda: self._exporter.readback.find(expected), verdict, lambda result: not result.missing, unsure, wait
        ):
            if not state.end:
                visible = self._sum.found + (state.best.found if state.best else 0)
                message = f"{visible} of {self._sum.expected + len(expected)} points are visible"
                yield Waited(self.target, message, state.waited, wait.within)
        best = state.best
        if best is None:
            assert state.trouble is not None
            self._trouble = state.trouble
            best = _unverified(expected, state.trouble)
        elif not best.missing and (state.pauses or self._visible is None):
            self._visible = state.visible
        self._unnamed -= best.unnamed
        self._repeated -= best.expected + best.unnamed - len(expected)
        self._add(best)
        yield Waited(self.target, f"{self._sum.found} of {self._sum.expected} points read back", state.waited)

    def count(self) -> Iterator[Event]:
        """Compare points that cannot be told apart with the backend's count, at the end. Points that are left out when the recording is
        read again, such as those that have become too old meanwhile, are unverified.
        """
        if self._patience is not None and (self._trouble is None or not self._trouble.final):
            yield from self._tally.count(self.target, self._patience)
        left = self._not_compared()
        if left and (self._trouble is None or not self._trouble.final):
            message = f"{left} accepted points were not compared: the exporter would not send them any more"
            self._trouble = Unreadable("verify.unverified", message)
        self._why_missing = explained(self._exporter, self.verification()).why_missing

    def broken_off(self) -> None:
        """End early: delivered points that were not read back are unverified, never missing."""
        self._not_compared()
        self._trouble = Unreadable("verify.unverified", "the read-back was interrupted: some points were not queried")

    def _not_compared(self) -> int:
        """Add the delivered points that were not read back, and return their number."""
        left = max(0, self._delivered - self._sum.expected - self._tally.points - self._repeated)
        self._add(Verification(left, unverified=left))
        return left

    def verification(self) -> Verification:
        """Return the verification of all slices together."""
        trouble = self._trouble
        counted = self._tally.into(self._sum, self._unnamed)
        verification = replace(counted, repeats=self._repeated, why_missing=self._why_missing)
        if (
            verification.missing
            or verification.altered
            or verification.duplicated
            or not verification.unverified
            or trouble is None
        ):
            return replace(verification, time_to_visible=None if verification.missing else self._visible)
        return replace(verification, code=trouble.code, message=trouble.message, remedy=trouble.remedy)

    def _matched(
        self, expected: Sequence[Expected], shown: Iterable[Seen], repeats: Mapping[str, list[Expected]]
    ) -> Verification:
        """Verify an identity that the recording contains several times: any sent value may be shown; a value that is not shown is lost."""
        once: list[Seen] = []
        copies: dict[str, list[Seen]] = {}
        for seen in shown:
            if seen.key in repeats:
                copies.setdefault(seen.key, []).append(seen)
            else:
                once.append(seen)
        lost: list[str] = []
        for key, seen_copies in copies.items():
            sent = repeats[key]
            as_sent = [copy for copy in seen_copies if any(self._same(want, copy) for want in sent)]
            once += [Seen(key, sent[0].fields)] if len(as_sent) == len(seen_copies) <= len(sent) else seen_copies
            values = list({tuple(sorted(want.fields.items(), key=str)): want for want in sent}.values())
            absent = [want for want in values if not any(self._same(want, copy) for copy in seen_copies)]
            # An id chosen by the exporter means a single value. If none matches, it is altered, and the others belong to no point.
            if as_sent and sent[0].id is None:
                lost += [f"{want.point}: the recording has {len(values)} values for this time" for want in absent]
        verification = verify(expected, once, self._exporter.readback.declared)
        if not lost:
            return verification
        return replace(
            verification,
            expected=verification.expected + len(lost),
            missing=verification.missing + len(lost),
            missing_points=(*verification.missing_points, *lost),
        )

    def _same(self, want: Expected, seen: Seen) -> bool:
        verification = verify([want], [seen], self._exporter.readback.declared)
        return not (verification.missing or verification.altered or verification.unverified)

    def _expected(self, piece: Slice) -> tuple[list[Expected], dict[str, list[Expected]]]:
        """Return the delivered points, each identity once, and those that the slice contains several times."""
        expected: dict[str, Expected] = {}
        repeats: dict[str, list[Expected]] = {}
        exporter = self._exporter
        elsewhere = exporter.readback.exporter is not exporter
        prepared = exporter.prepare(piece.data)
        for position, (series, point) in enumerate(prepared.points()):
            if self._gone.known or elsewhere or exporter.deltas is not None:
                item = exporter.encoder.encode(series, point)
                if not isinstance(item, bytes) and exporter.deltas is not None:
                    exporter.deltas.give_back(prepared.batch, (position,))  # as when it was sent
                if not isinstance(item, bytes) or self._gone.holds(item):
                    continue
            identity = exporter.readback.identify(series, point)
            if identity is None:
                if isinstance(exporter.encoder.encode(series, point), bytes):
                    self._tally.add(series.stream.name, point.time_unix_nano)
            elif expected.setdefault(identity.key, identity) is not identity:
                self._repeated += 1
                repeats.setdefault(identity.key, [expected[identity.key]]).append(identity)
        return list(expected.values()), repeats

    def _add(self, more: Verification) -> None:
        so_far = self._sum
        altered = [difference for difference in more.differences if difference.declared is None]
        kept = [*so_far.differences, *altered[: max(0, _SHOWN - len(so_far.differences))], *self._new_forms(more)]
        declared = len({difference.point for difference in more.differences if difference.declared is not None})
        self._sum = replace(
            so_far,
            expected=so_far.expected + more.expected,
            found=so_far.found + more.found,
            missing=so_far.missing + more.missing,
            altered=so_far.altered + more.altered,
            duplicated=so_far.duplicated + more.duplicated,
            unverified=so_far.unverified + more.unverified,
            unnamed=so_far.unnamed + more.unnamed,
            differences=tuple(kept),
            missing_points=(*so_far.missing_points, *more.missing_points)[:_SHOWN],
            as_declared=(so_far.as_declared or 0) + declared,
        )

    def _new_forms(self, more: Verification) -> list[Difference]:
        """Return a difference for each declared form: they are all alike."""
        differences = []
        for difference in more.differences:
            if difference.declared is not None and difference.declared not in self._forms:
                self._forms.add(difference.declared)
                differences.append(difference)
        return differences


def prove(proofs: list[Proof], slices: Iterator[Slice]) -> Iterator[Event]:
    """Run the second pass. Raise `SourceError` where the first pass did."""
    for proof in proofs:
        proof.begin()
    furthest = max((proof.until for proof in proofs), default=0)
    for piece in slices:
        for proof in proofs:
            if piece.until <= proof.until:
                yield from proof.hold(piece)
        if piece.until >= furthest:
            break
    for proof in proofs:
        yield from proof.count()


def _unverified(expected: list[Expected], why: Unreadable) -> Verification:
    return Verification(len(expected), unverified=len(expected), code=why.code, message=why.message)


def _digest(item: bytes) -> int:
    return int.from_bytes(blake2b(item, digest_size=8).digest())
