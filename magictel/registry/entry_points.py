"""The registered exporters: entry points of the group `magictel.exporters`, listed without importing, loaded one at a time.

Names come from `importlib.metadata`: stevedore caches its list on disk with times truncated to 32-bit floats, so it misses a
package installed up to two minutes after the last scan. stevedore then loads from this fresh list. Duplicate names are detected
here (stevedore's resolver sees adjacent ones only). Facts about built-in exporters come from `catalogue.builtin_exporters`, so
that listing imports none of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from magictel.catalogue.builtin_exporters import BUILT_IN, BuiltIn
from magictel.errors import PluginError
from magictel.secrets.masking import masked

GROUP = "magictel.exporters"
OTHERS_GROUP = "opentelemetry_metrics_exporter"
State = Literal["ready", "needs", "broken"]
_KINDS = ("push", "foreign")
"""Kinds of exporters that can run; pages are not supported yet."""


@dataclass(frozen=True, slots=True)
class Registration:
    """An entry point: a name, the package that registered it, and its state.

    `reason`: for `needs` the unset variables, for `broken` the error, for `ready` a remark or None. `seconds`: duration of the
    import, None if nothing was imported. `required` maps keys without default to their variables.
    """

    name: str
    package: str
    version: str
    state: State
    reason: str | None = None
    summary: str = ""
    required: tuple[tuple[str, str], ...] = ()
    seconds: float | None = None

    @property
    def says(self) -> str:
        """Return the displayed state: `configured`, `needs ACME_URL`, `broken: No module named 'acme_sdk'`."""
        if self.state == "needs":
            return f"needs {self.reason}"
        return f"broken: {self.reason}" if self.state == "broken" else "configured"


def names() -> tuple[str, ...]:
    """Return every registered name without duplicates, built-in ones first, without importing any."""
    return tuple(dict.fromkeys(point.name for point in installed()))


def registrations(environment: Mapping[str, str]) -> tuple[Registration, ...]:
    """Return every entry point; built-in ones are not imported, others are, guarded and timed.

    A name registered by two packages is listed for each: a built-in exporter keeps its name, otherwise neither gets it.
    """
    points = installed()
    return tuple(registration(point, points, environment) for point in points)


def registration(point: EntryPoint, points: list[EntryPoint], environment: Mapping[str, str]) -> Registration:
    """Return the registration of an entry point among all; entry points of other packages are imported."""
    package, version = package_of(point)
    plain = Registration(point.name, package, version, "ready")
    taken = _taken(point, points)
    if taken is not None:
        return replace(plain, state="broken", reason=taken)
    twins = [twin for twin in points if twin is not point and _normal(twin.name) == _normal(point.name)]
    remark = f"also registered by {' and '.join(map(_named, twins))}, which is ignored" if twins else None
    row = BUILT_IN.get(point.name) if is_built_in(point) else None
    seconds = None
    if row is None:
        started = time.perf_counter()
        try:
            exporter = _load(point)
            row = BuiltIn(point.value, str(getattr(exporter, "summary", "")), _required(exporter))
        except PluginError as failure:
            return replace(plain, state="broken", reason=failure.message, seconds=time.perf_counter() - started)
        except Exception as failure:
            return replace(plain, state="broken", reason=_reason(failure), seconds=time.perf_counter() - started)
        seconds = time.perf_counter() - started
    missing = [variable for _, variable in row.required if not environment.get(variable, "").strip()]
    return replace(
        plain,
        state="needs" if missing else "ready",
        reason=", ".join(missing) if missing else remark,
        summary=row.summary,
        required=row.required,
        seconds=seconds,
    )


def registration_of(name: str) -> Registration | None:
    """Return the registration of a name without importing it, and without state and summary."""
    points = [point for point in installed() if _normal(point.name) == _normal(name)]
    return Registration(points[0].name, *package_of(points[0]), "ready") if points else None


def others() -> tuple[Registration, ...]:
    """Return the entry points of other packages in OpenTelemetry's group, without importing them."""
    points = sorted(entry_points(group=OTHERS_GROUP), key=lambda point: point.name)
    registrations = []
    for point in points:
        if point.value.startswith("magictel."):
            continue
        package, version = package_of(point)
        registrations.append(
            Registration(point.name, package, version, "ready", None, f"OpenTelemetry exporter, {point.value}")
        )
    return tuple(registrations)


def load(name: str) -> type[Any]:
    """Import and return the exporter class of a registered name. Raise `PluginError` with the reason."""
    wanted = _normal(name)
    points = installed()
    mine = [point for point in points if _normal(point.name) == wanted]
    if not mine:
        from magictel.settings.names import did_you_mean

        hint = did_you_mean(name, names())
        message = f'no exporter is called "{name}"' + (f". {hint}" if hint else "")
        raise PluginError("plugin.unknown", message, "magictel list shows every exporter")
    taken = _taken(mine[0], points)
    if taken is not None:
        raise PluginError("plugin.duplicate", f"{name}: {taken}", "uninstall one of the packages")
    return _load(mine[0])


def builtin_source() -> str:
    """Return the text of `builtin.py`, generated from the exporters; a test compares it with the file."""
    rows = []
    for point in installed():
        if not is_built_in(point):
            continue
        exporter = _load(point)
        row = BuiltIn(point.value, exporter.summary, _required(exporter))
        rows.append(
            f"    {_quoted(point.name)}: BuiltIn(\n"
            f"        {_quoted(row.value)},\n"
            f"        {_quoted(row.summary)},\n"
            f"        ({''.join(f'({_quoted(key)}, {_quoted(name)}),' for key, name in row.required)}),\n"
            "    ),\n"
        )
    return _BUILTIN_HEAD + "".join(rows) + "}\n"


