"""The spools of targets: what is in them; send it now, remove it, or write it to a file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from magictel.delivery.spool import spool_path
from magictel.delivery.spool_contents import EMPTY, Contents, contents, remove, stored
from magictel.errors import MagictelError, UsageError
from magictel.model.finding import Finding
from magictel.model.outcome import Receipt
from magictel.operations.target_run import Job
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.exporter import Exporter


@dataclass(frozen=True, slots=True)
class SpoolReport:
    """The spool of a target. `path` is None if it has none; `trouble` is why the file cannot be read.

    `receipt` is what became of points that were sent; `removed` the number of points removed. `config`: the failed config rung.
    """

    target: str
    exporter: str
    path: Path | None = None
    contents: Contents = EMPTY
    receipt: Receipt | None = None
    removed: int = 0
    trouble: MagictelError | None = None
    config: Finding | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """A stored payload: its items as redacted text, or None if they are no text."""

    number: int
    points: int
    bytes: int
    items: tuple[str, ...] | None


def report(job: Job) -> SpoolReport:
    """Return what is in the spool of a target."""
    return _with_spool(job, lambda exporter, result: result)


def retry(job: Job, seconds: float) -> SpoolReport:
    """Send what ended processes left in the spool, for at most some seconds."""

    def send(exporter: Exporter[Any], result: SpoolReport) -> SpoolReport:
        exporter.force_flush(seconds * 1000)
        receipt = exporter.ledger
        exporter.shutdown(0)
        assert result.path is not None
        return replace(result, receipt=receipt, contents=contents(result.path, exporter.fingerprint()))

    return _with_spool(job, send)


def purge(job: Job, numbers: Collection[int]) -> SpoolReport:
    """Remove payloads from the spool: all, or those with these numbers. They count as dropped."""

    def empty(exporter: Exporter[Any], result: SpoolReport) -> SpoolReport:
        if result.path is None or not result.path.exists():
            return result
        _check(result, numbers)
        removed = remove(result.path, numbers)
        return replace(result, removed=removed, contents=contents(result.path, exporter.fingerprint()))

    return _with_spool(job, empty)


def previews(job: Job, numbers: Collection[int]) -> tuple[SpoolReport, tuple[Preview, ...]]:
    """Return the spool of a target, and these payloads as text."""
    seen: list[Preview] = []

    def look(exporter: Exporter[Any], result: SpoolReport) -> SpoolReport:
        _check(result, numbers)
        if numbers and result.path is not None:
            for number, payload in stored(result.path, numbers):
                cut = payload.payload.cut(exporter.encoder.split)
                seen.append(Preview(number, cut.points, len(cut.body), _text(cut.items(), exporter.redact)))
        return result

    return _with_spool(job, look), tuple(seen)


def exported(job: Job, write: Callable[[dict[str, Any]], None]) -> SpoolReport:
    """Pass each stored payload to `write`, as JSON values: what describes it, and its body in Base64."""

    def each(exporter: Exporter[Any], result: SpoolReport) -> SpoolReport:
        for document in _documents(result):
            write(document)
        return result

    return _with_spool(job, each)


def _documents(result: SpoolReport) -> Iterator[dict[str, Any]]:
    if result.path is not None and result.path.exists():
        for number, payload in stored(result.path):
            yield {"number": number, **payload.document(), "body": b64encode(payload.payload.body).decode()}


def _with_spool(job: Job, work: Callable[[Exporter[Any], SpoolReport], SpoolReport]) -> SpoolReport:
    spool = partial(SpoolReport, job.target, job.exporter)

    def use(exporter: AnyExporter) -> SpoolReport:
        if not isinstance(exporter, Exporter) or exporter.settings.spool is None:
            return spool()
        path = spool_path(exporter.settings.spool, exporter.target)
        try:
            return work(exporter, spool(path, contents(path, exporter.fingerprint())))
        except UsageError:
            raise
        except MagictelError as trouble:
            return spool(path, trouble=trouble)
        except ValueError as trouble:
            return spool(path, trouble=MagictelError("delivery.spool-corrupt", f"{path}: {trouble}"))

    return job.use(lambda config: spool(config=config), use)


def _check(result: SpoolReport, numbers: Collection[int]) -> None:
    """Raise `UsageError` for a number that the spool does not have."""
    unknown = set(numbers).difference(row.number for row in result.contents.rows)
    if unknown:
        message = f"the spool of {result.target} has no payload {min(unknown)}"
        raise UsageError("usage.command-line", message, f"magictel spool show {result.target} lists them")


def _text(items: list[bytes], redact: Callable[[str], str]) -> tuple[str, ...] | None:
    try:
        return tuple(redact(item.decode()) for item in items)
    except UnicodeDecodeError:
        return None
