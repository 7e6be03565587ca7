"""A target's settings from all layers, each value with its origin.

The target implied by an exporter's name: defaults < preset < backend variables (`ELASTICSEARCH_URL`) < `--set`. A target of the file:
defaults < preset < backend variables, only for keys that its table leaves unset < its table < `MAGICTEL_<TARGET>__<KEY>` < `--set`; so
one exported `ELASTICSEARCH_URL` does not point prod and staging at the same server. An empty variable counts as unset, unless
that would hide an error: an empty secret or address is an error, and an empty proxy disables the proxy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from magictel.errors import SettingsError
from magictel.secrets.redactor import Redactor
from magictel.settings.fields import Field, field_map
from magictel.settings.file import ConfigFile, Table
from magictel.settings.model import SettingsModel
from magictel.settings.names import target_variable
from magictel.settings.origin import DEFAULT, Origin
from magictel.settings.reading import LATER, Layer, Reading
from magictel.settings.trust import refusals, values_from_environment
from magictel.settings.warnings import cautions, unknown_variables

S = TypeVar("S", bound=SettingsModel)


class Resolved(msgspec.Struct, Generic[S], frozen=True):
    """A target's settings with their origins, and warnings about what was fixed or should be."""

    name: str
    exporter: str
    settings: S
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...] = ()
    later: frozenset[str] = frozenset()
    """Keys whose value is supplied later; an empty value or a placeholder replaces it."""
    remedy: str | None = None
    """What resolves one of the warnings."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """Return the keys that are set explicitly."""
        return tuple(key for key, origin in self.origins.items() if origin.kind != "default")


def resolve_settings(
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
    """Merge the layers. Raise `SettingsError`, whose message names the field and contains no secret.

    `allow_missing_env`: missing variables, secret files and required values only cause warnings, because they are supplied
    later. `folder`: base of relative paths of secret files, unless they are set in the configuration file.
    """
    table = config.table(name) if config else None
    reading = Reading(field_map(model), environment, allow_missing_env, folder or Path())
    if config is not None and table is not None:
        reading.file_folder = config.path.parent
    raw = reading.merge(_layers(name, reading.fields, environment, table, overrides or {}))
    raw = {**_preset(model, raw), **raw}
    if config is not None and table is not None:
        reading.redact = Redactor(values_from_environment(config, table, reading.fields, environment))
        reading.errors += refusals(config, table, reading.fields, reading.parts, environment, lenient=allow_missing_env)
        reading.raise_first()
    values: dict[str, Any] = {}
    for key, field in reading.fields.items():
        if key in raw:
            reading.read(field, raw[key], values)
        elif field.required:
            reading.missing(field, table)
    prefixes = model.env_prefix, *model.env_others
    reading.warnings += unknown_variables(name, prefixes, reading.fields, config.tables if config else (), environment)
    reading.raise_first()
    for field in reading.fields.values():
        if field.required and field.key not in values:
            values[field.key] = LATER if field.kind == "secret" else field.nothing
    settings = model(**values)
    reading.check_model(settings, raw)
    reading.raise_first()
    origins = {key: raw[key][1] if key in raw else DEFAULT for key in reading.fields}
    for key, sentence, remedy in cautions(settings):
        reading.warnings.append(f"{sentence} ({origins[key]})")
        reading.remedy = reading.remedy or f"{remedy} ({origins[key]})"
    return Resolved(
        name, exporter, settings, origins, tuple(reading.warnings), frozenset(reading.later), reading.remedy
    )


def given_value(
    key: str,
    name: str,
    model: type[SettingsModel],
    *,
    environment: Mapping[str, str],
    config: ConfigFile | None = None,
) -> Any:
    """Return what the last layer that sets a key says, as written, whether or not the other values are usable; None: no layer does."""
    table = config.table(name) if config else None
    reading = Reading(field_map(model), environment, True, Path())
    value, _ = reading.merge(_layers(name, reading.fields, environment, table, {})).get(key, (None, DEFAULT))
    return value


def _preset(model: type[SettingsModel], raw: Mapping[str, tuple[Any, Origin]]) -> Mapping[str, tuple[Any, Origin]]:
    """Return the values of the chosen preset."""
    name, _ = raw.get("preset", ("", DEFAULT))
    values = model.presets.get(name, {}) if isinstance(name, str) else {}
    return {key: (value, Origin("default", f"preset {name}")) for key, value in values.items()}


def each_alone(
    model: type[msgspec.Struct], overrides: Layer, environment: Mapping[str, str], folder: Path
) -> dict[str, Any]:
    """Return each of these values, converted without the other layers. Raise `SettingsError`."""
    reading = Reading(field_map(model), environment, True, folder)
    values: dict[str, Any] = {}
    for key, given in reading.merge(iter((overrides,))).items():
        reading.read(reading.fields[key], given, values)
    reading.raise_first()
    return values


def backend_variables(fields: Mapping[str, Field], environment: Mapping[str, str]) -> Iterator[tuple[str, Any, Origin]]:
    """Yield the effective variables of a backend: key, value in the option's form, origin."""
    for field in fields.values():
        for name in field.env:
            text = environment.get(name)
            if text is not None and _is_set(field, name, text):
                yield field.key, _read(field, name, text), Origin("variable", name)
                break


def _read(field: Field, name: str, text: str) -> Any:
    """Return a variable's text in the option's form. Raise `SettingsError` for invalid text."""
    read = field.read.get(name)
    if read is None or not text.strip():
        return text
    try:
        return read(text)
    except ValueError as failure:
        raise SettingsError(
            "config.value", f"{field.key}: {name}: {failure}", f"correct {name}, or unset it", name
        ) from None


def _is_set(field: Field, name: str, text: str) -> bool:
    """True for a variable with a value. An empty address or secret is an error, but not in OpenTelemetry's own: these count as unset."""
    return bool(text.strip()) or ((field.secret or field.address) and not name.startswith("OTEL_"))


def _layers(
    name: str, fields: Mapping[str, Field], environment: Mapping[str, str], table: Table | None, overrides: Layer
) -> Iterator[Layer]:
    yield {key: (text, origin) for key, text, origin in backend_variables(fields, environment)}
    if table is not None:
        yield table.values
        prefix = target_variable(table.name, "")
        texts = {}
        for spelled, text in environment.items():
            if spelled.upper().startswith(prefix) and len(spelled) > len(prefix):
                key = spelled[len(prefix) :].lower()
                if key not in fields or _is_set(fields[key], key, text):
                    texts[key] = (text, Origin("variable", spelled))
        yield texts
    yield overrides
