"""`magictel.toml`: its targets, their keys, and the line of each; and its custom metrics, which `magictel.gateway` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magictel.errors import SettingsError
from magictel.settings import names
from magictel.settings.origin import Origin

TABLES = ("targets", "metrics")
"""The tables at the top of the file."""
_ONE_TABLE_EACH = "each target is a separate table: [targets.NAME]"
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
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """The tables `[metrics.NAME]`."""

    def table(self, name: str) -> Table | None:
        """Return the table of a target, under either spelling of its name."""
        return names.lookup(name, self.tables)


def parse(data: bytes | str, path: Path, shown: str) -> ConfigFile:
    """Parse a configuration file. Raise `SettingsError` with file and line."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = failure.object.count(b"\n", 0, failure.start) + 1
        raise SettingsError(
            "config.file.syntax", f"{shown} is not UTF-8 text", "save it as UTF-8", f"{shown}:{line}"
        ) from None
    text = text.replace("\r\n", "\n")
    import tomllib  # not every command has a file

    from magictel.settings.toml_lines import key_lines, line_of

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise _syntax(failure, text, shown) from None
    except (ValueError, RecursionError) as failure:  # of Python, not of the parser
        deep = isinstance(failure, RecursionError)
        why = "its values are nested too deeply" if deep else "an integer has too many digits"
        raise SettingsError(
            "config.file.syntax", f"{shown} cannot be read: {why}", "correct this value", shown
        ) from None
    lines = key_lines(text)

    def origin(*keys: str) -> Origin:
        line = line_of(lines, keys)
        return Origin("file", f"{shown}:{line}" if line else shown)

    for key in document:
        if key not in TABLES:
            hint = names.did_you_mean(key, TABLES)
            message = f"{key}: no such table" + (f". {hint}" if hint else "")
            raise SettingsError("config.unknown-key", message, _ONE_TABLE_EACH, str(origin(key)))
    targets = document.get("targets", {})
    if not isinstance(targets, dict):
        raise _shape("targets is not a table", origin("targets"))
    tables: dict[str, Table] = {}
    for name, content in targets.items():
        where = origin("targets", name)
        if not isinstance(content, dict):
            raise _shape(f"{name} is not a table", where)
        if not names.TARGET_NAME.fullmatch(name):
            message = f"{name!r} is not a valid target name"
            remedy = "use letters, digits, - and _, beginning with a letter or digit"
            raise SettingsError("config.target.name", message, remedy, str(where))
        twin = names.find(name, tables)
        if twin is not None:
            message = f"{name} and {twin} are the same name: - and _ are equal"
            remedy = f"rename one of them ({twin} is at {tables[twin].origin})"
            raise SettingsError("config.target.duplicate", message, remedy, str(where))
        keys = {key: (value, origin("targets", name, key)) for key, value in content.items()}
        tables[name] = _table(name, keys, where)
    metrics = document.get("metrics", {})
    if not isinstance(metrics, dict):
        raise _shape("metrics is not a table", origin("metrics"), "each metric is a separate table: [metrics.NAME]")
    return ConfigFile(path, shown, tables, metrics=metrics)


def _table(name: str, keys: Mapping[str, tuple[Any, Origin]], where: Origin) -> Table:
    values: dict[str, tuple[Any, Origin]] = {}
    for key, (value, origin) in keys.items():
        plain = key.strip().replace("-", "_")
        if plain in values:
            raise SettingsError(
                "config.key.duplicate", f"{plain} is set twice in {name}", "remove one of them", str(origin)
            )
        values[plain] = (value, origin)
    named, named_by = values.get("verify", (None, where))
    if isinstance(named, dict) and named.keys() == {"target"}:  # other values concern the server's certificate
        if "verify_with" in values:
            message = f"verify_with is set twice in {name}: verify names a target as well"
            raise SettingsError("config.key.duplicate", message, "remove one of them", str(named_by))
        del values["verify"]
        values["verify_with"] = (named["target"], named_by)
    exporter, exporter_by = values.pop("exporter", (name, where))
    enabled, enabled_by = values.pop("enabled", (True, where))
    if not isinstance(exporter, str) or not exporter.strip() or not exporter.isprintable():
        raise _shape(f"{name}: exporter is not a name", exporter_by, 'for example exporter = "elasticsearch"')
    if not isinstance(enabled, bool):
        raise _shape(f"{name}: enabled is not true or false", enabled_by, "use enabled = true or enabled = false")
    return Table(name, exporter.strip(), enabled, where, enabled_by, exporter_by, values)


def _shape(message: str, origin: Origin, remedy: str = _ONE_TABLE_EACH) -> SettingsError:
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
        f"{shown}:{line}",
    )
