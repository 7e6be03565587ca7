"""`magictel replay --dry-run`: show the numbers of what would be sent."""

from __future__ import annotations

from collections.abc import Sequence

from magictel.cli import output
from magictel.cli.dry_run import left_out
from magictel.cli.exit_codes import Ending, exit_code
from magictel.cli.output import Format
from magictel.clock import SystemClock
from magictel.operations.dry_replay import dry_replay
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.target_run import Job
from magictel.reporters.documents import dry_replay_document
from magictel.reporters.humanize import many
from magictel.sources.recording import Recordings


def show(jobs: Sequence[Job], recordings: Recordings, options: ReplayOptions, how: Format) -> int:
    """Show the numbers of what would be sent; return the exit code."""
    source, targets = dry_replay(jobs, recordings, options, SystemClock())
    if how is Format.JSON:
        rows = [
            {
                "target": target.target,
                "exporter": target.exporter,
                "endpoint": target.endpoint,
                "points": target.points,
                "payloads": target.payloads,
                "bytes": target.bytes,
                **left_out(target.withheld),
                "code": target.config.code if target.config else None,
                "message": target.config.message if target.config else None,
            }
            for target in targets
        ]
        output.document(dry_replay_document(source, rows))
    else:
        output.say(f"{many(source.points, 'point')} of {source.series} series; nothing is sent")
        for skipped in source.reasons:
            output.say(f"skipped {skipped}")
        for warning in source.warnings:
            output.say(f"doubtful: {warning}")
        for target in targets:
            if target.config is not None:
                output.say(f"{target.target}  {target.config.message}")
                continue
            parts = f"{many(target.points, 'point')} in {many(target.payloads, 'payload')} of {target.bytes} bytes before compression"
            output.say(f"{target.target}  {target.endpoint}  {parts}")
            for reason in target.withheld:
                output.say(f"  {reason.fate} {reason.count}  {reason.code}: {reason.message}")
    return exit_code(Ending(unusable=any(target.config is not None for target in targets)))
