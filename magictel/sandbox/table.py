"""The emulators, by the name of their exporter; each is imported when it is needed.

Those of other packages are entry points of the group `magictel.emulators`: a name, and a class or function that accepts `clock=`.
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from magictel.clock import Clock
from magictel.errors import PluginError, UsageError
from magictel.sandbox.emulator import DatagramEmulator, Emulator
from magictel.secrets.patterns import masked

GROUP = "magictel.emulators"
_BUILT_IN: Mapping[str, tuple[str, str]] = {
    "elasticsearch": ("magictel.sandbox.elasticsearch", "ElasticsearchEmulator"),
    "opensearch": ("magictel.sandbox.elasticsearch", "OpenSearchEmulator"),
    "otlp": ("magictel.sandbox.otlp", "OtlpEmulator"),
    "prometheus": ("magictel.sandbox.prometheus_page", "PrometheusPageEmulator"),
    "prometheus-remote-write": ("magictel.sandbox.prometheus_remote_write", "PrometheusRemoteWriteEmulator"),
    "datadog": ("magictel.sandbox.datadog", "DatadogEmulator"),
    "newrelic": ("magictel.sandbox.newrelic", "NewRelicEmulator"),
    "statsd": ("magictel.sandbox.statsd", "StatsdEmulator"),
}
_MEMBERS = {
    "handle": ("name", "handle", "is_write", "stored", "environment"),
    "receive": ("name", "receive", "stored", "environment"),
    "script": ("script", "writes", "origin", "environment"),
}
"""What an emulator must have, by the member that shows its kind: HTTP, datagrams, or a `magictel.conformance.Stage`."""
_log = logging.getLogger("magictel.sandbox")


@functools.cache
def _points() -> Mapping[str, EntryPoint]:
    """Return the entry points of other packages by name; a built-in emulator keeps its name."""
    return {point.name: point for point in sorted(entry_points(group=GROUP)) if point.name not in _BUILT_IN}


def emulators() -> tuple[str, ...]:
    """Return the names of all emulators; those of other packages are not imported."""
    return (*_BUILT_IN, *_points())


def usable() -> tuple[str, ...]:
    """Return the names of usable emulators; those of other packages are imported, and a broken one is logged."""
    names = list(_BUILT_IN)
    for name, point in _points().items():
        try:
            _load(point)
        except PluginError as failure:
            _log.warning("%s: %s", failure.code, failure.message)
        else:
            names.append(name)
    return tuple(names)


def canonical(name: str) -> str:
    """Return the registered spelling of a name; `-` and `_` are equal. Raise `UsageError`."""
    for known in emulators():
        if known.replace("-", "_") == name.strip().replace("-", "_"):
            return known
    raise UsageError(
        "sandbox.unknown-emulator",
        f"there is no emulator for {name!r}",
        f"emulators exist for: {', '.join(emulators())}",
    )


def make(name: str, clock: Clock) -> Emulator | DatagramEmulator:
    """Return a new emulator of the backend of exporter `name`. Raise `UsageError`, `PluginError`."""
    name = canonical(name)
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        return cast("Emulator", getattr(importlib.import_module(module), attribute)(clock=clock))
    point = _points()[name]
    factory = _load(point)
    try:
        emulator = factory(clock=clock)
        kind = next((member for member in _MEMBERS if hasattr(emulator, member)), "handle")
        missing = [member for member in _MEMBERS[kind] if not hasattr(emulator, member)]
    except Exception as failure:
        raise _broken(point, f"cannot be called with clock=: {_reason(failure)}") from failure
    if missing:
        raise _broken(point, f"returns a {type(emulator).__name__}, which has no {' and no '.join(missing)}")
    return cast("Emulator", emulator)


def _load(point: EntryPoint) -> Callable[..., object]:
    """Import and return the class or function of an entry point. Raise `PluginError`."""
    if EntryPoint.pattern.match(point.value) is None:
        raise _broken(point, "is not MODULE:CLASS")
    try:
        module = importlib.import_module(point.module)
    except (SystemExit, Exception) as failure:
        raise _broken(point, f"cannot be imported: {_reason(failure)}") from failure
    try:
        factory = functools.reduce(getattr, filter(None, (point.attr or "").split(".")), cast("Any", module))
    except AttributeError as failure:
        raise _broken(point, f"names what {point.module} does not have") from failure
    if not callable(factory):
        raise _broken(point, "names no class or function")
    return cast("Callable[..., object]", factory)


def _reason(failure: BaseException) -> str:
    return masked(" ".join(f"{type(failure).__name__}: {failure}".split()))[:200]


def _broken(point: EntryPoint, problem: str) -> PluginError:
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "its package"
    return PluginError(
        "plugin.broken",
        f'the emulator for {point.name} cannot be used: the entry point {point.name} = "{point.value}" of {package} {problem}',
        f'fix [project.entry-points."{GROUP}"] or the emulator in {package} and install it again, or uninstall it',
    )
