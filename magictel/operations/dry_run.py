"""`send-sample --dry-run`: the very bytes the transport would get, decompressed, and where they would go. Nothing touches the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
    """One request that would be sent: headers with secrets masked, the body before compression, redacted.

    `travels` is how many bytes the body has on the wire. Where no HTTP is spoken, `method` is empty and `url` the place.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    travels: int


@dataclass(frozen=True, slots=True)
class DryRun:
    """What one target would be sent; `config` is the failed config rung, where its settings are unusable."""

    target: str
    exporter: str
    endpoint: str
    requests: tuple[Planned, ...] = ()
    withheld: tuple[Reason, ...] = ()
    config: Finding | None = None


def dry_run(job: Job, run: Sample) -> DryRun:
    """Encode the sample through the target's own exporter, and send nothing."""
    return job.shown(_dry_run(job, run))


def _dry_run(job: Job, run: Sample) -> DryRun:
    exporter, config = job.config()
    if exporter is None:
        return DryRun(job.target, job.exporter, "", config=config)
    try:
        withheld: list[Reason] = []
        requests = tuple(_planned(exporter, run, withheld))
        return DryRun(job.target, job.exporter, exporter.endpoint(), requests, merge_reasons(withheld))
    finally:
        exporter.shutdown(0)


def _planned(exporter: Exporter[Any], run: Sample, withheld: list[Reason]) -> list[Planned]:
    if isinstance(exporter, HttpExporter):
        return [_masked(exporter, request, body) for request, body in exporter.requests(run.data, withheld)]
    return [
        Planned("", exporter.endpoint(), {}, _redacted(exporter, framed), len(framed))
        for framed in map(exporter.frame, exporter.payloads(run.data, withheld))
    ]


def _masked(exporter: HttpExporter[Any], request: Request, body: bytes) -> Planned:
    secret = _CREDENTIALS | {name.lower() for name in exporter.settings.headers}
    headers = {name: _shape(value) if name.lower() in secret else value for name, value in request.headers.items()}
    return Planned(request.method, request.url, headers, _redacted(exporter, body), len(request.body))


def _shape(value: str) -> str:
    """`ApiKey ***`: the scheme tells which credentials are in use, and is no secret."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and scheme.isalpha() else MASK


def _redacted(exporter: Exporter[Any], body: bytes) -> bytes:
    try:
        return exporter.redact(body.decode()).encode()
    except UnicodeDecodeError:
        return body
