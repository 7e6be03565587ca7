"""`send-sample --dry-run`: the exact bytes that the transport would get, decompressed, and their destination. Uses no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magictel.encoding.withheld import Withheld
from magictel.http.wire import Request
from magictel.model.finding import Finding
from magictel.model.outcome import Reason, merge_reasons
from magictel.operations.target_run import Job
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_exporter import HttpExporter
from magictel.secrets.secret import MASK
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


def dry_run(job: Job, run: Sample) -> DryRun:
    """Encode the sample with the target's own exporter, and send nothing."""
    return job.shown(_dry_run(job, run))


def _dry_run(job: Job, run: Sample) -> DryRun:
    exporter, config = job.config()
    if exporter is None:
        return DryRun(job.target, job.exporter, "", config=config)
    try:
        planned: list[Planned] = []
        withheld: list[Reason] = []
        for part in _planned(exporter, run):
            if isinstance(part, Planned):
                planned.append(part)
            else:
                withheld.append(part.reason)
        return DryRun(job.target, job.exporter, exporter.endpoint(), tuple(planned), merge_reasons(withheld))
    finally:
        exporter.shutdown(0)


def _planned(exporter: Exporter[Any], run: Sample) -> Iterator[Planned | Withheld]:
    for part in exporter.payloads(run.data):
        if isinstance(part, Withheld):
            yield part
        elif isinstance(exporter, HttpExporter):
            yield _masked(exporter, *exporter.as_request(part))
        else:
            framed = exporter.frame(part)
            yield Planned("", exporter.endpoint(), {}, _redacted(exporter, framed), len(framed))


def _masked(exporter: HttpExporter[Any], request: Request, body: bytes) -> Planned:
    secret = _CREDENTIALS | {name.lower() for name in exporter.settings.headers}
    headers = {name: _shape(value) if name.lower() in secret else value for name, value in request.headers.items()}
    return Planned(request.method, request.url, headers, _redacted(exporter, body), len(request.body))


def _shape(value: str) -> str:
    """Return `ApiKey ***`: the scheme shows the type of credentials and is not secret."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and scheme.isalpha() else MASK


def _redacted(exporter: Exporter[Any], body: bytes) -> bytes:
    try:
        return exporter.redact(body.decode()).encode()
    except UnicodeDecodeError:
        return body
