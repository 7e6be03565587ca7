"""`check`: climb the ladder of every chosen target in parallel; repeat with `--wait` until all pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from magictel.clock import Clock, SystemClock
from magictel.ladder.climb import climb
from magictel.model.events import (
    INTERRUPTED,
    CheckFinished,
    CheckOutcome,
    CheckResult,
    CheckStarted,
    ClimbStarted,
    Event,
    RungClimbed,
    TargetChecked,
    Waited,
    check_outcome,
)
from magictel.model.finding import Finding, Rung, SideEffect, Status
from magictel.operations.remedies import Blanks
from magictel.operations.target_run import Job, leaving, shut_down, side_by_side

if TYPE_CHECKING:
    from magictel.operations.send_sample import SendOptions

_AGAIN = 1.0


class CheckOptions(msgspec.Struct, frozen=True):
    """Options of a check: `timeout` seconds per rung, `wait` seconds for repeating until the ladder passes, `allow` side effects."""

    until: Rung | None = None
    skip: Collection[str] = ()
    wait: float = 0.0
    timeout: float = 10.0
    allow: Collection[SideEffect] = ()
    round_trip: bool = False
    probe_other_sites: bool = False
    jobs: int = 8
    send: SendOptions | None = None
    """Options of the round trip; None: the defaults."""


class _Climb(msgspec.Struct):
    """Progress of a target's climb: written by its thread, read by the thread that handles an interrupt."""

    since: float
    """Start time of the current rung."""
    endpoint: str = ""
    rungs: list[Finding] = msgspec.field(default_factory=list)


@leaving
def check(jobs: Sequence[Job], options: CheckOptions, clock: Clock | None = None) -> Iterator[Event]:
    """Yield events; the last is `CheckFinished` with the results in the order of `jobs`.

    If interrupted while it waits for a ladder to pass, a target's result is its last climb; during the first climb it is the rungs so
    far, with the current one failed (`run.interrupted`) and later ones skipped.
    """
    clock = clock or SystemClock()
    started = clock.monotonic()
    yield CheckStarted(tuple(job.target for job in jobs))
    results: dict[str, CheckResult] = {}
    watch = clock
    latest: dict[str, CheckResult] = {}
    begun: dict[str, _Climb] = {}

    def work(job: Job, tell: Callable[[Event], None]) -> CheckResult:
        return _climb_until_it_holds(job, options, watch, tell, latest, begun)

    interrupted = yield from side_by_side(jobs, work, options.jobs, _broken, results, TargetChecked)
    now = clock.monotonic()
    known = [
        results.get(job.target) or latest.get(job.target) or _broken_off(job, begun.get(job.target), now)
        for job in jobs
    ]
    done = tuple(result for result in known if result is not None)
    yield CheckFinished(done, clock.monotonic() - started, interrupted)


def check_target(job: Job) -> CheckResult:
    """Climb the ladder of one target, in the caller's thread."""
    clock = SystemClock()
    started = clock.monotonic()
    result = _climb_once(job, CheckOptions(), clock, started, _Climb(started), lambda event: None)
    filled = Blanks({job.target: job.exporter}).fill(TargetChecked(result))
    assert isinstance(filled, TargetChecked)
    return job.shown(filled.result)


def _broken(job: Job, bug: Finding) -> CheckResult:
    return CheckResult(job.target, job.exporter, CheckOutcome.FAIL, "", tuple(climb({Rung.CONFIG: lambda: bug})))


def _broken_off(job: Job, climb_: _Climb | None, now: float) -> CheckResult | None:
    """Return the climbed rungs, or None if there are none."""
    if climb_ is None or not climb_.rungs:
        return None
    rungs, since = list(climb_.rungs), climb_.since
    seconds = sum(finding.seconds or 0.0 for finding in rungs)
    if len(rungs) < len(Rung):
        under_way, *above = list(Rung)[len(rungs) :]
        cut = Finding.failed(under_way, INTERRUPTED, "interrupted", "run the command again")
        rungs += [
            replace(cut, seconds=max(0.0, now - since)),
            *(Finding.skipped(rung, "skipped (interrupted before)") for rung in above),
        ]
        seconds += max(0.0, now - since)
    return CheckResult(
        job.target, job.exporter, check_outcome(tuple(rungs)), climb_.endpoint, tuple(rungs), False, seconds
    )


def _climb_until_it_holds(
    job: Job,
    options: CheckOptions,
    clock: Clock,
    tell: Callable[[Event], None],
    latest: dict[str, CheckResult],
    begun: dict[str, _Climb],
) -> CheckResult:
    started = clock.monotonic()
    while True:
        begun[job.target] = _Climb(clock.monotonic())
        result = _climb_once(job, options, clock, started, begun[job.target], tell)
        waited = clock.monotonic() - started
        if result.outcome is not CheckOutcome.FAIL or result.unusable or waited >= options.wait:
            return result
        latest[job.target] = result
        first = next(finding for finding in result.rungs if finding.outcome is Status.FAIL)
        tell(Waited(job.target, f"{first.rung}: {first.message}", waited, options.wait))
        clock.wait(min(_AGAIN, options.wait - waited))


def _climb_once(
    job: Job,
    options: CheckOptions,
    clock: Clock,
    started: float,
    so_far: _Climb,
    tell: Callable[[Event], None],
) -> CheckResult:
    exporter, config = job.config()
    if exporter is None:
        tell(ClimbStarted(job.target, job.exporter, "", final=True))
        blocked: dict[Rung, Callable[[], Finding]] = {Rung.CONFIG: lambda: config}
        if options.round_trip:
            blocked[Rung.ROUND_TRIP] = blocked[Rung.CONFIG]
        rungs = tuple(climb(blocked, until=options.until, clock=clock))
        for finding in rungs:
            tell(RungClimbed(job.target, finding))
        return CheckResult(job.target, job.exporter, CheckOutcome.FAIL, "", rungs, True, clock.monotonic() - started)
    try:
        so_far.endpoint = exporter.endpoint()
        tell(ClimbStarted(job.target, job.exporter, so_far.endpoint, final=options.wait <= 0))
        sample = {SideEffect.CANARY_WRITE} if options.round_trip else set()
        exporter.allowed = frozenset(options.allow) | sample
        exporter.probe_other_sites = options.probe_other_sites
        steps: dict[Rung, Callable[[], Finding]] = {Rung.CONFIG: lambda: config, **exporter.steps(options.timeout)}
        if options.round_trip:
            from magictel.operations.send_sample import (  # imported only here, to keep the start-up fast
                SendOptions,
                round_trip,
            )

            sending = options.send or SendOptions()
            steps[Rung.ROUND_TRIP] = lambda: round_trip(exporter, sending, clock, _written(so_far.rungs))
        for finding in climb(steps, until=options.until, skip=options.skip, clock=clock):
            so_far.since = clock.monotonic()
            so_far.rungs.append(finding)
            tell(RungClimbed(job.target, finding))
        rungs = tuple(so_far.rungs)
        return CheckResult(
            job.target,
            job.exporter,
            check_outcome(rungs, options.until),
            exporter.endpoint(),
            rungs,
            False,
            clock.monotonic() - started,
        )
    finally:
        shut_down(exporter)


def _written(rungs: Sequence[Finding]) -> Finding | None:
    """Return the finding of the write rung, the one before the last."""
    return next((finding for finding in rungs if finding.rung is Rung.WRITE), None)
