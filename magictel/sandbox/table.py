"""The emulators, by the name of their exporter; each is imported when it is needed.

Those of other packages are entry points of the group `magictel.emulators`: a name, and a class or function that takes `clock=`.
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import cast

from magictel.clock import Clock
from magictel.errors import PluginError, UsageError
from magictel.sandbox.emulator import Emulator
from magictel.secrets.masking import masked

GROUP = "magictel.emulators"
_BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "elasticsearch": "magictel.sandbox.elasticsearch:ElasticsearchEmulator",
        "opensearch": "magictel.sandbox.elasticsearch:OpenSearchEmulator",
        "prometheus-remote-write": "magictel.sandbox.prometheus_remote_write:PrometheusRemoteWriteEmulator",
    }
)
_log = logging.getLogger("magictel.sandbox")


@functools.cache
def emulators() -> Mapping[str, str]:
    """Return where each emulator is, as `module:attribute`; a built-in one keeps its name."""
    installed = {point.name: point.value for point in sorted(entry_points(group=GROUP))}
    return MappingProxyType(
        {**_BUILT_IN, **{name: value for name, value in installed.items() if name not in _BUILT_IN}}
    )


def usable() -> tuple[str, ...]:
    """Return the names of those that can be used: other packages' are imported, and a broken one is logged."""
    names = list(_BUILT_IN)
    for name in list(emulators())[len(_BUILT_IN) :]:
        try:
            _factory(name)
        except PluginError as failure:
            _log.warning("%s: %s", failure.code, failure.message)
        else:
            names.append(name)
    return tuple(names)


def canonical(name: str) -> str:
    """The table's spelling of a name; `-` and `_` are equal. Raises `UsageError` naming the ones there are."""
    for known in emulators():
        if known.replace("-", "_") == name.strip().replace("-", "_"):
            return known
    raise UsageError(
        "sandbox.unknown-emulator",
        f"there is no emulator for {name!r}",
        f"emulators exist for: {', '.join(emulators())}",
    )


def make(name: str, clock: Clock) -> Emulator:
    """Return a new emulator of the backend of exporter `name`. Raises `UsageError`, `PluginError`."""
    name = canonical(name)
    factory = _factory(name)
    try:
        return factory(clock=clock)
    except Exception as failure:
        if name in _BUILT_IN:
            raise
        raise _broken(name, failure) from failure


def _factory(name: str) -> Callable[..., Emulator]:
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return cast("Callable[..., Emulator]", getattr(importlib.import_module(module), attribute))
    (point, *_) = entry_points(group=GROUP, name=name)
    try:
        return cast("Callable[..., Emulator]", point.load())
    except (SystemExit, Exception) as failure:
        raise _broken(name, failure) from failure


def _broken(name: str, failure: BaseException) -> PluginError:
    why = masked(" ".join(f"{type(failure).__name__}: {failure}".split()))[:200]
    return PluginError(
        "plugin.broken", f"the emulator for {name} cannot be used: {why}", f"fix or uninstall the package of {name}"
    )
