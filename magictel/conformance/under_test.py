"""Who is tested: how exporters are made for a place, and which emulator stands there."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from magictel.clock import Clock, SystemClock
from magictel.conformance.io_faults import FILE, Hindrance, hindrances
from magictel.errors import UsageError
from magictel.plugin.exporter import Exporter
from magictel.registry import entry_points
from magictel.sandbox.emulator import Emulator
from magictel.sandbox.table import emulators, make
from magictel.settings.fields import Field, fields_of
from magictel.settings.load import resolve_settings
from magictel.settings.model import ExporterSettings, HttpSettings

NOWHERE = "http://127.0.0.1:9"
"""An address that exporters can be made with where there is no emulator. No law sends anything to it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exporter is to send: the emulator's origin (`http://127.0.0.1:PORT`; `NOWHERE` without one), or a folder of its own.

    `settings` are options that the law sets; `clock` goes to the exporter, else waiting takes its time.
    """

    origin: str
    folder: Path
    settings: Mapping[str, Any]
    clock: Clock = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables by which the emulator says that it can be reached."""


MakeExporter = Callable[[Place], Exporter[Any]]
MakeEmulator = Callable[[Clock], Emulator]


@dataclass(frozen=True, slots=True)
class Subject:
    """An exporter under test. `emulator` None: laws that need a scripted backend are skipped, `hindrances` likewise."""

    name: str
    exporter: MakeExporter
    emulator: MakeEmulator | None = None
    reproduce: str = "magictel conformance {name}"
    """The command that a failure is reproduced by, without law and seed."""
    hindrances: tuple[Hindrance, ...] = ()


def registered(name: str, emulator: str | None = None) -> Subject:
    """The exporter registered under a name, with the sandbox's emulator for it or the one given as `module:factory`.

    Raises `PluginError` for a name that cannot be loaded, `UsageError` for an emulator that cannot be.
    """
    exporter = entry_points.load(name)

    def built(place: Place) -> Exporter[Any]:
        own = {one.env[0]: str(place.folder / FILE) for one in files(exporter.Settings)}
        reached = place.environment or {one.env[0]: place.origin for one in addresses(exporter.Settings)}
        resolved = resolve_settings(
            exporter.name, exporter.name, exporter.Settings, environment={**reached, **own}, overrides={}
        )
        known = set(exporter.Settings.__struct_fields__)
        wanted = {"trust_env": False, **place.settings}
        given = {key: value for key, value in wanted.items() if key in known}
        made: Exporter[Any] = exporter(msgspec.structs.replace(resolved.settings, **given), clock=place.clock)
        return made

    command = f"magictel conformance {exporter.name}" + (f" --emulator {emulator}" if emulator else "")
    if emulator is not None:
        return Subject(exporter.name, built, _named(emulator), command)
    if exporter.name in emulators():
        return Subject(exporter.name, built, lambda clock: make(exporter.name, clock), command)
    return Subject(exporter.name, built, None, command, hindrances(exporter.writes_to))


def addresses(model: type[ExporterSettings]) -> list[Field]:
    """The options that say where the backend is: none for an exporter that asks nobody over a network."""
    return [one for one in fields_of(model) if one.address and one.key not in HttpSettings.__struct_fields__]


def files(model: type[ExporterSettings]) -> list[Field]:
    """The options that say which file is written."""
    return [one for one in fields_of(model) if one.file and one.key not in HttpSettings.__struct_fields__]


def _named(text: str) -> MakeEmulator:
    module, _, attribute = text.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
        inspect.signature(factory).bind(clock=SystemClock())
    except (ImportError, AttributeError, ValueError, TypeError) as failure:
        raise UsageError(
            "usage.emulator",
            f"--emulator {text}: {type(failure).__name__}",
            "write it as MODULE:NAME, a class or function that takes clock= and gives an emulator",
        ) from None

    def made(clock: Clock) -> Emulator:
        emulator: Emulator = factory(clock=clock)
        return emulator

    return made
