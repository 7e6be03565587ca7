"""`replay --dry-run`: read and encode everything for each target, and send nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from magictel.clock import Clock
from magictel.encoding.withheld import Withheld
from magictel.model.events import SourceReport
from magictel.model.finding import Finding
from magictel.model.outcome import Reason, merge_reasons
from magictel.operations.replay_reading import Reading, ReplayOptions
from magictel.operations.target_run import Job
from magictel.sources.recording import Recordings


@dataclass(slots=True)
class DryTarget:
    """What a target would receive: points, payloads, and bytes before compression. `config`: why it cannot be used."""

    target: str
    exporter: str
    endpoint: str = ""
    points: int = 0
    payloads: int = 0
    bytes: int = 0
    withheld: tuple[Reason, ...] = field(default_factory=tuple)
    config: Finding | None = None


def dry_replay(
    jobs: Sequence[Job], recordings: Recordings, options: ReplayOptions, clock: Clock
) -> tuple[SourceReport, list[DryTarget]]:
    """Read and encode the recordings for each target. Raise `SourceError` and `UsageError`."""
    reading = Reading(recordings, options, clock)
    configured = [(job, *job.config()) for job in jobs]
    targets = [
        DryTarget(
            job.target, job.exporter, exporter.endpoint() if exporter else "", config=None if exporter else config
        )
        for job, exporter, config in configured
    ]
    try:
        for piece in reading.slices():
            for (_, exporter, _), target in zip(configured, targets, strict=True):
                if exporter is None:
                    continue
                withheld: list[Reason] = []
                for part in exporter.payloads(piece.data):
                    if isinstance(part, Withheld):
                        withheld.append(part.reason)
                        continue
                    target.payloads += 1
                    target.points += part.points
                    target.bytes += len(exporter.frame(part))
                target.withheld = merge_reasons([*target.withheld, *withheld])
    finally:
        for _, exporter, _ in configured:
            if exporter is not None:
                exporter.shutdown(0)
    return reading.report(), targets
