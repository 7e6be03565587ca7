"""Rules for configuration files that decide where secrets go: your secrets go only to your addresses.

*Your* values are those that you chose for this run: the environment, `--set`, a named file (`--config`, `MAGICTEL_CONFIG`). A
`magictel.toml` found in the working directory is not: it may have come with a clone or a pull request. In such a file:

1. Its own values, including its own secrets, may go to its own addresses.
2. If it sets an option that decides where requests go or which server is trusted (`routes` on the field: address, proxy, headers,
   TLS, and by default every option of a plugin) to a value that the environment alone would not give, the target uses none of your
   secrets: no variable of the backend, no `MAGICTEL_<TARGET>__<KEY>`, no `--set`, and no `${VARIABLE}` in an option that may be sent.
3. `${VARIABLE}` is allowed if the address is yours as well: from the environment, or exactly one `${…_URL}` (a path may follow).
4. Files that it names are in its directory, with links resolved, and are not hidden (`.env`, `.git`).
5. Its table with an exporter's own name does not replace the address of the exporter's variable.

Naming the file means consent. Nothing is read or sent before this is decided.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from magictel.catalogue.builtin_exporters import BUILT_IN
from magictel.errors import SettingsError
from magictel.secrets.secret import MASK
from magictel.settings import convert
from magictel.settings.fields import Field
from magictel.settings.file import ConfigFile, Table
from magictel.settings.interpolate import REFERENCE, Malformed, Unset, expand
from magictel.settings.names import either, normal
from magictel.settings.origin import Origin
from magictel.settings.secret_values import userinfo_secrets
from magictel.settings.values import entries, hosts, named_for, outside, texts

CODE = "config.untrusted-file"
Parts = Mapping[str, Sequence[tuple[Any, Origin]]]
"""The layers of each key's value: one value, or entries of a table over lower ones."""

_ONE_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}(/[^\s,]*)?")
"""A path may follow, but no comma, which would begin another address."""
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+")
_ROUTING_HEADER = re.compile(r"host|forwarded|x-(?:forwarded|original|rewrite|http-method|real)\b.*", re.IGNORECASE)
_HARMLESS = frozenset({"number", "whole", "switch", "choice"})


def refusals(
    config: ConfigFile,
    table: Table,
    fields: Mapping[str, Field],
    parts: Parts,
    environment: Mapping[str, str],
    *,
    lenient: bool = False,
) -> Iterator[SettingsError]:
    """Yield the violations of an unnamed file, each with its line; nothing for a named file.

    `lenient`: unset variables are supplied later.
    """
    if config.named:
        return
    review = _Review(config, table, fields, environment, lenient)
    for key, layers in parts.items():
        for value, origin in layers:
            if origin.kind == "file":
                review.add_file_value(fields[key], value, origin)
            else:
                review.add_user_value(fields[key], value, origin)
    yield from review.refused
    yield from review.violations()


def values_from_environment(
    config: ConfigFile, table: Table, fields: Mapping[str, Field], environment: Mapping[str, str]
) -> Iterator[str]:
    """Yield the values, except addresses, that an unnamed file reads from the environment: messages must not show them."""
    for key, (value, _) in () if config.named else table.values.items():
        if key not in fields or not fields[key].address:
            for text in texts(value):
                yield from (environment.get(match[2], "") for match in REFERENCE.finditer(text) if match[2])


class _Routing(NamedTuple):
    """An option of the file that decides where requests go or which server is trusted."""

    field: Field
    value: Any
    origin: Origin


