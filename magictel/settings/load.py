"""One target's settings from all their layers, each value with its origin.

The target that an exporter's name implies: defaults < backend variables (`ELASTICSEARCH_URL`) < `--set`. A target of the file:
defaults < backend variables, only for what its table leaves unset < its table < `MAGICTEL_<TARGET>__<KEY>` < `--set`; so one
exported `ELASTICSEARCH_URL` does not point prod and staging at the same server. An empty variable counts as unset, except
where that would hide a mistake: an empty secret or address is an error, and an empty proxy means none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from magictel.credentials import check_secret
from magictel.errors import SettingsError
from magictel.redactor import Redactor
from magictel.secrets import Secret
from magictel.settings import convert
from magictel.settings.expand import Malformed, Unset, expand, near_variables, read_secret_file
from magictel.settings.fields import Field, field_map, masked
from magictel.settings.file import ConfigFile, Table
from magictel.settings.model import ExporterSettings
from magictel.settings.names import did_you_mean, target_variable
from magictel.settings.origin import DEFAULT, Origin, variable
from magictel.settings.strays import strays

S = TypeVar("S", bound=ExporterSettings)
Layer = Mapping[str, tuple[Any, Origin]]
_LATER = Secret("given-later")


class UnusableSettings(SettingsError):  # noqa: N818 # named by what it says of the settings
    """The first of a target's mistakes; `every` holds them all, in the order of the fields."""

    every: tuple[SettingsError, ...] = ()


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
    reading = _Reading(field_map(model), environment, allow_missing_env, folder or Path())
    if config is not None and table is not None:
        reading.file_folder = config.path.parent
    raw = reading.merge(_layers(name, reading.fields, environment, table, overrides or {}))
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
            values[one.key] = _LATER if one.kind == "secret" else one.nothing
    settings = model(**values)
    reading.ask(settings, raw)
    reading.stop_if_wrong()
    origins = {key: raw[key][1] if key in raw else DEFAULT for key in reading.fields}
    return Resolved(name, exporter, settings, origins, tuple(reading.warnings), frozenset(reading.later))


def each_alone(
    model: type[msgspec.Struct], overrides: Layer, environment: Mapping[str, str], folder: Path
) -> dict[str, Any]:
    """Each of these values converted, judged by itself: what the other layers say does not count. Raises `SettingsError`."""
    reading = _Reading(field_map(model), environment, True, folder)
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