class _Failed(Exception):  # noqa: N818 # carries a reason from stevedore's callback
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def installed() -> list[EntryPoint]:
    """Return every entry point of the group, built-in ones first, without importing any."""
    order = {name: number for number, name in enumerate(BUILT_IN)}
    return sorted(_scanned(), key=lambda point: (not is_built_in(point), order.get(point.name, 0), point.name))


def _scanned() -> list[EntryPoint]:
    """The entry points, each distribution's once: an editable installation may show its own twice."""
    by_value: dict[tuple[str, str], list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        by_value.setdefault((point.name, point.value), []).append(point)
    unique: list[EntryPoint] = []
    for points in by_value.values():  # the name of a distribution costs the parsing of all that it says of itself
        unique += points if len(points) == 1 else {_distribution(point): point for point in points}.values()
    return unique


def _taken(point: EntryPoint, points: Iterable[EntryPoint]) -> str | None:
    """Return why a name does not belong to this entry point: another package has it, or also has it."""
    if is_built_in(point):
        return None
    twins = [twin for twin in points if twin is not point and _normal(twin.name) == _normal(point.name)]
    if not twins:
        return None
    ours = next((twin for twin in twins if is_built_in(twin)), None)
    if ours is not None:
        return f"the name is taken by {_named(ours)}"
    return f"registered twice, by {' and '.join(sorted(map(_named, [point, *twins])))}"


def _load(point: EntryPoint) -> type[Any]:
    """Import with stevedore, with its list of entry points replaced by the fresh one."""
    if is_malformed(point):
        reason = f'its entry point "{point.value}" is not module:Class'
        raise PluginError("plugin.broken", reason, f"fix or uninstall {_named(point)}")
    from stevedore import ExtensionManager

    class Fresh(ExtensionManager):  # type: ignore[misc, type-arg, unused-ignore] # stevedore's types differ by version
        def list_entry_points(self) -> list[EntryPoint]:
            return [point]

    def failed(_manager: object, _point: object, failure: BaseException) -> None:
        raise _Failed(_reason(failure)) from failure

    try:
        with redirect_stdout(sys.stderr):  # a plugin that prints during its import must not corrupt a JSON document
            extensions = Fresh(GROUP, on_load_failure_callback=failed).extensions
    except _Failed as failure:
        raise PluginError("plugin.broken", failure.reason, f"fix or uninstall {_named(point)}") from failure
    except (SystemExit, Exception) as failure:  # a plugin may even try to end the process
        raise PluginError("plugin.broken", _reason(failure), f"fix or uninstall {_named(point)}") from None
    plugin = extensions[0].plugin
    _fits(plugin, point)
    exporter: type[Any] = plugin
    return exporter


def _fits(exporter: Any, point: EntryPoint) -> None:
    """Raise `PluginError` for an object that is not an exporter of this interface."""
    remedy = f"fix or uninstall {_named(point)}"
    if not isinstance(exporter, type):
        raise PluginError("plugin.broken", f"{point.value} is not a class", remedy)
    from magictel.plugin.exporter import Exporter
    from magictel.plugin.interface import INTERFACE, declared_interface

    if not issubclass(exporter, Exporter):
        what = f"{point.value} is {_kind_of(exporter)}, and magictel needs a subclass of magictel.Exporter"
        raise PluginError("plugin.broken", what, remedy)
    interface = declared_interface(exporter)
    if interface is None:
        what = "declares no interface"
        raise PluginError("plugin.interface", what, f"{remedy}: its own class must set interface = {INTERFACE}")
    if interface != INTERFACE:
        raise PluginError(
            "plugin.interface",
            f"built for interface {interface}",
            f"install a version of {_distribution(point)} for interface {INTERFACE}",
        )
    if not isinstance(getattr(exporter, "Settings", None), type):
        raise PluginError("plugin.broken", f"{point.value} has no Settings", remedy)
    if exporter.kind not in _KINDS:
        raise PluginError("plugin.broken", f'{point.value} is of the unknown kind "{exporter.kind}"', remedy)


def _kind_of(plugin: type[Any]) -> str:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader

    if issubclass(plugin, MetricReader):
        return "an OpenTelemetry MetricReader"
    return "an OpenTelemetry MetricExporter" if issubclass(plugin, MetricExporter) else "not an exporter"


def _required(exporter: type[Any]) -> tuple[tuple[str, str], ...]:
    from magictel.settings.fields import fields_of

    return tuple((field.key, field.env[0]) for field in fields_of(exporter.Settings) if field.required)


def _reason(failure: BaseException) -> str:
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
        from magictel import __version__

        return "magictel", __version__
    return (point.dist.name, point.dist.version) if point.dist is not None else ("unknown", "unknown")


def _named(point: EntryPoint) -> str:
    return " ".join(package_of(point))


def _normal(name: str) -> str:
    return name.strip().replace("_", "-")


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


_BUILTIN_HEAD = '''"""What is known of built-in exporters without importing them: written by `python -m magictel.registry.entry_points`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class BuiltIn(NamedTuple):
    """Where the class is, its one-line summary, and (key, variable) of each option that has no default."""

    value: str
    summary: str
    required: tuple[tuple[str, str], ...]


BUILT_IN: Mapping[str, BuiltIn] = {
'''

if __name__ == "__main__":
    sys.stdout.write(builtin_source())
