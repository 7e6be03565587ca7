"""Values of a target: merged by layer, expanded, checked and converted; every error is collected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from magictel import env_quotes
from magictel.errors import SettingsError
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import Secret
from magictel.settings import convert
from magictel.settings.fields import Field, without_login
from magictel.settings.file import Table
from magictel.settings.interpolate import Malformed, Unset, check_secret, expand, near_variables, read_secret_file
from magictel.settings.model import SettingsModel
from magictel.settings.names import did_you_mean
from magictel.settings.origin import DEFAULT, Origin

Layer = Mapping[str, tuple[Any, Origin]]
LATER = Secret("given-later")
_BETWEEN = re.compile(r"(?<![,\s;|])[,\s;|]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""Separators between addresses."""


class UnusableSettings(SettingsError):  # noqa: N818 # named after the settings
    """The first error in a target's settings; `every` contains them all, in the order of the fields."""

    every: tuple[SettingsError, ...] = ()


class Reading(msgspec.Struct):
    """The values of a target during loading, with the errors and warnings so far."""

    fields: Mapping[str, Field]
    environment: Mapping[str, str]
    lenient: bool
    folder: Path
    file_folder: Path | None = None
    warnings: list[str] = []
    remedy: str | None = None
    """The first command that settles a warning."""
    errors: list[SettingsError] = []
    later: set[str] = set()
    quoted: dict[str, SettingsError] = {}
    redact: Redactor = msgspec.field(default_factory=Redactor)
    """Masks the values in messages that an unnamed file reads from the environment."""
    parts: dict[str, list[tuple[Any, Origin]]] = {}

    def merge(self, layers: Iterator[Layer]) -> dict[str, tuple[Any, Origin]]:
        """Merge layers, later ones over earlier ones; `headers.NAME` changes an entry of a table. Unknown keys are errors."""
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
        """Return a table with one entry changed."""
        before = known[0] if known else {}
        if isinstance(before, str):
            try:
                before = convert.split_mapping(before)
            except convert.Unfit as failure:
                self.fail("config.value", f"{field.key}: {failure}", field.remedy, known[1] if known else DEFAULT)
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
            remedy = "use ${VARIABLE} or ${VARIABLE:-default}; write $${ for a literal ${"
            self.fail(code, f"{field.key}: {malformed}", remedy, origin)
            return
        if self.is_quoted(field, raw, given) or self.separated(field, raw, origin):
            return
        try:
            if field.secret:
                raw = self.secret(field, raw, origin)
            elif field.address and field.kind == "list" and isinstance(raw, str) and not raw.strip():
                self.empty_address(field, origin)
                return
            values[field.key] = convert.convert(field, raw)
        except convert.Unfit as failure:
            self.fail("config.value", f"{field.key}: {failure}", field.remedy, origin)
        except SettingsError as failure:
            self.errors.append(failure)

    def is_quoted(self, field: Field, raw: Any, given: tuple[Any, Origin]) -> bool:
        """Note quotes around a value from an env file; return whether it is unusable. Secrets are checked separately."""
        written, origin = given
        inner = env_quotes.unquoted(raw) if isinstance(raw, str) else None
        if inner is None or field.kind == "secret" or (origin.kind == "file" and raw == written):
            return False
        plain = inner.replace(raw.strip()[0], "") if field.kind == "list" else inner
        remedy = f"write {origin}={without_login(plain)}"
        if origin.kind == "file" or field.secret:
            remedy = "remove the quotes from the variable's value"
        failure = SettingsError(env_quotes.CODE, f"{field.key}: {origin} {env_quotes.WHY}", remedy, str(origin))
        if field.kind == "text" and not field.address:
            self.quoted[field.key] = failure
            self.warnings.append(failure.message)
            return False
        self.errors.append(failure)
        return True

    def separated(self, field: Field, raw: Any, origin: Origin) -> bool:
        """Note several addresses that no comma separates; return whether there are such."""
        for text in (raw if isinstance(raw, list) else [raw]) if field.address else ():
            between = _BETWEEN.search(text.strip()) if isinstance(text, str) else None
            if between is None or (field.kind == "list" and "," in between[0] and isinstance(raw, str)):
                continue
            if field.kind == "list":
                sign = "white space" if not between[0].strip() else between[0].strip()
                why = f"separate addresses with commas, not with {sign}"
                remedy = f"write {','.join(_BETWEEN.split(text.strip()))}"
            else:
                why, remedy = "the value has several addresses, but the option takes one", "use one of them"
            self.fail(
                "config.url.separator", f"{field.key}: {why}", remedy if "@" not in text else "use commas", origin
            )
            return True
        return False

    def secret(self, field: Field, raw: Any, origin: Origin) -> Any:
        """Return the secret, or the list or mapping of secrets, read from its file and checked."""
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
        """Return a secret: read `file:`, and remove white space around it with a warning."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            raw = str(raw)  # password = 1234 in the file
        if not isinstance(raw, str):
            raise convert.Unfit("this is not a text")
        if raw.startswith("file:"):
            return self.from_file(label, raw[5:].strip(), origin)
        self.secret_in_quotes(label, raw, str(origin), origin)
        given = check_secret(raw, field=label, origin=str(origin))
        if given.note:
            self.warnings.append(f"{given.note} ({origin})")
        return given.secret

    def from_file(self, label: str, path: str, origin: Origin) -> Secret:
        """Return the secret in a file; it is read again when the backend rejects it."""
        folder = self.file_folder if origin.kind == "file" and self.file_folder else self.folder
        where = f"{origin} (file:{path})"

        def read(shown: str) -> tuple[str, str | None]:
            return read_secret_file(path, folder=folder, environment=self.environment, field=label, origin=shown)

        def reread() -> str:
            return check_secret(read(where)[0].strip(), field=label, origin=where).secret.reveal()

        try:
            text, warning = read(str(origin))
        except SettingsError as failure:
            if not self.lenient:
                raise
            self.warnings.append(f"{failure.message}: must be supplied later")
            self.later.add(label.partition(".")[0])
            return LATER
        if warning:
            self.warnings.append(warning)
        self.secret_in_quotes(label, text, where, None)
        return Secret(check_secret(text.strip(), field=label, origin=where).secret.reveal(), reread)

    def secret_in_quotes(self, label: str, text: str, where: str, origin: Origin | None) -> None:
        """Warn of quotes around a secret, which are rarely intended. The suggested command shows no secret."""
        if env_quotes.unquoted(text) is None:
            return
        self.warnings.append(f"{label}: {where} {env_quotes.WHY}; remove the quotes")
        if origin is not None and origin.kind == "variable" and "." not in label and text == text.strip():
            self.remedy = self.remedy or f'export {where}="${{{where}:1:-1}}"'

    def unset(self, field: Field, unset: Unset, raw: Any, origin: Origin) -> None:
        """Note a reference to an unset variable."""
        if self.lenient:
            self.later.add(field.key)
            self.warnings.append(f"{field.key}: {unset.reference} is not set ({origin}): must be supplied later")
            return
        in_host = field.address and unset.reference in without_login(str(raw))
        code = "config.url.unexpanded-variable" if in_host else "config.variable-unset"
        remedy = near_variables(unset.name, self.environment)
        self.fail(code, f"{field.key}: the variable {unset.reference} is not set", remedy, origin)

    def missing(self, field: Field, table: Table | None) -> None:
        """Note a required field that is not set."""
        name = field.env[0]
        where = f"set {name}" + (f" or {field.key} in [targets.{table.name}]" if table else f" or --set {field.key}=…")
        if self.lenient:
            self.later.add(field.key)
            self.warnings.append(f"{field.key} is not set: must be supplied later by {name}")
        else:
            origin = table.origin if table else name
            self.fail("config.required", f"{field.key}: not set, and it has no default (needs {name})", where, origin)

    def empty_address(self, field: Field, origin: Origin) -> None:
        """Note an empty address."""
        example = field.example[0] if isinstance(field.example, list) else field.example
        remedy = f"set {origin} to an address like {example or 'http://localhost:9200'}, or unset it"
        self.fail("config.url.empty", f"{field.key}: the address is empty", remedy, origin)

    def unknown(self, key: str, path: str, origin: Origin) -> None:
        """Note a key that the model does not have."""
        hint = did_you_mean(key, self.fields) if key not in self.fields else None
        sentence = f"{path}: no such option" + (f". {hint}" if hint else "")
        remedy = "magictel describe shows every option"
        if path in ("enabled", "exporter"):
            sentence = f"{path}: valid only in the file"
            remedy = "ENABLED_EXPORTERS=… names the targets of one run" if path == "enabled" else "name another target"
        self.fail("config.unknown-key", sentence, remedy, origin)

    def check_model(self, settings: SettingsModel, raw: Mapping[str, tuple[Any, Origin]]) -> None:
        """Note the problems that the model finds in combinations of values."""
        redact = Redactor(settings.secret_values())
        for key, code, message, remedy in settings.problems():
            if key in self.later:
                continue
            at = next((word for word in (key, *re.findall(r"[a-z_]+", message)) if word in raw), None)
            if key in self.quoted:
                self.errors.append(self.quoted[key])
                continue
            # A missing value has no origin, but the option that needs it has.
            origin = str(raw[at][1]) if at else "default"
            self.fail(code, redact(message), redact(remedy) if remedy else None, origin)

    def fail(self, code: str, message: str, remedy: str | None, origin: object) -> None:
        """Note an error."""
        self.errors.append(
            SettingsError(code, self.redact(message), self.redact(remedy) if remedy else None, str(origin))
        )

    def raise_first(self) -> None:
        """Raise the noted errors, the first one in front."""
        if self.errors:
            first = self.errors[0]
            failure = UnusableSettings(first.code, first.message, first.remedy, first.origin)
            failure.every = tuple(self.errors)
            raise failure
