"""`magictel check`: climb the ladder of the chosen targets in parallel."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from magictel.cli import options
from magictel.cli.output import ResultFormat
from magictel.model.finding import Rung, SideEffect


def command(
    targets: options.TargetsArgument = None,
    all_: options.AllOption = False,
    until: Annotated[
        Rung | None, typer.Option("--until", help="Stop after this rung.", show_choices=True, metavar="RUNG")
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="CODE", help="Ignore this code, or skip this rung."),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", parser=options.seconds, metavar="60s", help="Retry until the check passes, for at most this long."
        ),
    ] = "0s",  # type: ignore[assignment] # typer parses the default as well
    timeout: Annotated[
        float, typer.Option("--timeout", parser=options.some_seconds, metavar="10s", help="Timeout of each rung.")
    ] = "10s",  # type: ignore[assignment]
    strict: options.StrictOption = False,
    allow: Annotated[
        list[SideEffect] | None,
        typer.Option("--allow", metavar="empty-write", help="Allow probes that write."),
    ] = None,
    round_trip: Annotated[bool, typer.Option("--round-trip", help="Send a sample and read it back, too.")] = False,
    probe_other_sites: Annotated[
        bool,
        typer.Option(
            "--probe-other-sites",
            help="Datadog: if the site rejects the API key, send the key to the other sites, too.",
        ),
    ] = False,
    jobs: options.JobsOption = 8,
    force: Annotated[
        bool, typer.Option("--force", help="With --round-trip: write even if that creates an index without a template.")
    ] = False,
    sandbox: options.SandboxOption = False,
    sandbox_bare: options.SandboxBareOption = False,
    quiet: options.QuietOption = False,
    debug: options.DebugOption = False,
    format_: options.ResultFormatOption = ResultFormat.TEXT,
    report: options.ReportOption = None,
    sets: options.SetOption = None,
    config: options.ConfigOption = None,
) -> int:
    """Check the chosen targets, or all enabled ones, step by step: where do metrics get lost?

    config, dns, tcp, tls, http, auth, clock, health, write, round-trip. Writes nothing without --round-trip or --allow.
    """
    from magictel.cli import sandbox_targets
    from magictel.cli.exit_codes import after_check
    from magictel.cli.interrupts import Interrupts
    from magictel.cli.reports import Reports
    from magictel.errors import UsageError
    from magictel.operations.check import CheckOptions, check

    sandbox = sandbox or sandbox_bare
    if sandbox and probe_other_sites:
        message = "--probe-other-sites sends the key to real sites, but --sandbox uses none"
        raise UsageError("usage.command-line", message, "remove one of the two options")
    sending = None
    if force:  # only then: the import loads the sample and the read-back
        from magictel.operations.send_sample import SendOptions

        sending = SendOptions(force=True)
    check_options = CheckOptions(
        until=until,
        skip=tuple(skip or ()),
        wait=wait,
        timeout=timeout,
        allow=tuple(allow or ()),
        round_trip=round_trip,
        probe_other_sites=probe_other_sites,
        jobs=jobs,
        send=sending,
    )
    if check_options.skip:
        _check_skips(check_options.skip)
    with (
        Interrupts() as interrupts,
        Reports(format_, report, "check", sandbox_targets.rewrite if sandbox else None, quiet=quiet) as reports,
        sandbox_targets.targets(
            targets, all=all_, config=config, sets=sets, sandbox=sandbox, bare=sandbox_bare
        ) as chosen,
    ):
        if round_trip:
            from magictel.cli.verify_with import jobs_of

            job_list = jobs_of(chosen, config=config, sets=sets, sandbox=sandbox)
        else:
            job_list = [target.job(prepare=False) for target in chosen]
        interrupts.drive(check(job_list, check_options), reports)
        reports.finish()
        assert reports.checked is not None
        code = after_check(reports.checked, strict=strict, signal=interrupts.signal)
    return interrupts.leave(code)


def _check_skips(skips: Collection[str]) -> None:
    """Raise `UsageError` for an unknown code: a mistyped code would silently skip nothing."""
    from magictel.catalogue import pages as catalogue
    from magictel.errors import UsageError

    rungs = [rung.value for rung in Rung]
    for skip in skips:
        if skip not in rungs and catalogue.explain(skip) is None:
            near = catalogue.near(skip)
            hint = f"Did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(
                "usage.skip",
                f"--skip {skip}: no code or rung has this name",
                f"{hint}magictel explain --list shows every code; rungs are {', '.join(rungs)}",
            )
