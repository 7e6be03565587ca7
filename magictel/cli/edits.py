"""Editing `magictel.toml`, shared by several commands: read, validate the result, preview, write, report."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magictel.cli import output
from magictel.cli.environment import environment, folder
from magictel.cli.output import Format
from magictel.cli.targets import check_settings, resolved_settings
from magictel.errors import PluginError, SettingsError
from magictel.files import open_regular
from magictel.registry import entry_points
from magictel.secrets.redactor import Redactor
from magictel.settings import edit, select
from magictel.settings.file import ConfigFile, Table, parse
from magictel.settings.locate import locate
from magictel.settings.names import find, lookup
from magictel.settings.values import texts
from magictel.settings.warnings import CREDENTIAL_NAME

if TYPE_CHECKING:
    from magictel.settings.fields import Field

SCHEMA = "magictel.edit/1"


@dataclass(slots=True)
class Edit:
    """An edit in progress: the file's path, its text before and after, and notes for the user."""

    path: Path
    shown: str
    before: str
    after: str
    fresh: bool
    named: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Return whether there is something to write."""
        return self.fresh or self.before != self.after

    def file(self) -> ConfigFile:
        """Parse the new text. Raise `SettingsError` if it does not parse."""
        return parse(self.after, self.path, self.shown)

    def preview(self) -> str:
        """Return the change as a unified diff, with secrets redacted."""
        redact = Redactor([*_file_secrets(self.before, self.path), *_file_secrets(self.after, self.path)])
        old, new = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        lines = difflib.unified_diff(old, new, "/dev/null" if self.fresh else self.shown, self.shown)
        return redact("".join(line if line.endswith("\n") else f"{line}\n" for line in lines))


def begin(config: str | None, *, must_exist: bool = True) -> Edit:
    """Read the file to edit. Raise `SettingsError` if it must exist but does not, or cannot be read."""
    path, shown, said_by = locate(config, environment(), folder())
    try:
        with open_regular(path) as opened:
            text = opened.read().decode("utf-8-sig")
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(
                "config.file.missing",
                f"{shown} does not exist",
                f"create it with: magictel init{f' --config {shown}' if said_by else ''}",
                said_by,
            ) from None
        return Edit(path, shown, "", "", True, said_by is not None)
    except OSError as failure:
        raise SettingsError(
            "config.file.unreadable", f"{shown} cannot be read ({failure.strerror})", f"fix the permissions of {shown}"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError("config.file.syntax", f"{shown} is not UTF-8 text", "save it as UTF-8", shown) from None
    parse(text, path, shown)
    return Edit(path, shown, text, text, False, said_by is not None)


def validate(
    edit_: Edit, target: str, *, overrides: Mapping[str, Any] | None = None, allow_missing_env: bool = False
) -> None:
    """Raise `SettingsError` if a target's settings are unusable in the new text; `overrides` are the options written into it."""
    table = edit_.file().table(target)
    assert table is not None
    exporter = entry_points.load(table.exporter)
    try:
        resolved = resolved_settings(
            target,
            table.exporter,
            exporter.Settings,
            edit_.file(),
            overrides or {},
            allow_missing_env=allow_missing_env,
        )
        check_settings(exporter, resolved, files_later=allow_missing_env)
    except SettingsError as failure:
        sentence = f"{target}: {failure.message}"
        raise SettingsError(failure.code, sentence, failure.remedy, failure.origin) from None
    edit_.notes += [f"{target}: {warning}" for warning in resolved.warnings]
    if not edit_.named:
        _say_when_it_must_be_named(edit_, target, exporter.Settings)


def _say_when_it_must_be_named(edit_: Edit, target: str, model: type[Any]) -> None:
    """Add a note if the target will be rejected while its file is only found in the working directory."""
    from magictel.settings.trust import CODE

    file = replace(edit_.file(), named=False)
    table = file.table(target)
    assert table is not None
    try:
        resolved_settings(target, table.exporter, model, file, {}, allow_missing_env=True)
    except SettingsError as failure:
        if failure.code == CODE:
            edit_.notes += [f"{target}: {failure.message}", f"  {failure.remedy}"]


def say_clear_secrets(edit_: Edit, target: str, fields: Mapping[str, Field]) -> None:
    """Add a note for every secret of a target that the file will contain in plain text."""
    from magictel.settings.secret_values import userinfo_secrets

    table = edit_.file().table(target)
    assert table is not None
    for key in clear_secrets(table, [option.key for option in fields.values() if option.secret]):
        edit_.notes.append(
            f'{target}: {key} is in plain text in {edit_.shown}: use "${{VARIABLE}}" or "file:PATH" instead'
        )
    for key, (value, _) in table.values.items():
        if key in fields and not fields[key].secret and any(any(userinfo_secrets(text)) for text in texts(value)):
            edit_.notes.append(
                f'{target}: the password in {key} is in plain text in {edit_.shown}: use {key} = "${{VARIABLE}}" instead'
            )


def finish(edit_: Edit, how: Format, *, action: str, targets: Sequence[str], message: str, dry_run: bool) -> int:
    """Write the text, or preview it, and print the result."""
    preview = edit_.preview()
    if edit_.changed and not dry_run:
        edit.write(edit_.path, edit_.after)
    if how is Format.JSON:
        output.document(
            {
                "schema": SCHEMA,
                "action": action,
                "targets": list(targets),
                "file": edit_.shown,
                "changed": edit_.changed and not dry_run,
                "dry_run": dry_run,
                "diff": preview,
                "notes": edit_.notes,
            }
        )
        return 0
    if dry_run:
        output.say(preview.rstrip("\n") if preview else f"{edit_.shown} would not change")
    else:
        output.say(message if edit_.changed else f"{edit_.shown} is unchanged: {message}")
    for line in edit_.notes:
        output.note(line)
    return 0


def overridden(names: Sequence[str]) -> list[str]:
    """Return a sentence for each group of targets that `ENABLED_EXPORTERS` enables or disables against the file."""
    listed = select.enabled_names(environment())
    if listed is None:
        return []
    enabled = [name for name in names if find(name, listed)]
    disabled = [name for name in names if name not in enabled]
    groups = (("enabled", enabled), ("not enabled", disabled))
    return [
        f"{select.ENABLED} overrides the file: {', '.join(group)} {_is(group)} {how}" for how, group in groups if group
    ]


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _file_secrets(text: str, path: Path) -> Iterator[str]:
    """Yield every plain-text secret of the file, by its exporter's fields, or by the key's name without an exporter."""
    from magictel.settings.fields import field_map
    from magictel.settings.secret_values import userinfo_secrets

    if not text:
        return
    for table in parse(text, path, str(path)).tables.values():
        try:
            fields = field_map(entry_points.load(table.exporter).Settings)
        except PluginError:
            fields = {}
        for key, (value, _) in table.values.items():
            field = lookup(key, fields)
            for plain in texts(value):
                if field.secret if field is not None else "header" in key or CREDENTIAL_NAME.search(key):
                    if not plain.startswith(("file:", "${")):
                        yield plain
                else:
                    yield from userinfo_secrets(plain)


def clear_secrets(table: Table, secret_keys: Sequence[str]) -> list[str]:
    """Return the keys of a table that contain a plain-text secret."""
    return [
        key
        for key, (value, _) in table.values.items()
        if key in secret_keys and any(not plain.startswith(("file:", "${")) for plain in texts(value))
    ]
