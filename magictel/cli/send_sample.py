"""`magictel send-sample`: send a known sample through the runtime's own exporter and read it back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from magictel.cli import options
from magictel.cli.output import ResultFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magictel.cli.reports import Reports
    from magictel.model.events import Event, RunCleaned
    from magictel.operations.clean import Cleaned
    from magictel.operations.target_run import Job

_RUN = re.compile(r"[0-9a-f]{6,64}")
_OURS = ("magictel.run.id", "magictel.sample.point")


def command(
    targets: options.TargetsArgument = None,
    all_: options.AllOption = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not read back.")] = False,
    thorough: Annotated[bool, typer.Option("--thorough", help="Include extreme values and long attributes.")] = False,
    dry_run: options.DryRunOption = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Delete exactly what was written, after showing the count.")
    ] = False,
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="With --clean: id of an earlier run; sends nothing.")
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", metavar="KEY=VALUE", help="Add an attribute to every point.")
    ] = None,
    verify_with: options.VerifyWithOption = None,
    within: options.WithinOption = None,
    deadline: Annotated[
        float,
        typer.Option(
            "--deadline",
            parser=options.some_seconds,
            metavar="30s",
            help="Time limit of the checks before and of sending, including retries.",
        ),
    ] = "30s",  # type: ignore[assignment] # typer parses the default as well
    timeout: options.TimeoutOption = "10s",  # type: ignore[assignment]
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Write even if the clocks differ too much, or if it creates an index without a template."
        ),
    ] = False,
    timing: options.TimingOption = False,
    strict: options.StrictOption = False,
    jobs: options.JobsOption = 8,
    sandbox: options.SandboxOption = False,
    sandbox_bare: options.SandboxBareOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
    format_: options.ResultFormatOption = ResultFormat.TEXT,
    report: options.ReportOption = None,
    sets: options.SetOption = None,
    config: options.ConfigOption = None,
) -> int:
    """Send a sample of every metric type to the chosen targets, or to all enabled ones, read it back and compare it."""
    from magictel.cli import sandbox_targets
    from magictel.cli.exit_codes import after_clean, after_send
    from magictel.cli.interrupts import Interrupts
    from magictel.cli.reports import Reports, reported
    from magictel.cli.verify_with import jobs_of, own_sets
    from magictel.errors import UsageError
    from magictel.operations.send_sample import SendOptions, send

    _fits_together(dry_run=dry_run, clean=clean, run=run, report=reported(format_, report), timing=timing)
    if verify_with is not None and (dry_run or (no_verify and not clean)):
        option = "--dry-run" if dry_run else "--no-verify"
        raise UsageError("usage.run", f"--verify-with has no effect with {option}", "remove one of them")
    attributes = _attributes(attribute or ())
    sandbox = sandbox or sandbox_bare
    if dry_run:
        from magictel.cli.dry_run import show_sample

        with sandbox_targets.targets(targets, all=all_, config=config, sets=sets, sandbox=sandbox, bare=True) as chosen:
            return show_sample(
                [target.job() for target in chosen], format_.plain, thorough=thorough, attributes=attributes
            )
    send_options = SendOptions(
        verify=not no_verify,
        thorough=thorough,
        attributes=attributes,
        within=within,
        deadline=deadline,
        timeout=timeout,
        force=force,
        jobs=jobs,
        timing=timing,
    )
    with (
        Interrupts() as interrupts,
        Reports(format_, report, "send-sample", sandbox_targets.rewrite if sandbox else None, quiet=quiet) as reports,
        sandbox_targets.targets(
            targets, all=all_, config=config, sets=own_sets(sets, verify_with), sandbox=sandbox, bare=sandbox_bare
        ) as chosen,
    ):
        if no_verify and not clean:
            chosen_jobs = [target.job() for target in chosen]
        else:
            chosen_jobs = jobs_of(chosen, verify_with, config=config, sets=sets, sandbox=sandbox)
        if run is None:
            interrupts.drive(send(chosen_jobs, send_options), reports)
        if clean and interrupts.signal is None:
            interrupts.drive(_cleaning(chosen_jobs, reports, run), reports)
        reports.finish()
        if reports.sent is not None:
            code = after_send(reports.sent, reports.cleaned, strict=strict, signal=interrupts.signal)
        else:
            code = after_clean(reports.cleaned, signal=interrupts.signal)
    return interrupts.leave(code)


def _cleaning(jobs: Sequence[Job], reports: Reports, run: str | None) -> Iterator[Event]:
    """Delete the run's items, target by target, and report the count first."""
    from magictel.model.events import INTERRUPTED, RunCleaned, RunCounted
    from magictel.operations.clean import clean

    sent = {result.target: result.receipt for result in reports.sent.results} if reports.sent else {}
    run_id = run or (reports.sent.run_id if reports.sent else "")
    for job in jobs:
        receipt = sent.get(job.target)
        if run is None and (receipt is None or not receipt.attempts):
            continue  # nothing was written there

        def say(target: str, count: int) -> None:
            reports.on(RunCounted(target, run_id, count))

        try:
            done = clean(job, run_id, say=say, expected=receipt.delivered if receipt else None)
        except KeyboardInterrupt:
            message = "interrupted; delete the rest with --clean --run"
            yield RunCleaned(job.target, job.exporter, run_id, None, 0, INTERRUPTED, message)
            return
        yield _event(done)


def _event(done: Cleaned) -> RunCleaned:
    from magictel.model.events import RunCleaned

    code, message, remedy = None, None, None
    if done.config is not None:
        code, message, remedy = done.config.code, done.config.message, done.config.remedy
    elif done.trouble is not None:
        code, message, remedy = done.trouble.code, done.trouble.message, done.trouble.remedy
    elif not done.complete:
        code, message = "verify.clean-partial", "the backend deleted fewer items than it showed"
        remedy = f"magictel send-sample {done.target} --clean --run {done.run_id}"
    unusable = done.config is not None
    return RunCleaned(
        done.target, done.exporter, done.run_id, done.found, done.deleted, code, message, remedy, unusable
    )


def _fits_together(*, dry_run: bool, clean: bool, run: str | None, report: bool, timing: bool) -> None:
    from magictel.errors import UsageError

    if run is not None and not clean:
        raise UsageError("usage.run", "--run names an earlier run, so it needs --clean", "add --clean")
    if run is not None and not _RUN.fullmatch(run):
        raise UsageError("usage.run", f"--run {run}: not a run id", "the first line of send-sample's output shows it")
    if dry_run and clean:
        raise UsageError("usage.run", "--dry-run sends nothing, so there is nothing to --clean", "remove one of them")
    if timing and (dry_run or run is not None):
        raise UsageError("usage.run", "--timing: nothing is sent, so there is nothing to time", "remove --timing")
    if dry_run and report:
        raise UsageError("usage.report", "--dry-run has no result to report", "use --format json, or remove --report")


def _attributes(written: Sequence[str]) -> dict[str, str]:
    from magictel.errors import UsageError

    attributes = {}
    for text in written:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError("usage.attribute", f"--attribute {text}: use KEY=VALUE", "--attribute env=test")
        if key.strip() in _OURS:
            raise UsageError(
                "usage.attribute",
                f"--attribute {key.strip()}: the sample uses this key to find its points",
                "choose another name",
            )
        attributes[key.strip()] = value
    return attributes
