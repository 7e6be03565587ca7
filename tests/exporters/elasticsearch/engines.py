"""Engines to run the exporter against, real or emulated, each with an index of its own; operations on their clocks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from magictel.clock import Clock, SystemClock
from magictel.exporters.elasticsearch import ElasticsearchExporter, OpenSearchExporter
from magictel.exporters.elasticsearch.exporter import SearchExporter
from magictel.http.wire import Reply, Request, Transport
from magictel.model.events import CheckFinished, CheckResult, SendFinished, SendResult
from magictel.model.finding import Finding, Rung
from magictel.operations.check import CheckOptions, check
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.sandbox.server import Server
from magictel.settings.load import resolve_settings
from tests.emulators.elasticsearch.emulator import SearchEmulator


@dataclass(frozen=True, slots=True)
class TimedJob(Job):
    """A job and the clock it is done by."""

    clock: Clock = field(default_factory=SystemClock)


class Engine:
    """One engine and an index of its own."""

    clock: Clock = SystemClock()

    def __init__(self, name: str, url: str, index: str, **options: Any) -> None:
        self.name, self.url, self.index = name, url, index
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60, **options)

    def close(self) -> None:
        """Close what the engine's own client holds."""
        self.http.close()

    def beside(self, name: str) -> Engine:
        """The same engine with another index; closed with this one."""
        other = copy.copy(self)
        other.index = f"{self.index}-{name}"
        return other

    def make(self, mappings: dict[str, Any] | None = None, **settings: Any) -> None:
        body = {"mappings": mappings or {}, "settings": settings}
        reply = self.http.put(f"/{self.index}", json=body)
        assert reply.status_code == 200, reply.text

    def job(self, wrap: Callable[[Any], Any] | None = None, **options: Any) -> TimedJob:
        kind: type[SearchExporter[Any]] = OpenSearchExporter if self.name.startswith("os") else ElasticsearchExporter
        prefix = kind.Settings.env_prefix
        given = {"url": self.url, "index": self.index, **options}
        environment = {prefix + key.upper(): str(value) for key, value in given.items()}

        def build() -> SearchExporter[Any]:
            settings = resolve_settings(kind.name, kind.name, kind.Settings, environment=environment).settings
            exporter = kind(settings, target=kind.name, clock=self.clock)
            if wrap is not None:
                exporter._given = exporter._transport = wrap(exporter.transport)
            return exporter

        return TimedJob(kind.name, kind.name, build, clock=self.clock)

    def exporter(self, **options: Any) -> SearchExporter[Any]:
        return self.job(**options).build()  # type: ignore[return-value]


def sent(job: TimedJob, **options: Any) -> SendResult:
    """Send by force, so that scenarios may have an index without a template."""
    last = list(send([job], SendOptions(**{"force": True, **options}), job.clock))[-1]
    assert isinstance(last, SendFinished)
    return last.results[0]


def sent_side_by_side(jobs: Sequence[TimedJob]) -> list[SendResult]:
    """The results of several jobs on one clock, in their order."""
    named = [replace(job, target=f"{job.target}-{number}") for number, job in enumerate(jobs)]
    last = list(send(named, SendOptions(force=True), jobs[0].clock))[-1]
    assert isinstance(last, SendFinished)
    return list(last.results)


def checked(job: TimedJob, **options: Any) -> CheckResult:
    last = list(check([job], CheckOptions(**options), job.clock))[-1]
    assert isinstance(last, CheckFinished)
    return last.results[0]


def rungs(result: CheckResult) -> dict[Rung, Finding]:
    return {finding.rung: finding for finding in result.rungs}


class Tampering:
    """A transport that changes documents on their way: what a broken pipeline before the index does."""

    def __init__(self, inner: Transport, change: Callable[[dict[str, Any]], None]) -> None:
        self.inner, self.change = inner, change

    def send(self, request: Request, timeout: float) -> Reply:
        if "/_bulk?" in request.url:
            lines = [json.loads(line) for line in request.body.splitlines()]
            for document in lines[1::2]:
                self.change(document)
            request = replace(request, body="".join(json.dumps(line) + "\n" for line in lines).encode())
        return self.inner.send(request, timeout)

    def close(self) -> None:
        self.inner.close()


class Emulated(Engine):
    """An emulator in this process behind a real socket, on a clock that skips waits; `emulator` is there to be set."""

    def __init__(self, name: str, emulator: SearchEmulator, clock: Clock, index: str) -> None:
        self.emulator, self.clock = emulator, clock
        self._server = Server(emulator).start()
        super().__init__(name, self._server.origin, index)

    def close(self) -> None:
        super().close()
        self._server.stop()
