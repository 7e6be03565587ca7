"""Start-up for applications: a MeterProvider with one reader for each enabled target."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from magictel.errors import MagictelError, SettingsError
from magictel.model.outcome import Receipt
from magictel.plugin.exporter import Exporter
from magictel.registry import entry_points
from magictel.runtime.counting import CountingExporter
from magictel.runtime.reader import Reader
from magictel.runtime.sigterm import LastCollection
from magictel.settings.file import ConfigFile, find
from magictel.settings.load import resolve_settings
from magictel.settings.select import TargetSpec, enabled_names, listed_targets, nothing_chosen, targets

_log = logging.getLogger("magictel.runtime")
_GRACE = 5.0
"""Seconds that SIGTERM waits for the last collection: supervisors send SIGKILL after ten or more."""


class Runtime:
    """What `start` set up: `provider` is the SDK's, `exporters` are keyed by target. A context manager that shuts down."""

    def __init__(self, provider: MeterProvider, exporters: Mapping[str, Exporter[Any] | CountingExporter]) -> None:
        self.provider = provider
        self.exporters = exporters
        self._ending = threading.Lock()
        self._ended = threading.Event()
        atexit.register(self.shutdown)

    def ledgers(self) -> dict[str, Receipt]:
        """What became of every point so far, by target."""
        return {name: exporter.ledger for name, exporter in self.exporters.items()}

    def shutdown(self, timeout: float = 30.0) -> None:
        """Collect and send a last time, at most `timeout` seconds for all targets together. Never raises; twice is once.

        Called at the end of the process as well. A second caller waits for the first, not longer than its own time.
        """
        if not self._ending.acquire(blocking=False):
            self._ended.wait(max(0.0, timeout))
            return
        try:
            self.provider.shutdown(timeout_millis=timeout * 1000)
        except Exception as failure:  # the SDK raises when readers had no time left
            _log.error("%s", " ".join(str(failure).split()))
        for exporter in self.exporters.values():
            exporter.shutdown(0)  # those whose turn did not come
        self._ended.set()
        atexit.unregister(self.shutdown)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()


def start(
    *,
    environment: Mapping[str, str] | None = None,
    config: str | Path | None = None,
    resource: Resource | None = None,
    interval: float = 60.0,
    sigterm: bool = True,
) -> Runtime:
    """Send this process's metrics to every enabled target, every `interval` seconds, and at its end.

    Targets: those that `ENABLED_EXPORTERS` names, else the enabled ones of the file `config` (default: `MAGICTEL_CONFIG`, else
    `magictel.toml` in the working folder). `environment` replaces the process's own. Sets OpenTelemetry's global MeterProvider.

    `sigterm`: where the process has no handler of its own, SIGTERM sends what there is, for a few seconds at most, before it ends
    the process as it would have; see `magictel.runtime.lifespan` for servers that end by themselves.
    """
    env: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
    exporters: dict[str, Exporter[Any] | CountingExporter] = {}
    for name, built in _exporters(env, None if config is None else str(config)):
        exporters.setdefault(name, built)
    if not exporters:
        _log.warning("%s No metric is exported.", nothing_chosen().message)
    readers = []
    for name, exporter in list(exporters.items()):
        exporters[name], reader = _reader(name, exporter, interval * 1000)
        readers.append(reader)
    provider = MeterProvider(metric_readers=readers, resource=resource or Resource.create())
    metrics.set_meter_provider(provider)
    running = Runtime(provider, exporters)
    if sigterm:
        LastCollection(partial(running.shutdown, _GRACE)).listen()
    return running


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """`start` as the lifespan of an ASGI application: `FastAPI(lifespan=runtime.lifespan)`.

    uvicorn handles SIGTERM while it imports an application, and afterwards ends the process by that signal, so that nothing else
    that Python does at its end takes place.
    """
    with start():
        yield


def _exporters(
    environment: Mapping[str, str], config: str | None
) -> Iterator[tuple[str, Exporter[Any] | CountingExporter]]:
    listed = enabled_names(environment)
    try:
        file = find(config, environment, Path())
    except SettingsError as failure:  # without its file nobody knows what a name means
        yield from ((name, CountingExporter(name, failure)) for name in listed or ("runtime",))
        return
    specs = targets(file, environment) if listed is None else listed_targets(file, environment, entry_points.names())
    for spec in specs:
        if spec.unusable is not None:
            yield spec.name, CountingExporter(spec.name, spec.unusable)
        elif spec.enabled:
            yield spec.name, _exporter(spec, environment, file)


def _exporter(
    spec: TargetSpec, environment: Mapping[str, str], file: ConfigFile | None
) -> Exporter[Any] | CountingExporter:
    try:
        exporter_class = entry_points.load(spec.exporter)
        resolved = resolve_settings(
            spec.name, spec.exporter, exporter_class.Settings, environment=environment, config=file
        )
        exporter_class.check_settings(resolved.settings)
        exporter: Exporter[Any] = exporter_class(resolved.settings, target=spec.name)
        for warning in resolved.warnings:
            exporter.log.warning("config.warning: %s", warning)
    except MagictelError as failure:
        return CountingExporter(spec.name, failure)
    except Exception as failure:  # a plugin's bug must not end the application
        return CountingExporter(spec.name, _broken(spec.exporter, failure))
    return exporter


def _reader(
    target: str, exporter: Exporter[Any] | CountingExporter, millis: float
) -> tuple[Exporter[Any] | CountingExporter, Reader]:
    """Make the reader of an exporter; of one that the SDK cannot use, the one that counts in its place."""
    try:
        return exporter, Reader(exporter, export_interval_millis=millis)
    except AttributeError as failure:  # a plugin that does not begin as an exporter does
        counting = CountingExporter(target, _broken(target, failure))
        return counting, Reader(counting, export_interval_millis=millis)


def _broken(name: str, failure: Exception) -> SettingsError:
    return SettingsError("plugin.broken", f"{name} could not be made: {type(failure).__name__}")
