"""The exporter under test: how to create it for a place, and its emulator."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from magictel.clock import Clock, SystemClock
from magictel.conformance.io_faults import FILE, IoFault, io_faults
from magictel.conformance.stages import Stage
from magictel.errors import UsageError
from magictel.plugin.any_exporter import AnyExporter
from magictel.registry import entry_points
from magictel.sandbox.emulator import DatagramEmulator, Emulator
from magictel.sandbox.table import emulators, make
from magictel.settings.fields import Field, fields_of
from magictel.settings.load import resolve_settings
from magictel.settings.model import HttpSettings, SettingsModel

OWN_TIME = (
    "the emulator uses another clock and misses the waits that laws skip: create it with the given clock, "
    "lambda clock: AcmeEmulator(clock=clock)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """The destination of an exporter: the emulator's origin (`http://127.0.0.1:PORT`, `udp://127.0.0.1:PORT`), or a directory.

    `settings` are options that the law sets; pass `clock` to the exporter, otherwise waits take real time.
    """

    origin: str
    folder: Path
    settings: Mapping[str, Any]
    clock: Clock = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables with the emulator's address."""

    @property
    def port(self) -> int:
        """The port of `origin`."""
        return int(self.origin.rpartition(":")[2])


MakeExporter = Callable[[Place], AnyExporter]
MakeEmulator = Callable[[Clock], Emulator | DatagramEmulator | Stage]


@dataclass(frozen=True, slots=True)
class Subject:
    """An exporter under test. Without `emulator`, laws that need a scripted backend are skipped; likewise for `io_faults`."""

    name: str
    exporter: MakeExporter
    emulator: MakeEmulator | None = None
    reproduce: str = "magictel conformance {name}"
    """The command that reproduces a failure, without law and seed."""
    io_faults: tuple[IoFault, ...] = ()


def registered(name: str, emulator: str | None = None) -> Subject:
    """Return the exporter registered under a name, with the sandbox's emulator or the one given as `module:factory`.

    Raise `PluginError` if the exporter cannot be loaded, `UsageError` if the emulator cannot.
    """
    if name.startswith(entry_points.FOREIGN):
        why = f"conformance: {name} is not written for magictel's plugin interface, so its laws do not apply"
        raise UsageError("usage.foreign", why, f"magictel send-sample {name}")
    exporter = entry_points.load(name)

    def built(place: Place) -> AnyExporter:
        written = files(exporter.Settings) if exporter.writes_to == "file" else ()
        file_settings = {field.env[0]: str(place.folder / FILE) for field in written}
        reached = place.environment or {field.env[0]: place.origin for field in addresses(exporter.Settings)}
        resolved = resolve_settings(
            exporter.name, exporter.name, exporter.Settings, environment={**reached, **file_settings}, overrides={}
        )
        known = set(exporter.Settings.__struct_fields__)
        wanted = {"trust_env": False, **place.settings}
        given = {key: value for key, value in wanted.items() if key in known}
        instance: AnyExporter = exporter(msgspec.structs.replace(resolved.settings, **given), clock=place.clock)
        return instance

    command = f"magictel conformance {exporter.name}" + (f" --emulator {emulator}" if emulator else "")
    if emulator is not None:
        return Subject(exporter.name, built, _named(emulator), command)
    if exporter.name in emulators():
        return Subject(exporter.name, built, lambda clock: make(exporter.name, clock), command)
    return Subject(exporter.name, built, None, command, io_faults(exporter.writes_to))


def addresses(model: type[SettingsModel]) -> list[Field]:
    """Return the options with the backend's address; none for an exporter without a network."""
    return [field for field in fields_of(model) if field.address and field.key not in HttpSettings.__struct_fields__]


def files(model: type[SettingsModel]) -> list[Field]:
    """Return the options with a file to write."""
    return [field for field in fields_of(model) if field.file and field.key not in HttpSettings.__struct_fields__]


def _named(text: str) -> MakeEmulator:
    module, _, attribute = text.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
        inspect.signature(factory).bind(clock=SystemClock())
    except (ImportError, AttributeError, ValueError, TypeError) as failure:
        raise UsageError(
            "usage.emulator",
            f"--emulator {text}: {type(failure).__name__}",
            "use MODULE:NAME, a class or function that accepts clock= and returns an emulator",
        ) from None

    def create(clock: Clock) -> Any:
        return factory(clock=clock)

    return create


def keeps_own_time(emulator: object, clock: Clock) -> bool:
    """Return whether it has clocks, but not this one. Direct use of the system clock is not detected."""
    clocks = list(_clocks(emulator, deep=3))
    return bool(clocks) and all(candidate is not clock for candidate in clocks)


def _clocks(thing: object, deep: int) -> Iterator[Any]:
    for value in getattr(thing, "__dict__", {}).values():
        if all(callable(getattr(value, name, None)) for name in ("now", "monotonic", "wait")):
            yield value
        elif deep > 1:
            yield from _clocks(value, deep - 1)