class _Review(msgspec.Struct):
    """The routing options of the file, and your secrets that they would affect."""

    config: ConfigFile
    table: Table
    fields: Mapping[str, Field]
    environment: Mapping[str, str]
    lenient: bool
    routing: list[_Routing] = []
    secrets: list[str] = []
    """Names of variables or options, never values."""
    variables: list[tuple[Field, str, Origin]] = []
    """Variables that the file reads, other than the field's own."""
    address: str | None = None
    """Your address, without its credentials."""
    refused: list[SettingsError] = []

    def add_user_value(self, field: Field, value: Any, origin: Origin) -> None:
        """Note one of your values."""
        written = list(texts(value))
        if field.credential or (field.address and any(_has_login(text) for text in written)):
            self.secrets.append(str(origin))
        if written and _is_destination(field):
            self.address = self.address or written[0]

    def add_file_value(self, field: Field, value: Any, origin: Origin) -> None:
        """Note a value of the file."""
        chosen = [self._names_one_variable(field, entry, text) for entry, text in entries(value)]
        whole = bool(chosen) and all(chosen)
        if field.routes and not whole and not self._as_without_the_file(field, value):
            self.routing.append(_Routing(field, value, origin))
        if whole and _is_destination(field):
            self.address = self.address or str(self._expanded(next(texts(value))))
        for (_, text), named in zip(entries(value), chosen, strict=True):
            self._note_variables(field, text, named, origin)
            self._check_file(field, text, named, origin)

    def violations(self) -> Iterator[SettingsError]:
        """Yield the violations after all values are noted."""
        secrets = list(dict.fromkeys(self.secrets))
        by_address = sorted(self.routing, key=lambda routing: not routing.field.address)
        if by_address and secrets:
            yield self._sent_elsewhere(by_address[0], secrets)
        elif self.variables and self.address is None and self._has_default_address():
            field, name, origin = self.variables[0]
            yield self._refusal(field, origin, f"would send {name} to an address that you did not set")
        else:
            yield from self._redirected(by_address)

    def _sent_elsewhere(self, routing: _Routing, secrets: Sequence[str]) -> SettingsError:
        field, origin = routing.field, routing.origin
        own_names = set(texts(routing.value))  # naming "${X}" for the host in "${X}" is no information
        secrets = [name for name in secrets if name not in own_names] or secrets
        names = either(secrets[:3]).replace(" or ", " and ") + (" and more" if len(secrets) > 3 else "")
        if field.address:
            preposition = "through" if _is_proxy(field) else "to"
            return self._refusal(field, origin, f"would send {names} {preposition} {hosts(routing.value)}")
        shown = MASK if field.secret else " ".join(texts(field.shown(routing.value)))
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        host = f" to {hosts([self.address])}" if self.address else ""
        return self._refusal(field, origin, f"would send {names}{host} under its own {field.key} = {shown}")

    def _redirected(self, routings: Sequence[_Routing]) -> Iterator[SettingsError]:
        """Yield a violation if the table replaces the address of the exporter's variable."""
        implied = normal(self.table.name)
        if implied != normal(self.table.exporter) and implied not in BUILT_IN:
            return
        for routing in routings:
            variables = routing.field.env if implied == normal(self.table.exporter) else (f"{_upper(implied)}_URL",)
            name = next((name for name in variables if self.environment.get(name, "").strip()), None)
            if routing.field.address and name is not None:
                why = f"would send to {hosts(routing.value)} instead of to {name}"
                yield self._refusal(routing.field, routing.origin, why)

    def _refusal(self, field: Field, origin: Origin, why: str) -> SettingsError:
        named = shlex.quote(str(self.config.path.absolute()))
        return SettingsError(
            CODE,
            f"{field.key}: refused: {origin} {why}, and this file was only found in the working directory, not named",
            f"if you trust this file, name it: export MAGICTEL_CONFIG={named}",
            str(origin),
        )

    # ---- one value ---------------------------------------------------------------------------------------------------

    def _names_one_variable(self, field: Field, entry: str | None, text: str) -> bool:
        """Return whether the environment alone decides the text: a single `${VARIABLE}` named after its use."""
        match = _ONE_VARIABLE.fullmatch(text.strip())
        if match is None:
            return False
        name, default, rest = match.groups()
        value = self.environment.get(name)
        if not value and not (self.lenient and value is None):
            return not default and not rest  # an unset variable is a separate error, and an empty one has no value
        if value is None and default:
            return False
        if value is not None and rest and not (field.address and _AUTHORITY.match(value.rpartition(",")[2].strip())):
            return False
        if entry is not None:
            return not _ROUTING_HEADER.fullmatch(entry.strip())
        return not (field.routes or field.file) or named_for(field, name)

    def _note_variables(self, field: Field, text: str, named: bool, origin: Origin) -> None:
        """Note the variables in a text as secrets, unless the option is never sent or is the address itself."""
        if (field.kind in _HARMLESS and not field.routes) or (field.file and not field.credential):
            return
        for number, name in enumerate(self._variables_in(text)):
            is_address = field.address and named and number == 0
            if not is_address or _has_login(self.environment.get(name, "")):
                self.secrets.append(f"${{{name}}}")
            if not is_address and name not in field.env:
                self.variables.append((field, name, origin))

    def _check_file(self, field: Field, text: str, named: bool, origin: Origin) -> None:
        """Reject a file outside of the configuration file's directory, or with a variable in its path."""
        if named or not (field.file or field.secret):
            return
        expanded = str(self._expanded(text))
        if field.file:
            paths = [expanded] if expanded else []
        elif field.kind == "secret":
            paths = [expanded[5:]] if expanded.startswith("file:") else []
        else:  # a text may contain several secrets
            paths = [after.partition(",")[0] for after in expanded.split("file:")[1:]]
        why = next((why for path in paths if (why := outside(self.config.path.parent, path.strip()))), None)
        if field.file and self._variables_in(text):
            why = "is named by a variable"
        if why is not None:
            shown = text.removeprefix("file:").strip()
            self.refused.append(self._refusal(field, origin, f"names the file {shown}, which {why}"))

    def _variables_in(self, text: str) -> list[str]:
        """Return the names of the variables in the expanded text."""
        return [
            match[2]
            for match in REFERENCE.finditer(text)
            if match[2] and (self.environment.get(match[2]) or (self.lenient and not match[3]))
        ]

    def _as_without_the_file(self, field: Field, value: Any) -> bool:
        """Return whether the value equals that of the environment alone, or the default."""
        given = next((self.environment[name] for name in field.env if name in self.environment), None)
        if given is None and field.required:
            return False
        try:
            alone = field.default if given is None else convert.convert(field, expand(given, self.environment))
            mine = convert.convert(field, self._expanded(value))
        except (convert.Unfit, Unset, Malformed):
            return False
        if isinstance(mine, list) and isinstance(alone, list) and mine:
            return set(mine) <= set(alone)
        return bool(mine == alone)

    def _expanded(self, value: Any) -> Any:
        """Return the value with the variables that are set."""
        try:
            return expand(value, self.environment)
        except (Unset, Malformed):
            return value

    def _has_default_address(self) -> bool:
        return any(field.address and not field.optional for field in self.fields.values())


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")


def _is_destination(field: Field) -> bool:
    """Return whether the option alone decides where requests go."""
    return field.routes and not field.file and not _is_proxy(field) and field.kind in ("text", "list")


def _is_proxy(field: Field) -> bool:
    return field.key.endswith("proxy")


def _has_login(text: str) -> bool:
    return any(userinfo_secrets(text))
