"""Start-up for applications: a MeterProvider with a reader for each enabled target."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource

from magictel.runtime.config import TelemetryConfig
from magictel.runtime.connection import StartError
from magictel.runtime.health_page import health_ports
from magictel.runtime.sdk import (
    export_interval,
    is_disabled,
    joined_provider,
    make_global,
    merged_resource,
    reader_of,
)
from magictel.runtime.sigterm import LastCollection
from magictel.runtime.targets import RunningTarget, running_targets, unusable_target
from magictel.runtime.telemetry import Telemetry
from magictel.settings.select import nothing_chosen

_log = logging.getLogger("magictel.runtime")
_GRACE = 5.0
"""Seconds for the last collection after SIGTERM: supervisors send SIGKILL after ten or more."""

_NOTHING_TO_SEND = 2.0
"""Seconds to end the threads of a start that failed."""


def start(
    *,
    environment: Mapping[str, str] | None = None,
    config: str | Path | TelemetryConfig | None = None,
    resource: Resource | None = None,
    views: Sequence[View] = (),
    interval: float | None = None,
    sigterm: bool = True,
) -> Telemetry:
    """Send this process's metrics to every enabled target, every `interval` seconds and at the end of the process.

    Targets: those in `ENABLED_EXPORTERS`, otherwise the enabled ones of the file `config` (default: `MAGICTEL_CONFIG`, or
    `magictel.toml` in the working directory); or those of a `TelemetryConfig` alone. `environment` replaces the process's own.
    `interval`: default `OTEL_METRIC_EXPORT_INTERVAL`, or 60. `resource` is added to `OTEL_RESOURCE_ATTRIBUTES` and
    `OTEL_SERVICE_NAME`. `OTEL_SDK_DISABLED=true` starts nothing.

    Adds readers to the application's MeterProvider if it has set one; otherwise sets a new one.

    Logs an unusable target and a failed connection test, in one line each. Raise `StartError` for a target with
    `start_check = "required"`; never raises otherwise.

    `MAGICTEL_HEALTH_PORT=9465` serves the health of the telemetry on loopback, for `magictel status`.

    `sigterm`: if the process has no handler, SIGTERM first sends the collected points, for a few seconds at most, and then ends the
    process as usual; see `magictel.runtime.lifespan` for servers that handle SIGTERM.
    """
    env: Mapping[str, str] = os.environ if environment is None else environment  # noqa: TID251
    seconds = export_interval(env) if interval is None else interval
    if is_disabled(env):
        _log.info("OTEL_SDK_DISABLED is true: no metric is exported")
        return Telemetry(MeterProvider(shutdown_on_exit=False), (), (), joined=False, interval=seconds)
    targets = running_targets(config, env)
    if not targets:
        _log.warning("%s No metric is exported.", nothing_chosen().message)
    readers = [_reader(target, seconds, env) for target in targets]
    ignored = ", ".join(name for name, given in (("resource", resource), ("views", views)) if given)
    joined = joined_provider(readers, ignored=ignored)
    provider = joined or MeterProvider(readers, merged_resource(env, resource), views=views)
    telemetry = Telemetry(
        provider, readers, targets, joined=joined is not None, interval=seconds, health_ports=health_ports(env)
    )
    try:
        telemetry.connections.start()
    except StartError:
        telemetry.shutdown(_NOTHING_TO_SEND)
        raise
    if joined is None:
        make_global(provider)
    if telemetry.health_page is not None:
        telemetry.health_page.listen()
    if sigterm:
        LastCollection(partial(telemetry.shutdown, _GRACE)).install()
    return telemetry


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Run `start` as the lifespan of an ASGI application: `FastAPI(lifespan=runtime.lifespan)`.

    uvicorn handles SIGTERM while it imports an application, and afterwards ends the process with that signal, so that Python's own
    exit handlers do not run.
    """
    with start():
        yield


def _reader(target: RunningTarget, interval: float, environment: Mapping[str, str]) -> MetricReader:
    """Create the reader of a target; replace an exporter that the SDK cannot use with one that counts."""
    try:
        return reader_of(target.exporter, interval, environment)
    except AttributeError as failure:  # a plugin without an exporter's attributes
        counting = unusable_target(target.name, failure, target.start_check)
        target.exporter, target.job = counting.exporter, None
        return reader_of(target.exporter, interval, environment)