@dataclass(slots=True)
class _Reading:
    fields: Mapping[str, Field]
    environment: Mapping[str, str]
    lenient: bool
    folder: Path
    file_folder: Path | None = None
    warnings: list[str] = field(default_factory=list)
    wrong: list[SettingsError] = field(default_factory=list)
    later: set[str] = field(default_factory=set)

    def merge(self, layers: Iterator[Layer]) -> dict[str, tuple[Any, Origin]]:
        """Later layers over earlier ones; `headers.NAME` changes one entry of a table. Unknown keys are noted as wrong."""
        merged: dict[str, tuple[Any, Origin]] = {}
        unknown: dict[str, Origin] = {}
        for layer in layers:
            for path, (value, origin) in layer.items():
                key, dot, entry = path.partition(".")
                one = self.fields.get(key)
                if one is None or (dot and one.kind not in ("mapping", "secrets")):
                    unknown[path] = origin
                elif not dot:
                    merged[key] = (value, origin)
                else:
                    merged[key] = (self.with_entry(one, merged.get(key), entry, value), origin)
        for path, origin in unknown.items():
            self.unknown(path.partition(".")[0], path, origin)
        return merged

    def with_entry(self, one: Field, known: tuple[Any, Origin] | None, entry: str, value: str) -> dict[str, Any]:
        """A table with one entry changed."""
        before = known[0] if known else {}
        if isinstance(before, str):
            try:
                before = convert.split_mapping(before)
            except convert.Unfit as failure:
                self.fail("config.value", one, str(failure), one.remedy, str(known[1] if known else DEFAULT))
                before = {}
        return {**before, entry: value}

    def read(self, one: Field, given: tuple[Any, Origin], values: dict[str, Any]) -> None:
        """Expand, check and convert one value."""
        raw, origin = given
        if one.deprecated:
            self.warnings.append(f"{one.key} is deprecated ({origin}): {one.deprecated}")
        try:
            raw = expand(raw, self.environment)
        except Unset as unset:
            self.unset(one, unset, raw, origin)
            if one.kind == "secret":
                values[one.key] = _LATER
            return
        except Malformed as malformed:
            code = "config.url.unexpanded-variable" if one.address else "config.value"
            remedy = "write ${VARIABLE} or ${VARIABLE:-default}, and $${ where ${ itself is meant"
            self.fail(code, one, str(malformed), remedy, str(origin))
            return
        try:
            if one.secret:
                raw = self.secret(one, raw, origin)
            elif one.address and one.kind == "list" and isinstance(raw, str) and not raw.strip():
                self.empty_address(one, origin)
                return
            values[one.key] = convert.convert(one, raw)
        except convert.Unfit as failure:
            self.fail("config.value", one, str(failure), one.remedy, str(origin))
        except SettingsError as failure:
            self.wrong.append(failure)

    def secret(self, one: Field, raw: Any, origin: Origin) -> Any:
        """The secret, or the mapping of secrets, read from its file and checked."""
        if one.kind == "secrets":
            entries = convert.split_mapping(raw) if isinstance(raw, str) else raw
            if not isinstance(entries, Mapping):
                raise convert.Unfit(f"this is not {one.wanted}")
            return {key: self.checked(f"{one.key}.{key}", value, origin) for key, value in entries.items()}
        if one.kind == "list":
            items = convert.split_list(one, raw) if isinstance(raw, str) else raw
            return [self.checked(one.key, item, origin) for item in items]
        return self.checked(one.key, raw, origin)

    def checked(self, label: str, raw: Any, origin: Origin) -> Any:
        """One secret: `file:` read, white space around it left out and said so."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            raw = str(raw)  # password = 1234 in the file
        if not isinstance(raw, str):
            raise convert.Unfit("this is not a text")
        if raw.startswith("file:"):
            folder = self.file_folder if origin.kind == "file" and self.file_folder else self.folder
            try:
                held = read_secret_file(
                    raw[5:].strip(), folder=folder, environment=self.environment, field=label, origin=str(origin)
                )
            except SettingsError as failure:
                if not self.lenient:
                    raise
                self.warnings.append(f"{failure.message}: taken as given later")
                self.later.add(label.partition(".")[0])
                return _LATER
            if held.warning:
                self.warnings.append(held.warning)
            return check_secret(held.text.strip(), field=label, origin=f"{origin} ({raw[:5]}{raw[5:].strip()})").secret
        found = check_secret(raw, field=label, origin=str(origin))
        if found.note:
            self.warnings.append(f"{found.note} ({origin})")
        return found.secret

    def unset(self, one: Field, unset: Unset, raw: Any, origin: Origin) -> None:
        """A reference to a variable that is not set."""
        if self.lenient:
            self.later.add(one.key)
            self.warnings.append(f"{one.key}: {unset.reference} is not set here ({origin}): taken as given later")
            return
        in_host = one.address and unset.reference in masked(str(raw))
        code = "config.url.unexpanded-variable" if in_host else "config.variable-unset"
        remedy = near_variables(unset.name, self.environment)
        self.fail(code, one, f"{unset.reference} names a variable that is not set", remedy, str(origin))

    def missing(self, one: Field, table: Table | None) -> None:
        """A required field that nobody set."""
        name = one.env[0]
        where = f"set {name}" + (f" or {one.key} in [targets.{table.name}]" if table else f" or --set {one.key}=…")
        if self.lenient:
            self.later.add(one.key)
            self.warnings.append(f"{one.key} is not set here: taken as given later by {name}")
        else:
            origin = str(table.origin) if table else name
            self.fail("config.required", one, f"it is not set, and has no default (needs {name})", where, origin)

    def empty_address(self, one: Field, origin: Origin) -> None:
        """An address that is set to nothing."""
        example = one.example[0] if isinstance(one.example, list) else one.example
        remedy = f"give {origin} an address like {example or 'http://localhost:9200'}, or unset it"
        self.fail("config.url.empty", one, "the address is empty", remedy, str(origin))

    def unknown(self, key: str, path: str, origin: Origin) -> None:
        """A key that the model does not have."""
        hint = did_you_mean(key, self.fields) if key not in self.fields else None
        sentence = f"{path}: there is no such option" + (f". {hint}" if hint else "")
        remedy = "magictel describe shows every option"
        if path in ("enabled", "exporter"):
            sentence = f"{path}: it counts in the file only"
            remedy = "ENABLED_EXPORTERS=… names the targets of one run" if path == "enabled" else "name another target"
        self.wrong.append(SettingsError("config.unknown-key", sentence, remedy, str(origin)))

    def ask(self, settings: ExporterSettings, raw: Mapping[str, tuple[Any, Origin]]) -> None:
        """What the model itself has to say about the values together."""
        redact = Redactor(settings.secret_values())
        for key, code, message, remedy in settings.problems():
            if key in self.later:
                continue
            at = next((word for word in (key, *re.findall(r"[a-z_]+", message)) if word in raw), None)
            origin = str(raw[at][1]) if at else "default"  # what is missing came from nowhere, what asks for it did
            self.wrong.append(SettingsError(code, redact(message), redact(remedy) if remedy else None, origin))

    def fail(self, code: str, one: Field, why: str, remedy: str | None, origin: str) -> None:
        """Note a mistake in one field."""
        self.wrong.append(SettingsError(code, f"{one.key}: {why}", remedy, origin))

    def stop_if_wrong(self) -> None:
        """Raise what was noted, the first in front."""
        if self.wrong:
            first = self.wrong[0]
            failure = UnusableSettings(first.code, first.message, first.remedy, first.origin)
            failure.every = tuple(self.wrong)
            raise failure
