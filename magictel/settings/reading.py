"""Values of one target, merged by layer, expanded, checked and converted; every mistake is noted, and none hides another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magictel import env_quotes
from magictel.errors import SettingsError
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import Secret
from magictel.settings import convert
from magictel.settings.credentials import check_secret
from magictel.settings.fields import Field, masked
from magictel.settings.file import Table
from magictel.settings.interpolate import Malformed, Unset, expand, near_variables, read_secret_file
from magictel.settings.model import ExporterSettings
from magictel.settings.names import did_you_mean
from magictel.settings.origin import DEFAULT, Origin

Layer = Mapping[str, tuple[Any, Origin]]
LATER = Secret("given-later")
_BETWEEN = re.compile(r"(?<![,\s;|])[,\s;|]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""What stands between two addresses."""


class UnusableSettings(SettingsError):  # noqa: N818 # named by what it says of the settings
    """The first of a target's mistakes; `every` holds them all, in the order of the fields."""

    every: tuple[SettingsError, ...] = ()


@dataclass(slots=True)
class Reading:
    """The values of one target under way from text to settings, with what is noted about them."""

    fields: Mapping[str, Field]
    environment: Mapping[str, str]
    lenient: bool
    folder: Path
    file_folder: Path | None = None
    warnings: list[str] = field(default_factory=list)
    remedy: str | None = None
    """The first command that settles a warning."""
    wrong: list[SettingsError] = field(default_factory=list)
    later: set[str] = field(default_factory=set)
    quoted: dict[str, SettingsError] = field(default_factory=dict)
    hide: Redactor = field(default_factory=Redactor)
    """Takes out of sentences what a file that was only picked up reads from the environment."""
    parts: dict[str, list[tuple[Any, Origin]]] = field(default_factory=dict)

    def merge(self, layers: Iterator[Layer]) -> dict[str, tuple[Any, Origin]]:
        """Later layers over earlier ones; `headers.NAME` changes one entry of a table. Unknown keys are noted as wrong."""
        merged: dict[str, tuple[Any, Origin]] = {}
        unknown: dict[str, Origin] = {}
        for layer in layers:
            for path, (value, origin) in layer.items():
                key, dot, entry = path.partition(".")
                field = self.fields.get(key)
                if field is None or (dot and field.kind not in ("mapping", "secrets")):
                    unknown[path] = origin
                elif not dot:
                    merged[key] = (value, origin)
                    self.parts[key] = [(value, origin)]
                else:
                    self.parts.setdefault(key, []).append(({entry: value}, origin))
                    merged[key] = (self.with_entry(field, merged.get(key), entry, value), origin)
        for path, origin in unknown.items():
            self.unknown(path.partition(".")[0], path, origin)
        return merged

    def with_entry(self, field: Field, known: tuple[Any, Origin] | None, entry: str, value: str) -> dict[str, Any]:
        """A table with one entry changed."""
        before = known[0] if known else {}
        if isinstance(before, str):
            try:
                before = convert.split_mapping(before)
            except convert.Unfit as failure:
                self.fail("config.value", field, str(failure), field.remedy, str(known[1] if known else DEFAULT))
                before = {}
        return {**before, entry: value}

    def read(self, field: Field, given: tuple[Any, Origin], values: dict[str, Any]) -> None:
        """Expand, check and convert one value."""
        raw, origin = given
        if field.deprecated:
            self.warnings.append(f"{field.key} is deprecated ({origin}): {field.deprecated}")
        try:
            raw = expand(raw, self.environment)
        except Unset as unset:
            self.unset(field, unset, raw, origin)
            if field.kind == "secret":
                values[field.key] = LATER
            return
        except Malformed as malformed:
            code = "config.url.unexpanded-variable" if field.address else "config.value"
            remedy = "write ${VARIABLE} or ${VARIABLE:-default}, and $${ where ${ itself is meant"
            self.fail(code, field, str(malformed), remedy, str(origin))
            return
        if self.in_quotes(field, raw, given) or self.separated(field, raw, origin):
            return
        try:
            if field.secret:
                raw = self.secret(field, raw, origin)
            elif field.address and field.kind == "list" and isinstance(raw, str) and not raw.strip():
                self.empty_address(field, origin)
                return
            values[field.key] = convert.convert(field, raw)
        except convert.Unfit as failure:
            self.fail("config.value", field, str(failure), field.remedy, str(origin))
        except SettingsError as failure:
            self.wrong.append(failure)

    def in_quotes(self, field: Field, raw: Any, given: tuple[Any, Origin]) -> bool:
        """Note a value whose quotes came out of an env file; True where it cannot be used so. Secrets are looked at one by one."""
        written, origin = given
        inner = env_quotes.unquoted(raw) if isinstance(raw, str) else None
        if inner is None or field.kind == "secret" or (origin.kind == "file" and raw == written):
            return False
        plain = inner.replace(raw.strip()[0], "") if field.kind == "list" else inner
        remedy = f"write {origin}={masked(plain)}"
        if origin.kind == "file" or field.secret:
            remedy = "write the variable's value without the quotes"
        failure = SettingsError(env_quotes.CODE, f"{field.key}: {origin} {env_quotes.WHY}", remedy, str(origin))
        if field.kind == "text" and not field.address:
            self.quoted[field.key] = failure
            self.warnings.append(failure.message)
            return False
        self.wrong.append(failure)
        return True

    def separated(self, field: Field, raw: Any, origin: Origin) -> bool:
        """Note several addresses in one text that no comma separates."""
        for text in (raw if isinstance(raw, list) else [raw]) if field.address else ():
            between = _BETWEEN.search(text.strip()) if isinstance(text, str) else None
            if between is None or (field.kind == "list" and "," in between[0] and isinstance(raw, str)):
                continue
            if field.kind == "list":
                sign = "white space" if not between[0].strip() else between[0].strip()
                why = f"several addresses are separated by commas, not by {sign}"
                remedy = f"write {','.join(_BETWEEN.split(text.strip()))}"
            else:
                why, remedy = "there are several addresses, and it takes one", "write one of them"
            self.fail(
                "config.url.separator", field, why, remedy if "@" not in text else "write them with commas", str(origin)
            )
            return True
        return False

    def secret(self, field: Field, raw: Any, origin: Origin) -> Any:
        """The secret, or the mapping of secrets, read from its file and checked."""
        if field.kind == "secrets":
            entries = convert.split_mapping(raw) if isinstance(raw, str) else raw
            if not isinstance(entries, Mapping):
                raise convert.Unfit(f"this is not {field.wanted}")
            return {key: self.checked(f"{field.key}.{key}", value, origin) for key, value in entries.items()}
        if field.kind == "list":
            items = convert.split_list(field, raw) if isinstance(raw, str) else raw
            return [self.checked(field.key, item, origin) for item in items]
        return self.checked(field.key, raw, origin)

    def checked(self, label: str, raw: Any, origin: Origin) -> Any:
        """One secret: `file:` read, white space around it left out and said so."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            raw = str(raw)  # password = 1234 in the file
        if not isinstance(raw, str):
            raise convert.Unfit("this is not a text")
        if raw.startswith("file:"):
            folder = self.file_folder if origin.kind == "file" and self.file_folder else self.folder
            try:
                secret_file = read_secret_file(
                    raw[5:].strip(), folder=folder, environment=self.environment, field=label, origin=str(origin)
                )
            except SettingsError as failure:
                if not self.lenient:
                    raise
                self.warnings.append(f"{failure.message}: taken as given later")
                self.later.add(label.partition(".")[0])
                return LATER
            if secret_file.warning:
                self.warnings.append(secret_file.warning)
            where = f"{origin} ({raw[:5]}{raw[5:].strip()})"
            self.secret_in_quotes(label, secret_file.text, where, None)
            return check_secret(secret_file.text.strip(), field=label, origin=where).secret
        self.secret_in_quotes(label, raw, str(origin), origin)
        secret = check_secret(raw, field=label, origin=str(origin))
        if secret.note:
            self.warnings.append(f"{secret.note} ({origin})")
        return secret.secret

    def secret_in_quotes(self, label: str, text: str, where: str, origin: Origin | None) -> None:
        """Warn of a secret in quotes: it may be meant so, and hardly ever is. The command that removes them shows no secret."""
        if env_quotes.unquoted(text) is None:
            return
        self.warnings.append(f"{label}: {where} {env_quotes.WHY}; remove the quotes")
        if origin is not None and origin.kind == "variable" and "." not in label and text == text.strip():
            self.remedy = self.remedy or f'export {where}="${{{where}:1:-1}}"'

    def unset(self, field: Field, unset: Unset, raw: Any, origin: Origin) -> None:
        """A reference to a variable that is not set."""
        if self.lenient:
            self.later.add(field.key)
            self.warnings.append(f"{field.key}: {unset.reference} is not set here ({origin}): taken as given later")
            return
        in_host = field.address and unset.reference in masked(str(raw))
        code = "config.url.unexpanded-variable" if in_host else "config.variable-unset"
        remedy = near_variables(unset.name, self.environment)
        self.fail(code, field, f"{unset.reference} names a variable that is not set", remedy, str(origin))

    def missing(self, field: Field, table: Table | None) -> None:
        """Note a required field that is not set."""
        name = field.env[0]
        where = f"set {name}" + (f" or {field.key} in [targets.{table.name}]" if table else f" or --set {field.key}=…")
        if self.lenient:
            self.later.add(field.key)
            self.warnings.append(f"{field.key} is not set here: taken as given later by {name}")
        else:
            origin = str(table.origin) if table else name
            self.fail("config.required", field, f"it is not set, and has no default (needs {name})", where, origin)

    def empty_address(self, field: Field, origin: Origin) -> None:
        """An address that is set to nothing."""
        example = field.example[0] if isinstance(field.example, list) else field.example
        remedy = f"give {origin} an address like {example or 'http://localhost:9200'}, or unset it"
        self.fail("config.url.empty", field, "the address is empty", remedy, str(origin))

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
            if key in self.quoted:
                self.wrong.append(self.quoted[key])
                continue
            origin = str(raw[at][1]) if at else "default"  # what is missing came from nowhere, what asks for it did
            self.wrong.append(
                SettingsError(code, self.hide(redact(message)), self.hide(redact(remedy)) if remedy else None, origin)
            )

    def fail(self, code: str, field: Field, why: str, remedy: str | None, origin: str) -> None:
        """Note a mistake in one field."""
        self.wrong.append(
            SettingsError(code, self.hide(f"{field.key}: {why}"), self.hide(remedy) if remedy else None, origin)
        )

    def stop_if_wrong(self) -> None:
        """Raise what was noted, the first in front."""
        if self.wrong:
            first = self.wrong[0]
            failure = UnusableSettings(first.code, first.message, first.remedy, first.origin)
            failure.every = tuple(self.wrong)
            raise failure
