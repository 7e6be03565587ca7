"""A job is one chosen target, ready to be worked on: its exporter can be made, or the reason why not is known."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from magictel.errors import MagictelError
from magictel.model.events import Event, Ticked
from magictel.model.finding import Finding, Rung
from magictel.operations.blanks import Blanks
from magictel.plugin.exporter import Exporter
from magictel.secrets.redactor import Redactor

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
_TICK = 1.0
"""Seconds of silence after which `Ticked` is yielded: somebody may be looking."""


@dataclass(frozen=True, slots=True)
class Job:
    """A target by name, the exporter's name, and how to make the exporter: `build` raises `MagictelError` for unusable settings.

    `summary` is the sentence of a passed config rung; `warnings` make it a warning, and `remedy` is a command that settles one of them.
    """

    target: str
    exporter: str
    build: Callable[[], Exporter[Any]] = field(repr=False)
    summary: str = "settings are usable"
    warnings: tuple[str, ...] = ()
    remedy: str | None = None
    _redactors: list[Redactor] = field(default_factory=list, init=False, repr=False, compare=False)

    def config(self) -> tuple[Exporter[Any] | None, Finding]:
        """Make the exporter and the finding of the config rung."""
        try:
            exporter = self.build()
        except MagictelError as failure:
            evidence = {"origin": failure.origin} if failure.origin else {}
            return None, Finding.failed(Rung.CONFIG, failure.code, failure.message, failure.remedy, **evidence)
        self._redactors.append(exporter.redact)
        if self.warnings:
            remedy = self.remedy or f"see where each value comes from: magictel config show {self.target} --origin"
            return exporter, Finding.warned(Rung.CONFIG, "config.warning", "; ".join(self.warnings), remedy)
        return exporter, Finding.passed(Rung.CONFIG, self.summary)

    def shown(self, value: T) -> T:
        """A value as it may leave: without the secrets of the exporters that were made."""
        for redact in self._redactors:
            value = redact.value(value)
        return value


def leaving(
    operation: Callable[Concatenate[Sequence[Job], P], Iterator[Event]],
) -> Callable[Concatenate[Sequence[Job], P], Iterator[Event]]:
    """The door of an operation: every event that it yields leaves without the secrets of its jobs, and with its blanks filled in."""

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
                except BaseException as thrown:  # an interrupt is for the operation to hear of
                    event = events.throw(thrown)
                else:
                    event = next(events)

    return shown


def side_by_side(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[Event], None]], R],
    threads: int,
    broken: Callable[[Job, Finding], R],
) -> Iterator[Event | tuple[int, R]]:
    """Run `work` for every job in a pool; yield its events as they come and (index, result) pairs as jobs end, `Ticked` in between.

    A bug in one target's exporter is that target's result, made by `broken`; the others go on.

    Closing the generator (an interrupt) abandons what still runs; each job is bounded in time by itself.
    """
    queue: SimpleQueue[Event | tuple[int, R] | BaseException] = SimpleQueue()

    def run(index: int, job: Job) -> None:
        try:
            try:
                result = work(job, queue.put)
            except Exception as failure:  # the type alone: the text of a foreign exception may hold a secret
                result = broken(job, _bug(type(failure).__name__))
            queue.put((index, result))
        except BaseException as failure:  # handed to the caller's thread, which raises it
            queue.put(failure)

    pool = ThreadPoolExecutor(max(1, min(threads, len(jobs) or 1)), thread_name_prefix="magictel-job")
    try:
        for index, job in enumerate(jobs):
            pool.submit(run, index, job)
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
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _bug(kind: str) -> Finding:
    return Finding.failed(
        Rung.CONFIG,
        "internal.target",
        f"the exporter itself broke: {kind}",
        "this is a bug of magictel or of the exporter: please report it",
        exception=kind,
    )
