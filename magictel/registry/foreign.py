"""Exporters that other packages register with OpenTelemetry: named `otel:NAME`, imported only when one is used."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from magictel.errors import PluginError, UsageError
from magictel.registry.entry_points import (
    FOREIGN,
    OTHERS_GROUP,
    Registration,
    import_error,
    is_malformed,
    package_of,
    plugin_error,
)
from magictel.settings.names import either, find, near

if TYPE_CHECKING:
    from magictel.plugin.foreign import ForeignExporter

OFFICIAL = ("otel:otlp_proto_http", "otel:otlp_proto_grpc")
"""Names in OpenTelemetry's own packages, for the completions: those that are installed would need a start of Python."""


def others() -> tuple[Registration, ...]:
    """Return the exporters of other packages by name, without importing them: whether one works shows only when it is used."""
    return tuple(
        Registration(name, *package_of(point), "ready", None, f"OpenTelemetry exporter, {point.value}")
        for name, point in sorted(_points().items())
    )


def named_among(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all exporters of other packages if one of these begins with `otel:`, otherwise none.

    Raise `UsageError` for a name that no package registers.
    """
    asked = [name for name in names if name.startswith(FOREIGN)]
    if not asked:
        return ()
    known = tuple(_points())
    for name in asked:
        if find(name, known) is None:
            bare = name.removeprefix(FOREIGN)
            alike = [FOREIGN + other for other in near(bare, (other.removeprefix(FOREIGN) for other in known))]
            hint = f"Did you mean {either(alike)}?" if alike else f"Known: {', '.join(known) or 'none'}."
            message = f'no installed package registers "{bare}" as an OpenTelemetry metric exporter. {hint}'
            raise UsageError(
                "usage.unknown-target", message, "install its package beside magictel; magictel list --all shows all"
            )
    return known


def load(name: str) -> type[ForeignExporter]:
    """Import an exporter of another package and return the class that drives it. Raise `PluginError`."""
    points = _points()
    known = find(name, points)
    if known is None:
        message = f'no installed package registers "{name.removeprefix(FOREIGN)}" as an OpenTelemetry metric exporter'
        raise PluginError("plugin.unknown", message, "magictel list --all shows every exporter")
    point = points[known]
    if is_malformed(point):
        raise plugin_error(point, f'its entry point "{point.value}" is not module:Class')
    try:
        with redirect_stdout(sys.stderr):
            other = point.load()
    except (SystemExit, Exception) as failure:
        raise plugin_error(point, f"{known} cannot be imported: {import_error(failure)}") from failure
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader

    if isinstance(other, type) and issubclass(other, MetricReader):
        what = f"{known} is a MetricReader, not an exporter: it serves a page to be scraped, or collects by itself"
        raise PluginError(
            "foreign.reader", what, "magictel record --from http://localhost:9464/metrics --out page.jsonl"
        )
    if not isinstance(other, type) or not issubclass(other, MetricExporter):
        raise plugin_error(point, f"{known}: {point.value} is not an OpenTelemetry MetricExporter")
    from magictel.plugin.foreign import foreign_exporter

    return foreign_exporter(known, " ".join(package_of(point)), other)


def _points() -> dict[str, EntryPoint]:
    """Return the first entry point of each name, as OpenTelemetry's auto-instrumentation does, without those of magictel."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=OTHERS_GROUP):
        if not point.value.startswith("magictel."):
            points.setdefault(f"{FOREIGN}{point.name}", point)
    return points
