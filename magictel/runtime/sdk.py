"""What `start` needs of OpenTelemetry's SDK: its variables, a reader for each exporter, and the MeterProvider."""

from __future__ import annotations

import logging
import threading
import urllib.parse
import weakref
from collections.abc import Mapping, Sequence

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from magictel.runtime.targets import RunningExporter

_log = logging.getLogger("magictel.runtime")
_OURS: weakref.WeakSet[MeterProvider] = weakref.WeakSet()
"""Those that `start` has created."""
_INTERVAL, _TIMEOUT = "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT"
_SHORTEST = 0.001
"""Seconds: a shorter interval would collect without a pause."""


class Reader(PeriodicExportingMetricReader):
    """The SDK's reader. A child that was forked during an export gets a free export lock."""

    def _at_fork_reinit(self) -> None:
        self._export_lock = threading.Lock()
        super()._at_fork_reinit()  # type: ignore[no-untyped-call] # the SDK's


def is_disabled(environment: Mapping[str, str]) -> bool:
    """Return whether `OTEL_SDK_DISABLED` turns telemetry off."""
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def export_interval(environment: Mapping[str, str]) -> float:
    """Return the seconds between two exports: `OTEL_METRIC_EXPORT_INTERVAL` is in milliseconds."""
    return _seconds(environment, _INTERVAL, 60.0)


def reader_of(exporter: RunningExporter, interval: float, environment: Mapping[str, str]) -> MetricReader:
    """Return a page itself, and for an exporter that sends a reader. Raise `AttributeError` for a plugin that is no exporter."""
    if isinstance(exporter, MetricReader):
        return exporter
    timeout = _seconds(environment, _TIMEOUT, 30.0)
    return Reader(exporter, export_interval_millis=interval * 1000, export_timeout_millis=timeout * 1000)


def merged_resource(environment: Mapping[str, str], resource: Resource | None) -> Resource:
    """Return the resource of `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`, and what `resource` adds or replaces."""
    attributes = {}
    for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, equals, value = pair.partition("=")
        if equals:
            attributes[name.strip()] = urllib.parse.unquote(value.strip())
    service = environment.get("OTEL_SERVICE_NAME", "").strip()
    if service:
        attributes["service.name"] = service
    merged = Resource.create(attributes)
    return merged if resource is None else merged.merge(resource)


def joined_provider(readers: Sequence[MetricReader], *, ignored: str) -> MeterProvider | None:
    """Add the readers to the application's own MeterProvider, and log that; return None if there is none that takes readers.

    `ignored` names the arguments of `start` that an existing provider does not take.
    """
    existing = metrics.get_meter_provider()
    if not isinstance(existing, MeterProvider) or not hasattr(existing, "add_metric_reader"):
        return None
    if getattr(existing, "_shutdown", False):
        return None
    for reader in readers:
        existing.add_metric_reader(reader)
    message = "the application has a MeterProvider: its metrics are exported, with its own resource and views"
    if existing in _OURS:
        _log.warning("start() was called before in this process: a target of both calls gets every point twice")
    elif ignored:
        _log.warning("%s; ignored: %s", message, ignored)
    else:
        _log.info("%s", message)
    return existing


def make_global(provider: MeterProvider) -> None:
    """Make it the global MeterProvider; log a warning if the application has another."""
    existing = metrics.get_meter_provider()
    _OURS.add(provider)
    if type(existing).__module__.startswith("opentelemetry.metrics"):  # the API's stand-in for one that comes later
        metrics.set_meter_provider(provider)
    if metrics.get_meter_provider() is not provider:
        kind = f"{type(existing).__module__}.{type(existing).__qualname__}"
        message = "the global MeterProvider (%s) was shut down or takes no readers: only meters of telemetry.provider are exported"
        _log.warning(message, kind)


def resource_of(provider: MeterProvider) -> Mapping[str, object]:
    """Return the resource's attributes now: a fork renews `service.instance.id`."""
    resource = getattr(getattr(provider, "_sdk_config", None), "resource", None)
    return {} if resource is None else resource.attributes


def _seconds(environment: Mapping[str, str], variable: str, default: float) -> float:
    text = environment.get(variable, "").strip()
    try:
        seconds = float(text) / 1000 if text else default
        if _SHORTEST <= seconds <= threading.TIMEOUT_MAX:
            return seconds
    except ValueError:
        pass
    _log.warning("%s is not a number of milliseconds, at least 1: %g is used", variable, default * 1000)
    return default
