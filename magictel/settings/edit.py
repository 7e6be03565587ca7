"""Edits of `magictel.toml` that keep its comments: text in, text out; every result is parsed again to verify it.

tomlkit adds tables and replaces values. It would put a new key after the comment of the next table, and remove that comment with a
removed table, so these two edits work on lines.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.items

from magictel.errors import SettingsError, UsageError
from magictel.settings import convert
from magictel.settings.fields import Field, toml_value
from magictel.settings.names import did_you_mean, find
from magictel.settings.origin import Origin
from magictel.settings.toml_lines import key_lines

_HEADER = re.compile(r"\s*\[")
HEAD = """\
# Targets of magictel, a table for each; for all options see `magictel describe EXPORTER --format toml`.
# Values may be "${VAR}" or "${VAR:-default}", secrets also "file:PATH".
"""


def add_target(text: str, name: str, exporter: str, values: Mapping[str, Any]) -> str:
    """Return the text with a new table at its end."""
    document = tomlkit.parse(text)
    targets = document.setdefault("targets", tomlkit.table(is_super_table=True))
    if (known := find(name, targets)) is not None:
        raise UsageError("usage.target-exists", f"a target {known} already exists", "choose another name with --as")
    table = tomlkit.table()
    for key, value in {"exporter": exporter, **values}.items():
        table[key] = _item(value)
    targets[name] = table
    wanted = tomllib.loads(text)
    wanted.setdefault("targets", {})[name] = {"exporter": exporter, **values}
    return _checked(tomlkit.dumps(document), wanted)


def remove_target(text: str, name: str) -> str:
    """Return the text without a target's tables; keep comments before and after them."""
    known = _known(text, name)
    wanted = tomllib.loads(text)
    del wanted["targets"][known]
    if not wanted["targets"]:
        del wanted["targets"]
    kept = _without(text, known)
    if not _reads(kept, wanted):
        document = tomlkit.parse(text)
        del document["targets"][known]
        kept = tomlkit.dumps(document)
    return _checked(kept, wanted)


def set_enabled(text: str, name: str, enabled: bool) -> str:
    """Return the text with a target's `enabled` set; write it only if necessary."""
    table = tomllib.loads(text)["targets"][_known(text, name)]
    return text if table.get("enabled", True) is enabled else set_values(text, name, {"enabled": enabled})


def set_values(text: str, name: str, values: Mapping[str, Any]) -> str:
    """Return the text with options of a target set; `headers.X-A` is an entry of a table. Equal values stay unchanged."""
    known = _known(text, name)
    fresh: dict[str, Any] = {}
    for path, value in values.items():
        wanted = tomllib.loads(text)
        table = wanted["targets"][known]
        plain, dot, entry = path.partition(".")
        key = find(plain, table) or plain
        current = table.get(key, fresh.get(key))
        before = convert.split_mapping(current) if dot and isinstance(current, str) else current
        new = {**(before or {}), entry: value} if dot else value
        if key not in table:
            fresh[key] = new
        elif current != new:
            table[key] = new
            document = tomlkit.parse(text)
            target: Any = document["targets"][known]
            if dot and isinstance(current, Mapping):
                target[key][entry] = value
            else:
                target[key] = _item(new)
            text = _checked(tomlkit.dumps(document), wanted)
    if not fresh:
        return text
    wanted = tomllib.loads(text)
    wanted["targets"][known] |= fresh
    inserted = _inserted(text, known, fresh)
    if _reads(inserted, wanted):
        return inserted
    document = tomlkit.parse(text)
    for key, value in fresh.items():
        document["targets"][known][key] = _item(value)
    return _checked(tomlkit.dumps(document), wanted)


def written(fields: Mapping[str, Field], overrides: Mapping[str, tuple[str, Origin]]) -> dict[str, Any]:
    """Return the values of `--set` in the form of the file, by path (`url`, `headers.X-A`)."""
    return {path: text if "." in path else toml_of(fields.get(path), text) for path, (text, _) in overrides.items()}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by path as a target's table: `headers.X-A` belongs to the table `headers`."""
    table: dict[str, Any] = {}
    for path, value in values.items():
        key, dot, entry = path.partition(".")
        table[key] = {**table.get(key, {}), entry: value} if dot else value
    return table


def toml_of(field: Field | None, text: str) -> Any:
    """Return an option's text as a TOML value; text that does not convert stays text."""
    if field is None or "${" in text or text.startswith("file:"):
        return text
    bare = text.strip()
    try:
        if field.kind == "switch" or (field.kind in ("whole", "number") and re.fullmatch(r"[0-9_.]+", bare)):
            value = convert.convert(field, bare)
            return int(value) if isinstance(value, float) and value == int(value) else value
        if field.kind == "list":
            return convert.split_list(field, text)
        if field.kind in ("mapping", "secrets"):
            return convert.split_mapping(text)
    except convert.Unfit:
        pass
    return text


def write(path: Path, text: str) -> None:
    """Replace the file atomically. A new one is readable by its owner only, because it may contain secrets."""
    try:
        real = Path(os.path.realpath(path))
        mode = real.stat().st_mode & 0o777 if real.exists() else 0o600
        handle, temporary = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as opened:
                opened.write(text)
                opened.flush()
                os.fsync(opened.fileno())
            Path(temporary).chmod(mode)
            Path(temporary).replace(real)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as failure:
        raise SettingsError(
            "config.file.unwritable",
            f"{path} cannot be written ({failure.strerror})",
            "fix the permissions of the directory",
        ) from None


def _known(text: str, name: str) -> str:
    targets = tomllib.loads(text).get("targets", {})
    known = find(name, targets)
    if known is None:
        hint = did_you_mean(name, targets)
        message = f'the file has no target "{name}"' + (f". {hint}" if hint else "")
        raise UsageError("usage.unknown-target", message, f"it has {', '.join(targets) or 'none'}")
    return known


def _inserted(text: str, known: str, values: Mapping[str, Any]) -> str:
    """Return the text with new keys after the target's `exporter`, or after its header."""
    line = key_lines(text).get(("targets", known, "exporter")) or key_lines(text).get(("targets", known), 0)
    lines = text.splitlines(keepends=True)
    if line and not lines[line - 1].endswith("\n"):
        lines[line - 1] += "\n"
    new = [f"{key} = {toml_value(value)}\n" for key, value in values.items()]
    return "".join([*lines[:line], *new, *lines[line:]])


def _without(text: str, name: str) -> str:
    """Return the text without the target's tables, each up to its last line that is neither blank nor a comment."""
    lines = text.splitlines(keepends=True)
    line_of = key_lines(text)
    target_lines = {line for path, line in line_of.items() if path[:2] == ("targets", name)}
    headers = {line for line in line_of.values() if _HEADER.match(lines[line - 1])}
    starts = sorted({0, *(line - 1 for line in headers), len(lines)})
    kept: list[str] = []
    for start, end in itertools.pairwise(starts):
        block = lines[start:end]
        if start + 1 in target_lines and start + 1 in headers:
            content = [at for at, line in enumerate(block) if line.strip() and not line.lstrip().startswith("#")]
            block = block[content[-1] + 1 :]
            if block and not block[0].strip() and (not kept or not kept[-1].strip()):
                del block[0]  # one blank line is enough
        kept += block
    return "".join(kept)


def _item(value: Any) -> Any:
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    return value


def _reads(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _checked(text: str, wanted: dict[str, Any]) -> str:
    if not _reads(text, wanted):
        raise SettingsError(
            "config.file.shape",
            "the structure of the file cannot be edited safely",
            "edit it manually; magictel can edit tables of the form [targets.NAME]",
        )
    return text
