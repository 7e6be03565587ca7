"""One target's settings from all their layers, each value with its origin.

The target that an exporter's name implies: defaults < backend variables (`ELASTICSEARCH_URL`) < `--set`. A target of the file:
defaults < backend variables, only for what its table leaves unset < its table < `MAGICTEL_<TARGET>__<KEY>` < `--set`; so one
exported `ELASTICSEARCH_URL` does not point prod and staging at the same server. An empty variable counts as unset, except
where that would hide a mistake: an empty secret or address is an error, and an empty proxy means none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from magictel.secrets.redactor import Redactor
from magictel.settings.cautions import cautions
from magictel.settings.fields import Field, field_map
from magictel.settings.file import ConfigFile, Table
from magictel.settings.model import ExporterSettings
from magictel.settings.names import target_variable
from magictel.settings.origin import DEFAULT, Origin, variable
from magictel.settings.reading import LATER, Layer, Reading
from magictel.settings.trust import borrowed, refusals
from magictel.settings.unknown_env import strays

S = TypeVar("S", bound=ExporterSettings)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[S]):
    """A target's settings, where each came from, and sentences on what was fixed or should be."""

    name: str
    exporter: str
    settings: S
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...] = ()
    later: frozenset[str] = frozenset()
    """Keys whose value is taken as given later: an empty or made-up one stands in for it."""
    remedy: str | None = None
    """A command that settles one of the warnings."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The keys that somebody set."""
        return tuple(key for key, origin in self.origins.items() if origin.kind != "default")


def resolve(
    name: str,
    exporter: str,
    model: type[S],
    *,
    environment: Mapping[str, str],
    config: ConfigFile | None = None,
    overrides: Layer | None = None,
    allow_missing_env: bool = False,
    folder: Path | None = None,
) -> Resolved[S]:
    """Put the layers together. Raises `SettingsError`, whose text names the field and holds no secret.

    `allow_missing_env`: a value that refers to a variable or secret file that is not there, or a required one that is not set,
    is taken as given later, and said so in the warnings. `folder`: where relative paths of secret files count from, unless
    they stand in the config file.
    """
    table = config.table(name) if config else None
    reading = Reading(field_map(model), environment, allow_missing_env, folder or Path())
    if config is not None and table is not None:
        reading.file_folder = config.path.parent
    raw = reading.merge(_layers(name, reading.fields, environment, table, overrides or {}))
    if config is not None and table is not None:
        reading.hide = Redactor(borrowed(config, table, reading.fields, environment))
        reading.wrong += refusals(config, table, reading.fields, reading.parts, environment, lenient=allow_missing_env)
        reading.stop_if_wrong()
    values: dict[str, Any] = {}
    for key, one in reading.fields.items():
        if key in raw:
            reading.read(one, raw[key], values)
        elif one.required:
            reading.missing(one, table)
    reading.warnings += strays(name, model.env_prefix, reading.fields, config.tables if config else (), environment)
    reading.stop_if_wrong()
    for one in reading.fields.values():
        if one.required and one.key not in values:
            values[one.key] = LATER if one.kind == "secret" else one.nothing
    settings = model(**values)
    reading.ask(settings, raw)
    reading.stop_if_wrong()
    origins = {key: raw[key][1] if key in raw else DEFAULT for key in reading.fields}
    reading.warnings += [f"{sentence} ({origins[key]})" for key, sentence in cautions(settings)]
    return Resolved(
        name, exporter, settings, origins, tuple(reading.warnings), frozenset(reading.later), reading.remedy
    )


def each_alone(
    model: type[msgspec.Struct], overrides: Layer, environment: Mapping[str, str], folder: Path
) -> dict[str, Any]:
    """Each of these values converted, judged by itself: what the other layers say does not count. Raises `SettingsError`."""
    reading = Reading(field_map(model), environment, True, folder)
    values: dict[str, Any] = {}
    for key, given in reading.merge(iter((overrides,))).items():
        reading.read(reading.fields[key], given, values)
    reading.stop_if_wrong()
    return values


def backend_variables(fields: Mapping[str, Field], environment: Mapping[str, str]) -> Iterator[tuple[str, str, Origin]]:
    """The variables of a backend that are set and count: key, text, origin."""
    for one in fields.values():
        for name in one.env:
            text = environment.get(name)
            if text is not None and _counts(one, text):
                yield one.key, text, variable(name)
                break


def _counts(one: Field, text: str) -> bool:
    return bool(text.strip()) or one.secret or one.address


def _layers(
    name: str, fields: Mapping[str, Field], environment: Mapping[str, str], table: Table | None, overrides: Layer
) -> Iterator[Layer]:
    yield {key: (text, origin) for key, text, origin in backend_variables(fields, environment)}
    if table is not None:
        yield table.values
        prefix = target_variable(table.name, "")
        own = {}
        for spelled, text in environment.items():
            if spelled.upper().startswith(prefix) and len(spelled) > len(prefix):
                key = spelled[len(prefix) :].lower()
                if key not in fields or _counts(fields[key], text):
                    own[key] = (text, variable(spelled))
        yield own
    yield overrides
