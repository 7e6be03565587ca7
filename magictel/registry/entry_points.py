"""The registered exporters: entry points of the group `magictel.exporters`, listed without importing, loaded one at a time.

Names come from `importlib.metadata`: stevedore caches its list on disk with times truncated to 32-bit floats, so it misses a
package installed up to two minutes after the last scan. stevedore then loads from this fresh list. Duplicate names are detected
here (stevedore's resolver sees adjacent ones only). Facts about built-in exporters come from `catalogue.builtin_exporters`, so
that listing imports none of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from magictel import __version__
from magictel.catalogue.builtin_exporters import BUILT_IN, BuiltIn
from magictel.errors import PluginError
from magictel.secrets.patterns import masked
from magictel.settings.names import did_you_mean, normal

GROUP = "magictel.exporters"
OTHERS_GROUP = "opentelemetry_metrics_exporter"
FOREIGN = "otel:"
"""Begins the names of exporters that other packages register with OpenTelemetry (see `registry.foreign`)."""
State = Literal["ready", "needs", "broken"]


@dataclass(frozen=True, slots=True)
class Registration:
    """An exporter's name, the package that registers it, and its state.

    `reason`: for `needs` the unset variables, for `broken` the error, for `ready` a remark or None. `seconds`: duration of the
    import, None if nothing was imported. `required` maps keys without default to their variables. `rivals`: other packages that
    register the same name, with their versions.
    """

    name: str
    package: str
    version: str
    state: State
    reason: str | None = None
    summary: str = ""
    required: tuple[tuple[str, str], ...] = ()
    seconds: float | None = None
    rivals: tuple[str, ...] = ()
    error: PluginError | None = field(default=None, compare=False)
    """Why the exporter is broken, with the code and the remedy."""

    @property
    def says(self) -> str:
        """Return the displayed state: `configured`, `needs ACME_URL`, `broken: No module named 'acme_sdk'`."""
        if self.state == "needs":
            return f"needs {self.reason}"
        return f"broken: {self.reason}" if self.state == "broken" else "configured"

    def broken(self, error: PluginError, seconds: float | None = None) -> Registration:
        """Return the registration of an exporter that cannot be used."""
        return replace(self, state="broken", reason=error.message, error=error, seconds=seconds)


def names() -> tuple[str, ...]:
    """Return every registered name without duplicates, built-in ones first, without importing any."""
    return tuple(points[0].name for points in installed().values())


def registrations(environment: Mapping[str, str]) -> tuple[Registration, ...]:
    """Return the registration of every name; built-in exporters are not imported, others are, guarded and timed."""
    return tuple(registration(points, environment) for points in installed().values())


def registration(points: Sequence[EntryPoint], environment: Mapping[str, str]) -> Registration:
    """Return the registration of a name from its entry points; those of other packages are imported."""
    point = points[0]
    shown = unimported(points)
    if (taken := _registered_twice(points)) is not None:
        return replace(shown.broken(taken), reason=f"{taken.message}; {taken.remedy}")
    row = BUILT_IN.get(point.name) if is_built_in(point) else None
    seconds = None
    if row is None:
        started = time.perf_counter()
        try:
            exporter = _load(point)
            row = BuiltIn(point.value, str(getattr(exporter, "summary", "")), required_options(exporter))
        except Exception as failure:
            error = failure if isinstance(failure, PluginError) else plugin_error(point, import_error(failure))
            return shown.broken(error, time.perf_counter() - started)
        seconds = time.perf_counter() - started
    missing = [variable for _, variable in row.required if not environment.get(variable, "").strip()]
    remark = (
        f"also registered by {' and '.join(shown.rivals)}, which is not used; uninstall it, or rename its exporter"
        if shown.rivals
        else None
    )
    return replace(
        shown,
        state="needs" if missing else "ready",
        reason=", ".join(missing) if missing else remark,
        summary=row.summary,
        required=row.required,
        seconds=seconds,
    )


def registration_of(name: str) -> Registration | None:
    """Return the registration of a name without importing it, or None; without state and summary."""
    if name.startswith(FOREIGN):
        from magictel.registry import foreign

        return next((known for known in foreign.others() if known.name == name), None)
    points = installed().get(normal(name))
    return None if points is None else unimported(points)


def load(name: str) -> type[Any]:
    """Import and return the exporter class of a registered name. Raise `PluginError` with the reason."""
    if name.startswith(FOREIGN):
        from magictel.registry import foreign

        return foreign.load(name)
    points = installed().get(normal(name))
    if points is None:
        hint = did_you_mean(name, names())
        message = f'no exporter is called "{name}"' + (f". {hint}" if hint else "")
        raise PluginError("plugin.unknown", message, "magictel list shows every exporter")
    if (taken := _registered_twice(points)) is not None:
        raise PluginError(taken.code, f"{name}: {taken.message}", taken.remedy)
    return _load(points[0])


def installed() -> dict[str, list[EntryPoint]]:
    """Return the entry points of every name, built-in exporters first, without importing any.

    Keys are names under which two spellings are equal. Several entry points have one name if several packages register it.
    """
    order = {name: number for number, name in enumerate(BUILT_IN)}
    by_name: dict[str, list[EntryPoint]] = {}
    for point in sorted(_scanned(), key=lambda point: (not is_built_in(point), order.get(point.name, 0), point.name)):
        by_name.setdefault(normal(point.name), []).append(point)
    for points in by_name.values():
        if len(points) > 1:
            points.sort(key=lambda point: (not is_built_in(point), package_of(point)))
    return by_name


def _scanned() -> list[EntryPoint]:
    """Return the entry points, each distribution's once: an editable installation may show its own twice."""
    by_value: dict[tuple[str, str], list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        by_value.setdefault((point.name, point.value), []).append(point)
    unique: list[EntryPoint] = []
    for points in by_value.values():  # reading a distribution's name parses all of its metadata
        unique += points if len(points) == 1 else {_distribution(point): point for point in points}.values()
    return unique


def unimported(points: Sequence[EntryPoint]) -> Registration:
    """Return the registration of a name without importing it, and without state and summary."""
    name, (package, version) = points[0].name, package_of(points[0])
    return Registration(name, package, version, "ready", rivals=tuple(map(_named, points[1:])))


def _registered_twice(points: Sequence[EntryPoint]) -> PluginError | None:
    """Return the error for a name that several packages register, unless one of them is magictel, which keeps its names."""
    if len(points) == 1 or is_built_in(points[0]):
        return None
    packages = list(map(_named, points))
    message = f"registered by {' and by '.join(packages)}, so {'neither' if len(packages) == 2 else 'none'} is used"
    return PluginError("plugin.duplicate", message, f"uninstall {' or '.join(packages)}")


def _load(point: EntryPoint) -> type[Any]:
    """Import with stevedore, with its list of entry points replaced by the fresh one."""
    if is_malformed(point):
        raise plugin_error(point, f'its entry point "{point.value}" is not module:Class')
    from stevedore import ExtensionManager

    class Fresh(ExtensionManager):  # type: ignore[misc, type-arg, unused-ignore] # stevedore's types differ by version
        def list_entry_points(self) -> list[EntryPoint]:
            return [point]

    def failed(_manager: object, _point: object, failure: BaseException) -> None:
        raise failure

    try:
        with redirect_stdout(sys.stderr):  # a plugin that prints during its import must not corrupt a JSON document
            plugin = Fresh(GROUP, on_load_failure_callback=failed).extensions[0].plugin
    except (SystemExit, Exception) as failure:  # a plugin may even try to end the process
        raise plugin_error(point, import_error(failure)) from failure
    _fits(plugin, point)
    exporter: type[Any] = plugin
    return exporter


def _fits(exporter: Any, point: EntryPoint) -> None:
    """Raise `PluginError` for an object that is not an exporter of this interface."""
    if not isinstance(exporter, type):
        raise plugin_error(point, f"{point.value} is not a class")
    from magictel.plugin.exporter import Exporter
    from magictel.plugin.interface import INTERFACE, declared_interface
    from magictel.plugin.page_exporter import PageExporter

    if not issubclass(exporter, Exporter | PageExporter):
        needed = "magictel needs a subclass of magictel.Exporter or magictel.PageExporter"
        raise plugin_error(point, f"{point.value} is {_kind_of(exporter)}, and {needed}")
    interface = declared_interface(exporter)
    if interface != INTERFACE:
        what = "declares no interface" if interface is None else f"built for interface {interface}"
        remedy = f"install a version of {_distribution(point)} for magictel {__version__} (interface = {INTERFACE})"
        raise PluginError("plugin.interface", what, remedy)
    if not isinstance(getattr(exporter, "Settings", None), type):
        raise plugin_error(point, f"{point.value} has no Settings")
    if issubclass(exporter, PageExporter):
        return
    if not isinstance(getattr(exporter, "Encoder", None), type):
        raise plugin_error(point, f"{point.value} has no Encoder")
    if getattr(exporter.Encoder, "__abstractmethods__", None):
        raise plugin_error(point, f"{exporter.Encoder.__name__}, the Encoder of {point.value}, has no method encode")


def _kind_of(plugin: type[Any]) -> str:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader

    if issubclass(plugin, MetricReader):
        return "an OpenTelemetry MetricReader"
    return "an OpenTelemetry MetricExporter" if issubclass(plugin, MetricExporter) else "not an exporter"


def plugin_error(point: EntryPoint, reason: str) -> PluginError:
    """Return the error for an exporter that cannot be loaded."""
    return PluginError("plugin.broken", reason, f"fix or uninstall {_named(point)}")


def required_options(exporter: type[Any]) -> tuple[tuple[str, str], ...]:
    """Return the key and the variable of each option without a default."""
    from magictel.settings.fields import fields_of

    return tuple((field.key, field.env[0]) for field in fields_of(exporter.Settings) if field.required)


def import_error(failure: BaseException) -> str:
    """Return why an import failed, on a single line, with passwords, keys and tokens masked."""
    if isinstance(failure, SystemExit):
        return "its import tried to end the process"
    text = masked(" ".join(str(failure).split()))
    if isinstance(failure, ImportError) and text:
        return text[:200]
    return f"{type(failure).__name__}{': ' + text[:200] if text else ''}"


def is_malformed(point: EntryPoint) -> bool:
    """Return whether the value of an entry point names no object: `EntryPoint.module` would raise."""
    return EntryPoint.pattern.match(point.value) is None


def is_built_in(point: EntryPoint) -> bool:
    """Return whether an entry point is built in."""
    row = BUILT_IN.get(point.name)
    return row is not None and row.value == point.value


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def package_of(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the package that registered an entry point."""
    if is_built_in(point):
        return "magictel", __version__
    return (point.dist.name, point.dist.version) if point.dist is not None else ("unknown", "unknown")


def _named(point: EntryPoint) -> str:
    return " ".join(package_of(point))
