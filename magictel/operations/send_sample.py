"""`send-sample`: send a known sample through the runtime's own exporter, read it back and compare it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from magictel.clock import Clock, SystemClock
from magictel.model.events import Accepted, Event, SendFinished, SendOutcome, SendResult, SendStarted, TargetSent
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import count_points, groups
from magictel.model.timing import Stopwatch
from magictel.operations.preflight import readiness, spoiling
from magictel.operations.send_result import judged, read_from, tuning, undelivered, verifiable, with_sent_credentials
from magictel.operations.target_run import Job, leaving, shut_down, side_by_side
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.exporter import Exporter
from magictel.plugin.temporality import counters_are_delta
from magictel.sources.sample import Sample, new_run_id, sample
from magictel.verify.sample import expected_points, read_back

_LEAST = 0.1
"""Seconds for sending if the rungs before used up the deadline."""


class SendOptions(msgspec.Struct, frozen=True):
    """Options of a send. `within`: seconds to wait for visibility (None: at least three times the backend's own delay).

    `deadline`: seconds for the rungs before the send and for delivery together; `timeout`: seconds per rung.
    """

    verify: bool = True
    thorough: bool = False
    attributes: Mapping[str, str] = msgspec.field(default_factory=dict)
    within: float | None = None
    deadline: float = 30.0
    force: bool = False
    timeout: float = 10.0
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
    results: dict[str, SendResult] = {}
    accepted: dict[str, SendResult] = {}
    watch = clock

    def work(job: Job, tell: Callable[[Event], None]) -> SendResult:
        def noting(event: Event) -> None:
            if isinstance(event, Accepted) and event.result is not None:
                accepted[job.target] = event.result
            tell(event)

        return _send_one(job, run, options, watch, noting)

    def broken(job: Job, bug: Finding) -> SendResult:
        return undelivered(job, count_points(run.data), bug, (bug,), 0.0)

    interrupted = yield from side_by_side(jobs, work, options.jobs, broken, results, TargetSent)
    for job in jobs:
        if job.target not in results and job.target in accepted:  # interrupted while it was read back
            seconds = clock.monotonic() - started
            results[job.target] = replace(accepted[job.target], exporter=job.exporter, seconds=seconds)
            yield TargetSent(results[job.target])
    done = tuple(results[job.target] for job in jobs if job.target in results)
    yield SendFinished(run.run_id, done, clock.monotonic() - started, interrupted)


def round_trip(exporter: AnyExporter, options: SendOptions, clock: Clock, written: Finding | None = None) -> Finding:
    """Climb the last rung: send the sample through this exporter and read it back. `written` is the write rung's finding."""
    stop = spoiling(written) if written is not None and not options.force else None
    if stop is not None:
        return replace(stop, rung=Rung.ROUND_TRIP, seconds=None)
    run = sample(new_run_id(), clock.now(), thorough=options.thorough, attributes=options.attributes)
    result = _deliver(exporter, exporter.target, run, options, clock, lambda _: None, ())
    evidence = {"run_id": run.run_id, "sent": result.receipt.sent, "delivered": result.receipt.delivered}
    match result.outcome:
        case SendOutcome.VERIFIED:
            visible = result.verification.found if result.verification else 0
            source = f" from {result.read_from.target}" if result.read_from else ""
            message = f"{visible} points were sent, read back{source} and equal"
            return Finding.passed(Rung.ROUND_TRIP, message, **evidence)
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
        return undelivered(job, count_points(run.data), config, (config,), clock.monotonic() - started, unusable=True)
    try:
        noted, stop = readiness(
            exporter,
            config,
            clock,
            timeout=options.timeout,
            deadline=options.deadline,
            force=options.force,
        )
        if stop is not None:
            seconds = clock.monotonic() - started
            return undelivered(job, count_points(run.data), stop, noted, seconds, exporter.endpoint())
        left = max(_LEAST, options.deadline - (clock.monotonic() - started))
        result = _deliver(exporter, job.target, run, replace(options, deadline=left), clock, tell, noted)
        result = verifiable(result, exporter, job.others, f"magictel send-sample {job.target}")
        return replace(result, exporter=job.exporter, seconds=clock.monotonic() - started)
    finally:
        shut_down(exporter)


def _deliver(
    exporter: AnyExporter,
    target: str,
    run: Sample,
    options: SendOptions,
    clock: Clock,
    tell: Callable[[Event], None],
    noted: tuple[Finding, ...],
) -> SendResult:
    gone: set[int] = set()
    run = run.preferred(delta=counters_are_delta(exporter))
    prepared = exporter.prepare(run.data, ask_within=options.deadline)
    watch = Stopwatch(clock.monotonic) if options.timing and isinstance(exporter, Exporter) else None
    if watch is not None:
        exporter.close()  # the checks left connections open: a delivery that is timed makes its own
        exporter.observers.add(watch)
    receipt = exporter.deliver(
        prepared, seconds=options.deadline, on_refused=lambda at, _: gone.update(at), on_dropped=gone.update
    )
    if watch is not None:
        exporter.observers.remove(watch)
    sent = SendResult(
        target,
        exporter.name,
        SendOutcome.VERIFIED,
        receipt,
        endpoint=exporter.endpoint(),
        findings=noted,
        read_from=read_from(exporter) if options.verify else None,
    )
    cut_off = judged(sent, verify=options.verify)
    if cut_off.code == "verify.unverified":
        cut_off = replace(cut_off, remedy=f"magictel send-sample {target}")
    tell(Accepted(target, receipt, cut_off))
    verification = None
    if options.verify and receipt.readable:
        expected, gone_keys = expected_points(exporter, prepared, gone)
        verification = read_back(exporter, target, run, expected, gone_keys, receipt, options.within, clock, tell)
    result = replace(sent, verification=verification)
    if watch is not None and isinstance(exporter, Exporter):
        seen = verification.time_to_visible if verification is not None else None
        result = replace(result, timing=watch.timing(receipt.seconds, seen, tuning(exporter, receipt.sent)))
    return with_sent_credentials(judged(result, verify=options.verify), exporter)
