"""The read-back of a sample: queries the backend until it shows every point, and compares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from magictel.clock import Clock
from magictel.encoding.prepared import Prepared
from magictel.model.events import Event, Waited
from magictel.model.outcome import Receipt
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable, Verification, verify
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.exporter import Exporter
from magictel.sources.sample import Sample
from magictel.verify.asking import explained
from magictel.verify.polling import patience, poll


def expected_points(
    exporter: AnyExporter, prepared: Prepared, gone: Collection[int] = ()
) -> tuple[list[Expected], set[str]]:
    """Return every point that is not withheld, as the backend should show it, and the keys of those whose positions are `gone`."""
    expected: list[Expected] = []
    gone_keys: set[str] = set()
    sender = exporter if isinstance(exporter, Exporter) and exporter.readback.exporter is not exporter else None
    for position, (series, point) in enumerate(prepared.points()):
        if sender is not None and not isinstance(sender.encoder.encode(series, point), bytes):
            continue  # the target that reads back may store what this one never sends
        shown = exporter.readback.expect(series, point)
        if shown is None:
            continue
        if position in gone:
            gone_keys.add(shown.key)
        else:
            expected.append(shown)
    return expected, gone_keys


def read_back(
    exporter: AnyExporter,
    target: str,
    run: Sample,
    expected: list[Expected],
    gone: Collection[str],
    receipt: Receipt,
    within: float | None,
    clock: Clock,
    tell: Callable[[Event], None],
) -> Verification:
    """Query until every expected point is shown, or `within` seconds are over (None: at least three times the backend's delay).

    Points in `gone` were rejected or dropped: some may be stored, and none counts as missing. Unnamed rejections in `receipt` may be any
    of the expected points. Accepted points that the exporter cannot query (`expect` is None) are unverified.
    """
    query = SampleQuery(run.run_id, run.since, run.until, tuple(expected))
    unnamed = receipt.unnamed
    unproven = exporter.readback.unproven()  # a page without a Prometheus is scraped by magictel itself
    closed = exporter.readback.cannot_query() if unproven is None else None
    wait = closed or patience(exporter, clock, within, "magictel send-sample")
    if isinstance(wait, Unreadable):
        return _unverified(receipt.readable, wait)

    def verdict(shown: Sequence[Seen]) -> Verification:
        others = [point for point in shown if point.key not in gone]
        return verify(expected, others, exporter.readback.declared).excusing(unnamed)

    def unsure(result: Verification) -> bool:
        return bool(result.altered or result.unverified or result.duplicated or receipt.attempts > 1)

    none = Verification(len(expected), 0, len(expected), missing_points=tuple(point.point for point in expected))
    none = none.excusing(unnamed)
    for state in poll(lambda: exporter.readback.seen(query), verdict, lambda result: not result.missing, unsure, wait):
        if not state.end:
            best = state.best or none
            tell(Waited(target, f"{best.found} of {best.expected} points are visible", state.waited, wait.within))
    if state.best is None:
        return _unverified(receipt.readable, state.trouble) if state.trouble is not None else none
    if state.best.missing:
        return explained(exporter, state.best)
    result = replace(state.best, time_to_visible=state.visible)
    if unproven is not None:
        result = replace(result, code=unproven.code, message=unproven.message, remedy=unproven.remedy)
    unasked = receipt.readable - max(0, len(expected) - unnamed)
    return result if unasked <= 0 else _partly_unverified(result, unasked, exporter.readback.exporter.name)


def _unverified(expected: int, why: Unreadable) -> Verification:
    return Verification(expected, unverified=expected, code=why.code, message=why.message, remedy=why.remedy)


def _partly_unverified(result: Verification, unasked: int, name: str) -> Verification:
    """Return the result with the accepted points that the exporter cannot query."""
    return replace(
        result,
        expected=result.expected + unasked,
        unverified=result.unverified + unasked,
        code="verify.unsupported",
        message=f"{name} cannot query {unasked} of the accepted points",
    )
