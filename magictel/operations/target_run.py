"""Jobs: chosen targets whose exporter can be created, or with the reason why not."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from msgspec.structs import replace

from magictel.errors import MagictelError
from magictel.model.events import Event, Ticked
from magictel.model.finding import Finding, Rung
from magictel.operations.remedies import Blanks
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.exporter import Exporter
from magictel.plugin.page_exporter import PageExporter
from magictel.secrets.redactor import Redactor

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
UNVERIFIABLE = "config.verify-with"
_SCRAPED = "a page shows the latest value of each series to its scraper: nothing can be sent to it"
_SENDS = "name an exporter that sends, such as otlp or remote write to the same backend"
_TICK = 1.0
"""Seconds without an event after which `Ticked` is yielded, for progress on a terminal."""


@dataclass(frozen=True, slots=True)
class Job:
    """A target's name, its exporter's name, and `build`, which creates the exporter or raises `MagictelError` for unusable settings.

    `summary` is the message of a passed config rung; `warnings` turn it into a warning, and `remedy` resolves one. `verify_with`: the
    target whose read-back shows what this one sends. `others`: names of targets that could be that, for a remedy.
    """

    target: str
    exporter: str
    build: Callable[[], AnyExporter] = field(repr=False)
    summary: str = "settings are usable"
    warnings: tuple[str, ...] = ()
    remedy: str | None = None
    verify_with: Job | None = None
    others: Callable[[], Sequence[str]] = field(default=tuple, repr=False)
    _redactors: list[Redactor] = field(default_factory=list, init=False, repr=False, compare=False)

    def config(self) -> tuple[AnyExporter | None, Finding]:
        """Create the exporter and the finding of the config rung."""
        try:
            exporter = self.build()
        except MagictelError as failure:
            evidence = {"origin": failure.origin} if failure.origin else {}
            return None, Finding.failed(Rung.CONFIG, failure.code, failure.message, failure.remedy, **evidence)
        self._redactors.append(exporter.redact)
        if self.verify_with is not None:
            reader, unusable = self.verify_with.reader()
            if reader is None:
                exporter.shutdown(0)
                return None, unusable
            exporter.readback = exporter.read_through(reader.readback)
        stored = _spool_finding(exporter)
        if stored is not None:
            return exporter, replace(stored, message="; ".join((stored.message, *self.warnings)))
        if self.warnings:
            remedy = self.remedy or f"see where each value comes from: magictel config show {self.target} --origin"
            return exporter, Finding.warned(Rung.CONFIG, "config.warning", "; ".join(self.warnings), remedy)
        return exporter, Finding.passed(Rung.CONFIG, self.summary)

    def sender(self) -> tuple[Exporter[Any] | None, Finding]:
        """Create the exporter as `config` does; a page, to which nothing can be sent, fails."""
        exporter, config = self.config()
        if not isinstance(exporter, PageExporter):
            return exporter, config
        shut_down(exporter)
        return None, Finding.failed(Rung.CONFIG, "page.no-replay", _SCRAPED, _SENDS)

    def reader(self) -> tuple[AnyExporter | None, Finding]:
        """Create the exporter that reads back for another target, or return why it cannot."""
        exporter, config = self.config()
        why = exporter.readback.cannot_query() if exporter is not None else None
        if exporter is None:
            return None, replace(config, message=f"verify_with: {self.target}: {config.message}")
        if why is None:
            return exporter, config
        exporter.shutdown(0)
        message = f"verify_with: {self.target} cannot be read back: {why.message}"
        return None, Finding.failed(Rung.CONFIG, UNVERIFIABLE, message, "name a target whose backend can be queried")

    def use(self, unusable: Callable[[Finding], T], work: Callable[[AnyExporter], T]) -> T:
        """Return what `work` returns for the exporter, which is shut down after it, or `unusable` of the failed config rung."""
        exporter, config = self.config()
        if exporter is None:
            return self.shown(unusable(config))
        try:
            return self.shown(work(exporter))
        finally:
            shut_down(exporter)

    def shown(self, value: T) -> T:
        """Return a value without the secrets of the created exporters."""
        for redact in self._redactors:
            value = redact.value(value)
        return value if self.verify_with is None else self.verify_with.shown(value)


def _spool_finding(exporter: AnyExporter) -> Finding | None:
    """Return a warning if the spool cannot be used, or has points that were stored for other settings."""
    if not isinstance(exporter, Exporter) or exporter.settings.spool is None:
        return None
    from magictel.delivery.spool import spool_path  # sqlite3 is loaded only if it is used
    from magictel.delivery.spool_contents import contents

    path = spool_path(exporter.settings.spool, exporter.target)
    see = f"magictel spool ls {exporter.target}"
    try:
        rows = contents(path, exporter.fingerprint()).rows
    except MagictelError as trouble:
        return Finding.warned(Rung.CONFIG, trouble.code, trouble.message, see)
    others = sum(row.points for row in rows if row.state == "other settings")
    if not others:
        return None
    message = f"{others} points in {path} were stored for other settings, and are not sent"
    return Finding.warned(Rung.CONFIG, "delivery.fingerprint", message, f"restore these settings, or see {see}")


def shut_down(exporter: AnyExporter) -> None:
    """Shut down an exporter, and the one that reads back for it."""
    exporter.readback.exporter.shutdown(0)
    exporter.shutdown(0)


def leaving(
    operation: Callable[Concatenate[Sequence[Job], P], Iterator[Event]],
) -> Callable[Concatenate[Sequence[Job], P], Iterator[Event]]:
    """Yield every event of an operation without the secrets of its jobs, and with its placeholders filled."""

    @functools.wraps(operation)
    def shown(jobs: Sequence[Job], /, *arguments: P.args, **options: P.kwargs) -> Iterator[Event]:
        blanks = Blanks({job.target: job.exporter for job in jobs})
        events = cast(Generator[Event, None, None], operation(jobs, *arguments, **options))
        with contextlib.closing(events), contextlib.suppress(StopIteration):
            event = next(events)
            while True:
                event = blanks.fill(event)
                for job in jobs:
                    event = job.shown(event)
                try:
                    yield event
                except GeneratorExit:
                    raise
                except BaseException as thrown:  # the operation handles an interrupt
                    event = events.throw(thrown)
                else:
                    event = next(events)

    return shown


def side_by_side(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[Event], None]], R],
    threads: int,
    broken: Callable[[Job, Finding], R],
    results: dict[str, R],
    ended: Callable[[R], Event],
) -> Generator[Event, None, bool]:
    """Run `work` for every job in a pool; yield its events as they come, `ended(result)` as jobs end, and `Ticked` in between.

    Return whether an interrupt came, which abandons running jobs; each job has its own time limit.

    `results` receives the result of each target, before its event. Target names are unique.

    A bug in a target's exporter becomes that target's result, created by `broken`; the others continue.
    """
    queue: SimpleQueue[Event | tuple[str, R] | BaseException] = SimpleQueue()

    def run(job: Job) -> None:
        try:
            try:
                result = work(job, queue.put)
            except Exception as failure:  # only the type: the message of a foreign exception may contain a secret
                result = broken(job, _bug(type(failure).__name__))
            queue.put((job.target, result))
        except BaseException as failure:  # handed to the caller's thread, which raises it
            queue.put(failure)

    pool = ThreadPoolExecutor(max(1, min(threads, len(jobs) or 1)), thread_name_prefix="magictel-job")
    try:
        for job in jobs:
            pool.submit(run, job)
        open_jobs = len(jobs)
        while open_jobs:
            try:
                item = queue.get(timeout=_TICK)
            except Empty:
                yield Ticked()
                continue
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, tuple):
                open_jobs -= 1
                target, result = item
                results[target] = result
                item = ended(result)
            yield item
    except KeyboardInterrupt:
        return True
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return False


def _bug(kind: str) -> Finding:
    return Finding.failed(
        Rung.CONFIG,
        "internal.target",
        f"the exporter failed with a bug: {kind}",
        "this is a bug in magictel or the exporter: please report it",
        exception=kind,
    )
