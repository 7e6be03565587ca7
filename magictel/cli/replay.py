"""`magictel replay`: recordings through the runtime's own exporters, with a ledger."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli.check import SandboxBareOption, SandboxOption, StrictOption
from magictel.cli.debug import DebugOption
from magictel.cli.durations import some_seconds
from magictel.cli.output import Format, ResultFormat
from magictel.cli.targets import (
    AllOption,
    ConfigOption,
    DryRunOption,
    QuietOption,
    ReportOption,
    ResultFormatOption,
    SetOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magictel.events import Event
    from magictel.operations.job import Job
    from magictel.operations.replay_reading import ReplayOptions
    from magictel.sources.recording import Recordings


_FARTHEST = 100 * 365.25 * 86_400
"""Seconds of a shift: farther, and times would leave what 64 bits of nanoseconds, or a calendar, can say."""


def command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Recordings; - is standard input, @node and @gateway are ours."),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="TARGET", help="Where to; may be repeated. Default: all enabled."),
    ] = None,
    all_: AllOption = False,
    shift: Annotated[
        str,
        typer.Option(
            "--shift",
            metavar="now|keep|90s",
            help="What is added to every time; now: the newest point is sent as of now.",
        ),
    ] = "now",
    speed: Annotated[
        str,
        typer.Option("--speed", metavar="1|10|max", help="As fast as it was recorded, 10 times, as fast as it goes."),
    ] = "max",
    loop: Annotated[
        int, typer.Option("--loop", metavar="N", min=1, help="Send the recordings N times, one after another.")
    ] = 1,
    filter_: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="KEY=PATTERN", help="Only what fits: 'name=http_*', 'zone=eu-*'."),
    ] = None,
    from_point: Annotated[
        int,
        typer.Option("--from-point", metavar="N", min=0, help="Pass over the first N points: they were sent before."),
    ] = 0,
    on_error: Annotated[
        str, typer.Option("--on-error", metavar="stop|skip", help="What to do with a line that cannot be read.")
    ] = "stop",
    dry_run: DryRunOption = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read every point back and compare it.")] = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not read back (the default).")] = False,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            parser=some_seconds,
            metavar="30s",
            help="Wait this long for the points to show. Default: three times the backend's own delay, at least 5s.",
        ),
    ] = None,
    deadline: Annotated[
        float,
        typer.Option(
            "--deadline",
            parser=some_seconds,
            metavar="30s",
            help="For each payload, retries included; for all checks before.",
        ),
    ] = "30s",  # type: ignore[assignment] # typer parses the default as well
    timeout: Annotated[
        float, typer.Option("--timeout", parser=some_seconds, metavar="10s", help="For each check before sending.")
    ] = "10s",  # type: ignore[assignment]
    force: Annotated[
        bool, typer.Option("--force", help="Write even where the clocks are too far apart: it can poison a backend.")
    ] = False,
    timing: Annotated[bool, typer.Option("--timing", help="Say where the time goes, and what to change.")] = False,
    strict: StrictOption = False,
    sandbox: SandboxOption = False,
    sandbox_bare: SandboxBareOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
    format_: ResultFormatOption = ResultFormat.TEXT,
    report: ReportOption = None,
    sets: SetOption = None,
    config: ConfigOption = None,
) -> int:
    """Send recordings to the chosen targets: OTLP JSON lines or protobuf, Prometheus or OpenMetrics text, gateway request logs."""
    from magictel.cli import sandboxed
    from magictel.cli.exit_codes import Ending, Exit, after_send, exit_code
    from magictel.cli.failure import tell
    from magictel.cli.go_on import say_how_to_go_on
    from magictel.cli.interrupts import Interrupts
    from magictel.cli.on_error import skips
    from magictel.cli.reports import reported, reporting
    from magictel.clock import SystemClock
    from magictel.events import ReplayFinished
    from magictel.operations.replay import replay
    from magictel.operations.replay_reading import ReplayOptions
    from magictel.sources.filtering import Filter
    from magictel.sources.recording import Recordings
    from magictel.sources.trouble import SourceError

    _fit_together(
        verify=verify,
        no_verify=no_verify,
        within=within,
        timing=timing,
        dry_run=dry_run,
        reported=reported(format_, report),
    )
    _keep_freed_memory()
    sandbox = sandbox or sandbox_bare
    clock = SystemClock()
    options = ReplayOptions(
        shift=_shift(shift),
        speed=_speed(speed),
        loop=loop,
        from_point=from_point,
        filter=Filter(filter_ or ()),
        deadline=deadline,
        timeout=timeout,
        force=force,
        verify=verify,
        within=within,
        timing=timing,
    )
    twice = verify or loop > 1 or options.speed is not None or options.shift == "now"
    try:
        with (
            Interrupts() as interrupts,
            reporting(format_, report, "replay", sandboxed.told if sandbox else None, quiet=quiet) as reports,
            _rarely_collected(),
            Recordings(files, skips(on_error), int(clock.now() * 1e9), twice) as recordings,
            sandboxed.targets(to, all=all_, config=config, sets=sets, sandbox=sandbox, bare=sandbox_bare) as chosen,
        ):
            if dry_run:
                return _dry([one.job() for one in chosen], recordings, options, format_.plain)
            events = replay([one.job() for one in chosen], recordings, options, clock)
            interrupts.drive(_saying_the_shift(events), reports)
            reports.finish()
            done = reports.sent
            if not isinstance(done, ReplayFinished):
                code = exit_code(Ending(interrupts.signal))
            else:
                code = after_send(done, strict=strict, signal=interrupts.signal)
                if code in (Exit.HELD, Exit.DOUBTFUL) and done.broken is not None:
                    code = Exit.FAILED
                if done.broken is not None:
                    tell(done.broken, format_.plain, document=False)
                say_how_to_go_on(done, sys.argv[1:], files, chosen, from_point)
    except SourceError as failure:
        tell(failure, format_.plain)
        return Exit.FAILED
    return interrupts.leave(code)


def _dry(jobs: Sequence[Job], recordings: Recordings, options: ReplayOptions, how: Format) -> int:
    """What would be sent, in numbers."""
    from magictel.cli import output
    from magictel.cli.dry_run import left_out
    from magictel.cli.exit_codes import Ending, exit_code
    from magictel.clock import SystemClock
    from magictel.operations.dry_replay import dry_replay
    from magictel.reporters.figures import many
    from magictel.reporters.json import dry_replay_document

    source, targets = dry_replay(jobs, recordings, options, SystemClock())
    if how is Format.JSON:
        rows = [
            {
                "target": one.target,
                "exporter": one.exporter,
                "endpoint": one.endpoint,
                "points": one.points,
                "payloads": one.payloads,
                "bytes": one.bytes,
                **left_out(one.withheld),
                "code": one.config.code if one.config else None,
                "message": one.config.message if one.config else None,
            }
            for one in targets
        ]
        output.document(dry_replay_document(source, rows))
    else:
        output.say(f"{many(source.points, 'point')} of {source.series} series; nothing is sent")
        for reason in source.reasons:
            output.say(f"skipped {reason}")
        for warning in source.warnings:
            output.say(f"doubtful: {warning}")
        for one in targets:
            if one.config is not None:
                output.say(f"{one.target}  {one.config.message}")
                continue
            parts = f"{many(one.points, 'point')} in {many(one.payloads, 'payload')} of {one.bytes} bytes before compression"
            output.say(f"{one.target}  {one.endpoint}  {parts}")
            for why in one.withheld:
                output.say(f"  {why.fate} {why.count}  {why.code}: {why.message}")
    return exit_code(Ending(unusable=any(one.config is not None for one in targets)))


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """Millions of points come and go, none of them in a cycle: looking for cycles among them takes a third of the time."""
    import gc

    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _keep_freed_memory() -> None:
    """The C library gives every freed block of more than 128 KiB back to the system until it has seen a larger one go (mallopt(3),
    M_MMAP_THRESHOLD). A slice's buffers would be mapped, zeroed and unmapped each time: a tenth of the time, and no byte less at the peak.
    """
    bytes(4 * 1024 * 1024)  # never touched: two system calls


def _saying_the_shift(events: Iterator[Event]) -> Iterator[Event]:
    """Pass events on, and what the operation is told; before the first send the shift is said."""
    from magictel.cli import output
    from magictel.events import ReplayStarted

    event = next(events, None)
    while event is not None:
        if isinstance(event, ReplayStarted):
            output.note(f"shift {event.shift:.3f}s: {_shifted(event.shift)}")
        try:
            yield event
        except KeyboardInterrupt as stop:
            throw = getattr(events, "throw", None)
            event = throw(stop) if throw is not None else None
            continue
        event = next(events, None)


def _shifted(seconds: float) -> str:
    from magictel.reporters.figures import span

    if not round(seconds, 3):
        return "timestamps are not shifted"
    return f"timestamps shifted {'forward' if seconds > 0 else 'back'} by {span(abs(seconds))}"


def _fit_together(
    *, verify: bool, no_verify: bool, within: float | None, timing: bool, dry_run: bool, reported: bool
) -> None:
    from magictel.errors import UsageError

    if verify and no_verify:
        raise UsageError("usage.run", "--verify and --no-verify: only one of them can be", "leave one of them out")
    if within is not None and not verify:
        raise UsageError("usage.run", "--within: nothing is waited for unless it is verified", "add --verify")
    if dry_run and reported:
        raise UsageError(
            "usage.report", "--dry-run has no result to report", "use --format json, or leave --report out"
        )
    if dry_run and (verify or timing):
        what = "--verify" if verify else "--timing"
        raise UsageError(
            "usage.run", f"--dry-run sends nothing, so there is nothing to {what[2:]}", f"leave {what} out"
        )


def _shift(text: str) -> float | str:
    from magictel.errors import UsageError
    from magictel.settings.units import parse_seconds

    if text in ("now", "keep"):
        return text
    sign = -1.0 if text.startswith("-") else 1.0
    try:
        seconds = parse_seconds(text.lstrip("+-"))
    except ValueError:
        raise UsageError("usage.shift", f"--shift {text}: write now, keep or a duration", "--shift now") from None
    if seconds > _FARTHEST:
        raise UsageError("usage.shift", f"--shift {text}: that is more than a hundred years", "--shift now")
    return sign * seconds


def _speed(text: str) -> float | None:
    from magictel.errors import UsageError

    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(
            "usage.speed", f"--speed {text}: write a number of times the recorded pace, or max", "--speed 10"
        )
    return speed
