"""`magictel replay`: send recordings through the runtime's own exporters, with a ledger."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli import options
from magictel.cli.output import ResultFormat

if TYPE_CHECKING:
    from magictel.model.events import Event


def command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Recordings; - is standard input, @node and @gateway are built in."),
    ],
    to: options.ToOption = None,
    all_: options.AllOption = False,
    shift: Annotated[
        str,
        typer.Option(
            "--shift",
            metavar="now|keep|90s",
            help="Shift of every timestamp; now: the newest point gets the current time.",
        ),
    ] = "now",
    speed: Annotated[
        str,
        typer.Option("--speed", metavar="1|10|max", help="Factor of the recorded speed; max: no limit."),
    ] = "max",
    loop: Annotated[
        int, typer.Option("--loop", metavar="N", min=1, help="Send the recordings N times, one after another.")
    ] = 1,
    filter_: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="KEY=PATTERN", help="Send only matching points: 'name=http_*', 'zone=eu-*'."),
    ] = None,
    from_point: Annotated[
        int,
        typer.Option("--from-point", metavar="N", min=0, help="Skip the first N points, which were sent before."),
    ] = 0,
    on_error: Annotated[
        str, typer.Option("--on-error", metavar="stop|skip", help="What to do with a line that cannot be parsed.")
    ] = "stop",
    dry_run: options.DryRunOption = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read every point back and compare it.")] = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not read back (the default).")] = False,
    verify_with: options.VerifyWithOption = None,
    within: options.WithinOption = None,
    deadline: Annotated[
        float,
        typer.Option(
            "--deadline",
            parser=options.some_seconds,
            metavar="30s",
            help="Time limit of each payload including retries, and of all checks before.",
        ),
    ] = "30s",  # type: ignore[assignment] # typer parses the default as well
    timeout: options.TimeoutOption = "10s",  # type: ignore[assignment]
    force: Annotated[
        bool, typer.Option("--force", help="Write even if the clocks differ too much; this can block a backend.")
    ] = False,
    timing: options.TimingOption = False,
    strict: options.StrictOption = False,
    sandbox: options.SandboxOption = False,
    sandbox_bare: options.SandboxBareOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
    format_: options.ResultFormatOption = ResultFormat.TEXT,
    report: options.ReportOption = None,
    sets: options.SetOption = None,
    config: options.ConfigOption = None,
) -> int:
    """Send recordings to the chosen targets: OTLP JSON lines or protobuf, Prometheus or OpenMetrics text, gateway request logs."""
    from magictel.cli import sandbox_targets
    from magictel.cli.errors import tell
    from magictel.cli.exit_codes import Ending, Exit, after_send, exit_code
    from magictel.cli.interrupts import Interrupts
    from magictel.cli.replay_options import check_combination, parse_shift, parse_speed, skips
    from magictel.cli.reports import Reports, reported
    from magictel.cli.resume import say_how_to_go_on
    from magictel.cli.targets import that_send
    from magictel.cli.verify_with import jobs_of, own_sets
    from magictel.clock import SystemClock
    from magictel.gateway.custom import custom_metrics
    from magictel.model.events import ReplayFinished
    from magictel.operations.replay import replay
    from magictel.operations.replay_reading import ReplayOptions
    from magictel.sources.errors import SourceError
    from magictel.sources.filtering import Filter
    from magictel.sources.recording import Recordings

    check_combination(
        verify=verify,
        no_verify=no_verify,
        within=within,
        verify_with=verify_with,
        timing=timing,
        dry_run=dry_run,
        reported=reported(format_, report),
    )
    keep_freed_memory()
    sandbox = sandbox or sandbox_bare
    clock = SystemClock()
    replay_options = ReplayOptions(
        shift=parse_shift(shift),
        speed=parse_speed(speed),
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
    custom = cache(partial(custom_metrics, config))
    twice = verify or loop > 1 or from_point > 0 or replay_options.speed is not None or replay_options.shift == "now"
    try:
        with (
            Interrupts() as interrupts,
            Reports(format_, report, "replay", sandbox_targets.rewrite if sandbox else None, quiet=quiet) as reports,
            rarely_collected(),
            Recordings(files, skips(on_error), int(clock.now() * 1e9), twice, custom=custom) as recordings,
            sandbox_targets.targets(
                to, all=all_, config=config, sets=own_sets(sets, verify_with), sandbox=sandbox, bare=sandbox_bare
            ) as every,
        ):
            chosen = that_send(every, to, quiet=quiet)
            if dry_run:
                from magictel.cli.dry_run import show_replay

                return show_replay([target.job() for target in chosen], recordings, replay_options, format_.plain)
            if verify:
                jobs = jobs_of(chosen, verify_with, config=config, sets=sets, sandbox=sandbox)
            else:
                jobs = [target.job() for target in chosen]
            events = replay(jobs, recordings, replay_options, clock)
            interrupts.drive(_saying_the_shift(events, quiet), reports)
            reports.finish()
            done = reports.sent
            if not isinstance(done, ReplayFinished):
                code = exit_code(Ending(interrupts.signal))
            else:
                code = after_send(done, strict=strict, signal=interrupts.signal)
                if code in (Exit.OK, Exit.DOUBTFUL) and done.broken is not None:
                    code = Exit.FAILED
                if done.broken is not None:
                    tell(done.broken, format_.plain, document=False)
                say_how_to_go_on(done, sys.argv[1:], files, chosen, from_point)
    except SourceError as failure:
        tell(failure, format_.plain)
        return Exit.FAILED
    return interrupts.leave(code)


def _saying_the_shift(events: Iterator[Event], quiet: bool) -> Iterator[Event]:
    """Pass events and exceptions on; before the first send, print the shift unless `quiet`."""
    from magictel.cli import output
    from magictel.model.events import ReplayStarted

    event = next(events, None)
    while event is not None:
        if isinstance(event, ReplayStarted) and not quiet:
            output.note(f"shift {event.shift:.3f}s: {_shifted(event.shift)}")
        try:
            yield event
        except KeyboardInterrupt as stop:
            throw = getattr(events, "throw", None)
            event = throw(stop) if throw is not None else None
            continue
        event = next(events, None)


def _shifted(seconds: float) -> str:
    from magictel.reporters.humanize import span

    if not round(seconds, 3):
        return "timestamps are not shifted"
    return f"timestamps shifted {'forward' if seconds > 0 else 'back'} by {span(abs(seconds))}"


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Disable the cycle collector: points form no cycles, and searching them for cycles takes a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def keep_freed_memory() -> None:
    """Raise the C library's mmap threshold (mallopt(3), M_MMAP_THRESHOLD) by freeing a large block once.

    Otherwise a slice's buffers are mapped, zeroed and unmapped each time: a tenth of the time, without a lower peak.
    """
    bytes(4 * 1024 * 1024)  # never touched: two system calls
