"""Start-up for applications: a MeterProvider with a reader for each enabled target."""

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
from typing import Self

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from magictel.errors import MagictelError, SettingsError
from magictel.model.outcome import Receipt
from magictel.plugin.any_exporter import AnyExporter
from magictel.registry import entry_points
from magictel.runtime.counting import CountingExporter
from magictel.runtime.sigterm import LastCollection
from magictel.settings.file import ConfigFile
from magictel.settings.load import resolve_settings
from magictel.settings.locate import find
from magictel.settings.select import TargetSpec, enabled_names, listed_targets, nothing_chosen, targets

_AnyExporter = AnyExporter | CountingExporter
_log = logging.getLogger("magictel.runtime")
_GRACE = 5.0
"""Seconds for the last collection after SIGTERM: supervisors send SIGKILL after ten or more."""


class _Reader(PeriodicExportingMetricReader):
    """The SDK's reader. A child that was forked during an export gets a free export lock."""

    def _at_fork_reinit(self) -> None:
        self._export_lock = threading.Lock()
        super()._at_fork_reinit()  # type: ignore[no-untyped-call] # the SDK's


class Runtime:
    """The result of `start`: `provider` is the SDK's, `exporters` are keyed by target. A context manager that shuts down."""

    def __init__(self, provider: MeterProvider, exporters: Mapping[str, _AnyExporter]) -> None:
        self.provider = provider
        self.exporters = exporters
        self._ending = threading.Lock()
        self._ended = threading.Event()
        atexit.register(self.shutdown)

    def ledgers(self) -> dict[str, Receipt]:
        """Return the fate of every point so far, by target."""
        return {name: exporter.ledger for name, exporter in self.exporters.items()}

    def shutdown(self, timeout: float = 30.0) -> None:
        """Collect and send a last time, within `timeout` seconds for all targets together. Never raises; a second call does nothing.

        Also called at the end of the process. A second caller waits for the first, within its own time.
        """
        if not self._ending.acquire(blocking=False):
            self._ended.wait(max(0.0, timeout))
            return
        try:
            self.provider.shutdown(timeout_millis=timeout * 1000)
        except Exception as failure:  # the SDK raises when readers had no time left
            _log.error("%s", " ".join(str(failure).split()))
        for exporter in self.exporters.values():
            exporter.shutdown(0)  # those that were not reached
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
    """Send this process's metrics to every enabled target, every `interval` seconds and at the end of the process.

    Targets: those in `ENABLED_EXPORTERS`, otherwise the enabled ones of the file `config` (default: `MAGICTEL_CONFIG`, or
    `magictel.toml` in the working directory). `environment` replaces the process's own. Sets OpenTelemetry's global MeterProvider.

    `sigterm`: if the process has no handler, SIGTERM first sends the collected points, for a few seconds at most, and then ends the
    process as usual; see `magictel.runtime.lifespan` for servers that handle SIGTERM.
    """
    env: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
    exporters: dict[str, _AnyExporter] = {}
    for name, built in _exporters(env, None if config is None else str(config)):
        exporters.setdefault(name, built)
    if not exporters:
        _log.warning("%s No metric is exported.", nothing_chosen().message)
    readers: list[MetricReader] = []
    for name, exporter in list(exporters.items()):
        exporters[name], reader = _reader(name, exporter, interval * 1000)
        readers.append(reader)
    provider = MeterProvider(metric_readers=readers, resource=resource or Resource.create())
    metrics.set_meter_provider(provider)
    running = Runtime(provider, exporters)
    if sigterm:
        LastCollection(partial(running.shutdown, _GRACE)).install()
    return running


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Run `start` as the lifespan of an ASGI application: `FastAPI(lifespan=runtime.lifespan)`.

    uvicorn handles SIGTERM while it imports an application, and afterwards ends the process with that signal, so that Python's own
    exit handlers do not run.
    """
    with start():
        yield


def _exporters(environment: Mapping[str, str], config: str | None) -> Iterator[tuple[str, _AnyExporter]]:
    listed = enabled_names(environment)
    try:
        file = find(config, environment, Path())
    except SettingsError as failure:  # without the file, a name has no meaning
        yield from ((name, CountingExporter(name, failure)) for name in listed or ("runtime",))
        return
    specs = targets(file, environment) if listed is None else listed_targets(file, environment, entry_points.names())
    for spec in specs:
        if spec.unusable is not None:
            yield spec.name, CountingExporter(spec.name, spec.unusable)
        elif spec.enabled:
            yield spec.name, _exporter(spec, environment, file)


def _exporter(spec: TargetSpec, environment: Mapping[str, str], file: ConfigFile | None) -> _AnyExporter:
    try:
        exporter_class = entry_points.load(spec.exporter)
        resolved = resolve_settings(
            spec.name, spec.exporter, exporter_class.Settings, environment=environment, config=file
        )
        exporter_class.check_settings(resolved.settings)
        exporter: AnyExporter = exporter_class(resolved.settings, target=spec.name)
        for warning in resolved.warnings:
            exporter.log.warning("config.warning: %s", warning)
    except MagictelError as failure:
        return CountingExporter(spec.name, failure)
    except Exception as failure:  # a plugin's bug must not end the application
        return CountingExporter(spec.name, _broken(spec.exporter, failure))
    return exporter


def _reader(target: str, exporter: _AnyExporter, millis: float) -> tuple[_AnyExporter, MetricReader]:
    """Create the reader of an exporter; replace an exporter that the SDK cannot use with one that counts."""
    if isinstance(exporter, MetricReader):  # a page
        return exporter, exporter
    try:
        return exporter, _Reader(exporter, export_interval_millis=millis)
    except AttributeError as failure:  # a plugin without an exporter's attributes
        counting = CountingExporter(target, _broken(target, failure))
        return counting, _Reader(counting, export_interval_millis=millis)


def _broken(name: str, failure: Exception) -> SettingsError:
    return SettingsError("plugin.broken", f"{name} could not be created: {type(failure).__name__}")
