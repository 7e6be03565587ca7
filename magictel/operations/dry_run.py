"""`--dry-run`: what a target would get, without a network: the exact bytes of a sample, or the numbers of a replay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magictel.clock import Clock
from magictel.encoding.withheld import Withheld
from magictel.http.wire import Request
from magictel.model.events import SourceReport
from magictel.model.finding import Finding
from magictel.model.outcome import Reason, merge_reasons
from magictel.operations.replay_reading import Reading, ReplayOptions
from magictel.operations.target_run import Job
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.page_exporter import PageExporter
from magictel.plugin.temporality import counters_are_delta
from magictel.secrets.secret import MASK
from magictel.sources.recording import Recordings
from magictel.sources.sample import Sample

_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "dd-api-key"})


@dataclass(frozen=True, slots=True)
class Planned:
    """A request that would be sent: headers with secrets masked, the body before compression, redacted.

    `travels` is the size of the body on the wire. Without HTTP, `method` is empty and `url` is the destination.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    travels: int


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a target would receive; `config` is the failed config rung if its settings are unusable."""

    target: str
    exporter: str
    endpoint: str
    requests: tuple[Planned, ...] = ()
    withheld: tuple[Reason, ...] = ()
    config: Finding | None = None


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


def dry_run(job: Job, run: Sample) -> DryRun:
    """Encode the sample with the target's own exporter, and send nothing."""

    def work(exporter: AnyExporter) -> DryRun:
        parts = list(_planned(exporter, run.preferred(delta=counters_are_delta(exporter))))
        requests = tuple(part for part in parts if isinstance(part, Planned))
        withheld = merge_reasons([part.reason for part in parts if isinstance(part, Withheld)])
        return DryRun(job.target, job.exporter, exporter.endpoint(), requests, withheld)

    return job.use(lambda config: DryRun(job.target, job.exporter, "", config=config), work)


def _planned(exporter: AnyExporter, run: Sample) -> Iterator[Planned | Withheld]:
    if isinstance(exporter, PageExporter):
        yield from _page(exporter, run)
        return
    for part in exporter.payloads(run.data):
        if isinstance(part, Withheld):
            yield part
        elif isinstance(exporter, HttpExporter):
            yield _masked(exporter, *exporter.as_request(part))
        else:
            framed = exporter.encoder.frame(part)
            yield Planned("", exporter.endpoint(), {}, _redacted(exporter, framed), len(framed))


def _page(exporter: PageExporter[Any], run: Sample) -> Iterator[Planned | Withheld]:
    """Yield what a scraper that names no format would read."""
    prepared = exporter.prepare(run.data)
    content_type, parts = exporter.page(prepared.groups, None)
    chunks: list[bytes] = []
    for part in (*prepared.withheld, *parts):
        if isinstance(part, Withheld):
            yield part
        else:
            chunks.append(part)
    body = b"".join(chunks)
    yield Planned("GET", exporter.endpoint(), {"Content-Type": content_type}, _redacted(exporter, body), len(body))


def _masked(exporter: HttpExporter[Any], request: Request, body: bytes) -> Planned:
    secret = _CREDENTIALS | {name.lower() for name in exporter.settings.headers}
    headers = {name: _shape(value) if name.lower() in secret else value for name, value in request.headers.items()}
    return Planned(request.method, request.url, headers, _redacted(exporter, body), len(request.body))


def _shape(value: str) -> str:
    """Return `ApiKey ***`: the scheme shows the type of credentials and is not secret."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and scheme.isalpha() else MASK


def _redacted(exporter: AnyExporter, body: bytes) -> bytes:
    try:
        return exporter.redact(body.decode()).encode()
    except UnicodeDecodeError:
        return body


def dry_replay(
    jobs: Sequence[Job], recordings: Recordings, options: ReplayOptions, clock: Clock
) -> tuple[SourceReport, list[DryTarget]]:
    """Read and encode the recordings for each target. Raise `SourceError` and `UsageError`."""
    reading = Reading(recordings, options, clock)
    configured = [(job, *job.sender()) for job in jobs]
    for _, exporter, _ in configured:
        if exporter is not None:
            exporter.begin_recording()
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
                    target.bytes += len(exporter.encoder.frame(part))
                target.withheld = merge_reasons([*target.withheld, *withheld])
    finally:
        for _, exporter, _ in configured:
            if exporter is not None:
                exporter.shutdown(0)
    return reading.report(), targets
