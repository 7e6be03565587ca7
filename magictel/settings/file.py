"""`magictel.toml`: its targets, their keys, and the line of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from magictel import env_quotes
from magictel.errors import SettingsError
from magictel.files import NotRegular, open_regular
from magictel.settings.locate import VARIABLE, locate
from magictel.settings.names import TARGET_NAME, did_you_mean, normal
from magictel.settings.origin import Origin, file_line
from magictel.settings.toml_lines import key_lines, line_of

_LARGEST = 1_048_576
_AT = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class Table:
    """A table `[targets.NAME]`: exporter and enabled, and every other key with its raw value and its origin."""

    name: str
    exporter: str
    enabled: bool
    origin: Origin
    enabled_by: Origin
    exporter_by: Origin
    values: Mapping[str, tuple[Any, Origin]] = field(repr=False)  # may contain plain-text secrets


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file of targets; `shown` is the path as given. `tables` are keyed by name, in the file's order.

    `named`: the user named it (an option, a variable, an argument). A file found in the working directory may have come with an
    archive or a pull request: see `trust` for its restrictions.
    """

    path: Path
    shown: str
    tables: Mapping[str, Table]
    named: bool = True

    def table(self, name: str) -> Table | None:
        """Return the table of a target, under either spelling of its name."""
        wanted = normal(name)
        return next((table for known, table in self.tables.items() if normal(known) == wanted), None)


def find(option: str | None, environment: Mapping[str, str], folder: Path) -> ConfigFile | None:
    """Return the configuration file from `--config`, `MAGICTEL_CONFIG` or `folder`, or None if none is named and none exists."""
    path, shown, said_by = locate(option, environment, folder)
    if said_by is None and not path.exists():
        return None
    try:
        with open_regular(path) as opened:
            data = opened.read(_LARGEST + 1)
    except OSError as failure:
        missing = isinstance(failure, FileNotFoundError)
        why = "does not exist" if missing else f"cannot be read ({failure.strerror})"
        if missing and said_by == VARIABLE and env_quotes.unquoted(shown) is not None:
            remedy = f"write {VARIABLE}={env_quotes.unquoted(shown)}"
            raise SettingsError(env_quotes.CODE, f"{VARIABLE} {env_quotes.WHY}", remedy, VARIABLE) from None
        raise SettingsError(
            "config.file.missing" if missing else "config.file.unreadable",
            f"the file {shown} {why}",
            _remedy(failure, shown),
            said_by or shown,
        ) from None
    if len(data) > _LARGEST:
        raise SettingsError(
            "config.file.unreadable",
            f"the file {shown} is larger than 1 MiB",
            "name a file of targets",
            said_by or shown,
        )
    return replace(parse(data, path, shown), named=said_by is not None)


def _remedy(failure: OSError, shown: str) -> str:
    if isinstance(failure, FileNotFoundError):
        return f"create it with: magictel init --config {shown}"
    if isinstance(failure, IsADirectoryError):
        return f"name a file, for example {shown.rstrip('/')}/magictel.toml"
    if isinstance(failure, NotRegular):
        return "name a regular file of targets"
    return f"fix the permissions of {shown}"


def parse(data: bytes | str, path: Path, shown: str) -> ConfigFile:
    """Parse a configuration file. Raise `SettingsError` with file and line."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = failure.object.count(b"\n", 0, failure.start) + 1
        raise SettingsError(
            "config.file.syntax", f"{shown} is not UTF-8 text", "save it as UTF-8", str(file_line(shown, line))
        ) from None
    text = text.replace("\r\n", "\n")
    import tomllib  # not every command has a file

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise _syntax(failure, text, shown) from None
    lines = key_lines(text)
    _only_known(document, ("targets",), lambda key: file_line(shown, line_of(lines, (key,))))
    tables: dict[str, Table] = {}
    targets = document.get("targets", {})
    if not isinstance(targets, dict):
        raise _shape("targets is not a table", file_line(shown, line_of(lines, ("targets",))))
    for name, content in targets.items():
        where = file_line(shown, line_of(lines, ("targets", name)))
        if not isinstance(content, dict):
            raise _shape(f"{name} is not a table", where)
        if not TARGET_NAME.fullmatch(name):
            raise SettingsError(
                "config.target.name",
                f"{name!r} is not a valid target name",
                "use letters, digits, - and _, beginning with a letter or digit",
                str(where),
            )
        twin = next((known for known in tables if normal(known) == normal(name)), None)
        if twin is not None:
            raise SettingsError(
                "config.target.duplicate",
                f"{name} and {twin} are the same name: - and _ are equal",
                f"rename one of them ({twin} is at {tables[twin].origin})",
                str(where),
            )
        tables[name] = _table(name, content, where, shown, lines)
    return ConfigFile(path, shown, tables)


def _table(
    name: str, content: dict[str, Any], where: Origin, shown: str, lines: Mapping[tuple[str, ...], int]
) -> Table:
    values: dict[str, tuple[Any, Origin]] = {}
    for key, value in content.items():
        origin = file_line(shown, line_of(lines, ("targets", name, key)))
        plain = key.strip().replace("-", "_")
        if plain in values:
            raise SettingsError(
                "config.key.duplicate", f"{plain} is set twice in {name}", f"remove one of {plain}", str(origin)
            )
        values[plain] = (value, origin)
    exporter, exporter_by = values.pop("exporter", (name, where))
    enabled, enabled_by = values.pop("enabled", (True, where))
    if not isinstance(exporter, str) or not exporter.strip():
        raise _shape(f"{name}: exporter is not a name", exporter_by, 'for example exporter = "elasticsearch"')
    if not isinstance(enabled, bool):
        raise _shape(f"{name}: enabled is not true or false", enabled_by, "use enabled = true or enabled = false")
    return Table(name, exporter.strip(), enabled, where, enabled_by, exporter_by, values)


def _only_known(document: dict[str, Any], known: tuple[str, ...], origin: Any) -> None:
    for key in document:
        if key not in known:
            hint = did_you_mean(key, known)
            raise SettingsError(
                "config.unknown-key",
                f"{key}: no such table" + (f". {hint}" if hint else ""),
                "each target is a separate table: [targets.NAME]",
                str(origin(key)),
            )


def _shape(
    message: str, origin: Origin, remedy: str = "each target is a separate table: [targets.NAME]"
) -> SettingsError:
    return SettingsError("config.file.shape", message, remedy, str(origin))


def _syntax(failure: ValueError, text: str, shown: str) -> SettingsError:
    message = str(failure)
    at = _AT.search(message)
    line = int(at[1]) if at and at[1] else text.rstrip().count("\n") + 1
    why = _AT.sub("", message)
    return SettingsError(
        "config.file.syntax",
        f"{shown} is not valid TOML: {why[:1].lower()}{why[1:]}",
        f"fix line {line}; strings need quotes",
        str(file_line(shown, line)),
    )
