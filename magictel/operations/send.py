"""`send-sample`: one known sample through the runtime's own exporter: sent → accepted → read back → compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.events import Accepted, Event, SendFinished, SendOutcome, SendResult, SendStarted, TargetSent, Waited
from magictel.exporter import Exporter
from magictel.finding import Finding, Rung
from magictel.model import Series, count_points, groups
from magictel.operations import altered
from magictel.operations.asking import ask
from magictel.operations.job import Job, leaving, side_by_side
from magictel.operations.readiness import readiness, spoiling
from magictel.operations.tuning import tuning
from magictel.outcome import Fate, Reason, Receipt
from magictel.sources.sample import Sample, new_run_id, sample
from magictel.stopwatch import Stopwatch
from magictel.verification import Expected, SampleQuery, Unreadable, Verification, verify

_POLL = 0.25
_LEAST = 0.1
"""Seconds for sending where the rungs before it took all of the deadline."""
_LOST = "see whether they come late, with --within 120s; else look for a filter, a pipeline, a failure store or a quota behind the receiver"
_DUPLICATED = "look for a second way to the same place: another collector, a pipeline, replicas that are not merged"


@dataclass(frozen=True, slots=True)
class SendOptions:
    """`within`: seconds to wait for visibility (None: at least three times the backend's own delay); `deadline`: for the rungs
    before the send and for delivery together; `timeout`: for a rung.
    """

    verify: bool = True
    thorough: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None
    deadline: float = 30.0
    force: bool = False
    timeout: float = 10.0
    skip: Collection[str] = ()
    jobs: int = 8
    timing: bool = False
    run_id: str | None = None


@leaving
def send(jobs: Sequence[Job], options: SendOptions, clock: Clock | None = None) -> Iterator[Event]:
    """Yield events; the last is `SendFinished` with the results in the order of `jobs`."""
    clock = clock or SystemClock()
    started = clock.monotonic()
    run = sample(options.run_id or new_run_id(), clock.now(), thorough=options.thorough, attributes=options.attributes)
    metrics = sum(1 for _ in groups(run.data))
    yield SendStarted(run.run_id, count_points(run.data), metrics, tuple(job.target for job in jobs))
    results: list[SendResult | None] = [None] * len(jobs)
    watch = clock

    def work(job: Job, tell: Callable[[Event], None]) -> SendResult:
        return _send_one(job, run, options, watch, tell)

    def broken(job: Job, bug: Finding) -> SendResult:
        return _stopped(job, "", bug, _all_dropped(count_points(run.data), bug), (bug,), 0.0)

    interrupted = True
    try:
        for item in side_by_side(jobs, work, options.jobs, broken):
            if isinstance(item, tuple):
                index, result = item
                results[index] = result
                yield TargetSent(result)
            else:
                yield item
        interrupted = False
    except KeyboardInterrupt:
        pass
    done = tuple(result for result in results if result is not None)
    yield SendFinished(run.run_id, done, clock.monotonic() - started, interrupted)


def round_trip(exporter: Exporter[Any], options: SendOptions, clock: Clock, written: Finding | None = None) -> Finding:
    """Climb the last rung: the sample through this exporter and back. `written` is what the write rung found."""
    stop = spoiling(written) if written is not None and not options.force else None
    if stop is not None:
        return replace(stop, rung=Rung.ROUND_TRIP, seconds=None)
    run = sample(new_run_id(), clock.now(), thorough=options.thorough, attributes=options.attributes)
    result = _deliver(exporter, "", run, options, clock, lambda _: None, ())
    evidence = {"run_id": run.run_id, "sent": result.receipt.sent, "delivered": result.receipt.delivered}
    match result.outcome:
        case SendOutcome.VERIFIED:
            found = result.verification.found if result.verification else 0
            return Finding.passed(Rung.ROUND_TRIP, f"{found} points were sent and read back, equal", **evidence)
        case SendOutcome.ACCEPTED | SendOutcome.UNVERIFIED:
            code = result.code or "verify.unverified"
            return Finding.warned(Rung.ROUND_TRIP, code, result.message or "not verified", result.remedy, **evidence)
        case _:
            code = result.code or f"verify.{result.outcome}"
            return Finding.failed(
                Rung.ROUND_TRIP, code, result.message or str(result.outcome), result.remedy, **evidence
            )


def _send_one(job: Job, run: Sample, options: SendOptions, clock: Clock, tell: Callable[[Event], None]) -> SendResult:
    started = clock.monotonic()
    exporter, config = job.config()
    if exporter is None:
        receipt = _all_dropped(count_points(run.data), config)
        return _stopped(job, "", config, receipt, (config,), clock.monotonic() - started, unusable=True)
    try:
        noted, stop = readiness(
            exporter,
            config,
            clock,
            timeout=options.timeout,
            deadline=options.deadline,
            force=options.force,
            skip=options.skip,
        )
        if stop is not None:
            receipt = _all_dropped(count_points(run.data), stop)
            return _stopped(job, exporter.endpoint(), stop, receipt, noted, clock.monotonic() - started)
        left = max(_LEAST, options.deadline - (clock.monotonic() - started))
        result = _deliver(exporter, job.target, run, replace(options, deadline=left), clock, tell, noted)
        return replace(result, exporter=job.exporter, seconds=clock.monotonic() - started)
    finally:
        exporter.shutdown(0)


def _deliver(
    exporter: Exporter[Any],
    target: str,
    run: Sample,
    options: SendOptions,
    clock: Clock,
    tell: Callable[[Event], None],
    noted: tuple[Finding, ...],
) -> SendResult:
    gone: list[bytes] = []
    watch = Stopwatch(clock.monotonic) if options.timing else None
    if watch is not None:
        exporter.close()  # the checks left connections open: a delivery that is timed makes its own
        exporter.time_with(watch)
    receipt = exporter.deliver(
        run.data, seconds=options.deadline, on_refused=lambda item, _: gone.append(item), on_dropped=gone.append
    )
    if watch is not None:
        exporter.time_with(None)
    tell(Accepted(target, receipt))
    verification = None
    if options.verify and receipt.readable:
        expected, gone_keys = _expected(exporter, run), {exporter.item_key(item) for item in gone}
        expected = [one for one in expected if one.key not in gone_keys]
        verification = _look(exporter, target, run, expected, gone_keys, receipt, options, clock, tell)
    result = SendResult(
        target, exporter.name, SendOutcome.VERIFIED, receipt, verification, endpoint=exporter.endpoint(), findings=noted
    )
    if watch is not None:
        seen = verification.time_to_visible if verification is not None else None
        result = replace(result, timing=watch.timing(receipt.seconds, seen, tuning(exporter, receipt.sent)))
    return judged(result, options)


def _expected(exporter: Exporter[Any], run: Sample) -> list[Expected]:
    """Every point that is not withheld, as the backend should show it."""
    expected = []
    for group in exporter.going(run.data):
        for point in group.points:
            one = exporter.expect(Series(group.stream, point.attributes or {}), point)
            if one is not None:
                expected.append(one)
    return expected


def _look(
    exporter: Exporter[Any],
    target: str,
    run: Sample,
    expected: list[Expected],
    gone: Collection[str | None],
    receipt: Receipt,
    options: SendOptions,
    clock: Clock,
    tell: Callable[[Event], None],
) -> Verification:
    """Ask until every expected point is shown, or the time is over. Points in `gone` are nobody's: some may have arrived."""
    accepted = clock.monotonic()
    query = SampleQuery(run.run_id, run.since, run.until, tuple(expected))
    delay = ask(exporter.visible_delay)
    if isinstance(delay, Unreadable):
        return _unverified(len(expected), delay)
    within = max(5.0, 3 * delay) if options.within is None else options.within
    if delay > within or math.isinf(delay):
        return _unverified(
            len(expected),
            Unreadable(
                "verify.delay-beyond-within",
                f"the backend shows points after {delay:g} s, beyond the {within:g} s that were waited",
                f"magictel send-sample --within {math.ceil(3 * delay)}s" if math.isfinite(delay) else None,
            ),
        )
    trouble: Unreadable | None = None
    answered = False
    visible: float | None = None
    best = Verification(len(expected), 0, len(expected), missing_points=tuple(one.point for one in expected))
    while True:
        shown = ask(exporter.seen, query)
        waited = clock.monotonic() - accepted
        if isinstance(shown, Unreadable):
            trouble = shown
        else:
            answered = True
            best = verify(expected, [one for one in shown if one.key not in gone], exporter.declared)
            if not best.missing:
                if visible is not None or not (
                    best.altered or best.unverified or best.duplicated or receipt.attempts > 1
                ):
                    return replace(best, time_to_visible=waited if visible is None else visible)
                # A point may be shown before all of it is, and its second copy after the first: look once more.
                visible = waited
                clock.wait(max(delay, _POLL))
                continue
        if waited >= within or (trouble is not None and not answered and trouble.final):
            break
        tell(Waited(target, f"{best.found} of {best.expected} points are visible", waited, within))
        clock.wait(min(_POLL, max(0.01, within - waited)))
    if not answered and trouble is not None:
        return _unverified(len(expected), trouble)
    return best


def _unverified(expected: int, why: Unreadable) -> Verification:
    return Verification(expected, unverified=expected, code=why.code, message=why.message, remedy=why.remedy)


def judged(result: SendResult, options: SendOptions) -> SendResult:
    """The first outcome present, with the code and sentence that explain it."""
    receipt, verification = result.receipt, result.verification
    bad = [reason for reason in receipt.reasons if reason.fate in (Fate.DROPPED, Fate.KEPT)]
    refused = [reason for reason in receipt.reasons if reason.fate is Fate.REJECTED]
    if receipt.undelivered:
        return _because(result, SendOutcome.UNDELIVERED, bad)
    if receipt.rejected:
        return _because(result, SendOutcome.REJECTED, refused)
    if verification is None:
        unconfirmed = [reason for reason in receipt.reasons if reason.fate is Fate.UNCONFIRMED]
        if unconfirmed:
            return _because(result, SendOutcome.UNVERIFIED, unconfirmed)
        if options.verify and receipt.withheld and not receipt.delivered:
            rules = ", ".join(dict.fromkeys(one.code for one in receipt.reasons if one.fate is Fate.WITHHELD))
            message = f"every point is withheld ({rules}): nothing was sent, and nothing can be verified"
            return replace(result, outcome=SendOutcome.UNVERIFIED, code="verify.nothing-sent", message=message)
        if not options.verify or not receipt.delivered:
            return replace(result, outcome=SendOutcome.ACCEPTED)
        why = "the run was interrupted before these points were read back"
        return replace(result, outcome=SendOutcome.UNVERIFIED, code="verify.unverified", message=why)
    if verification.missing and not verification.code:
        names = ", ".join(verification.missing_points[:3]) + (", …" if verification.missing > 3 else "")
        message = f"{verification.missing} of {verification.expected} accepted points were not shown in time: {names}"
        return replace(result, outcome=SendOutcome.LOST, code="verify.lost", message=message, remedy=_LOST)
    if verification.altered:
        first = next(one for one in verification.differences if one.declared is None)
        message = f"{first.point}: sent {first.field} = {first.sent!r}, queries see {first.seen!r}"
        return replace(
            result,
            outcome=SendOutcome.ALTERED,
            code="verify.altered",
            message=message,
            remedy=altered.remedy(result.target, verification.differences),
        )
    if verification.duplicated:
        message = f"{verification.duplicated} points are shown more than once"
        return replace(
            result, outcome=SendOutcome.DUPLICATED, code="verify.duplicated", message=message, remedy=_DUPLICATED
        )
    if verification.code or verification.unverified:
        message = verification.message or f"{verification.unverified} points hold fields that the backend cannot show"
        return replace(
            result,
            outcome=SendOutcome.UNVERIFIED,
            code=verification.code or "verify.unreadable",
            message=message,
            remedy=verification.remedy,
        )
    return result


def _because(result: SendResult, outcome: SendOutcome, reasons: list[Reason]) -> SendResult:
    first = reasons[0] if reasons else None
    return replace(
        result,
        outcome=outcome,
        code=first.code if first else f"verify.{outcome}",
        message=first.message if first else str(outcome),
    )


def _all_dropped(points: int, why: Finding) -> Receipt:
    code = why.code or "internal.probe"
    return Receipt(sent=points, dropped=points, reasons=(Reason(code, why.message, points, Fate.DROPPED),))


def _stopped(
    job: Job,
    endpoint: str,
    stop: Finding,
    receipt: Receipt,
    noted: tuple[Finding, ...],
    seconds: float,
    unusable: bool = False,
) -> SendResult:
    return SendResult(
        job.target,
        job.exporter,
        SendOutcome.UNDELIVERED,
        receipt,
        None,
        stop.code,
        stop.message,
        stop.remedy,
        endpoint,
        unusable,
        seconds,
        noted,
    )
