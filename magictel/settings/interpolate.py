"""Interpolation of `${VAR}` and `${VAR:-default}` in any value and of `file:PATH` in a secret, and validation of secrets.

A stray newline or a pasted non-breaking space in a secret would fail late, and HTTP clients then show the secret.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from magictel.errors import SettingsError
from magictel.files import open_regular
from magictel.secrets.secret import Secret
from magictel.settings.names import did_you_mean

REFERENCE = re.compile(r"(\$\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-)([^}]*))?\}")
_LARGEST = 65_536


class Unset(Exception):  # noqa: N818 # not an error by itself: the caller decides
    """A value refers to an unset variable without a default."""

    def __init__(self, name: str, reference: str) -> None:
        super().__init__(name)
        self.name = name
        self.reference = reference


class Malformed(Exception):  # noqa: N818 # as above
    """A value contains `${` without a valid reference; the message shows nothing of the value."""


def expand(value: Any, environment: Mapping[str, str]) -> Any:
    """Replace every reference in a value, also in lists and tables. `$${` is a plain `${`. Raise `Unset` or `Malformed`."""
    if isinstance(value, str):
        if "${" not in value:
            return value
        _, opened, after = REFERENCE.sub("", value).partition("${")
        if opened:
            raise Malformed("${…} names no variable" if "}" in after else "a ${ is not closed by a }")
        return REFERENCE.sub(lambda match: _replace(match, environment), value)
    if isinstance(value, list):
        return [expand(item, environment) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, environment) for key, item in value.items()}
    return value


def near_variables(name: str, environment: Mapping[str, str]) -> str:
    """Return `export NAME=…, or write a default`, with similar variables."""
    hint = did_you_mean(name, environment)
    return f"export {name}=…, or write ${{{name}:-default}}{'. ' + hint if hint else ''}"


def read_secret_file(
    path: str, *, folder: Path, environment: Mapping[str, str], field: str, origin: str
) -> tuple[str, str | None]:
    """Return the text of a secret file, and a warning if others may read it. Raise `SettingsError`.

    A relative path is relative to `folder`.
    """
    if not path:
        raise SettingsError("config.secret.file", f"{field}: file: names no file", "use file:PATH", origin)
    home = environment.get("HOME")
    file = Path(home, path[2:]) if path.startswith("~/") and home else folder / path
    try:
        with open_regular(file) as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            data = opened.read(_LARGEST + 1)
        text: str | None = data.decode()
    except OSError as failure:
        why = "does not exist" if isinstance(failure, FileNotFoundError) else f"cannot be read ({failure.strerror})"
        remedy = f"correct the path or the permissions of {path}"
        raise SettingsError("config.secret.file", f"{field}: the file {path} {why}", remedy, origin) from None
    except ValueError:
        text = None
    if text is None or len(data) > _LARGEST:
        message = f"{field}: the file {path} is not a text of at most 64 KiB"
        raise SettingsError("config.secret.file", message, "store only the secret in the file", origin)
    readers = [who for who, bit in (("its group", 0o040), ("everybody", 0o004)) if mode & bit]
    warning = f"{field}: {path} can be read by {' and '.join(readers)}: chmod 600 {path}" if readers else None
    return text, warning


def _replace(match: re.Match[str], environment: Mapping[str, str]) -> str:
    escaped, name, has_default, default = match.groups()
    if escaped:
        return "${"
    value = environment.get(name)
    if has_default:
        return value or default
    if value is None:
        raise Unset(name, match.group())
    return value


class CheckedSecret(msgspec.Struct, frozen=True):
    """A usable credential. `note` is a message with its code if loading fixed something."""

    secret: Secret
    note: str | None = None
    code: str | None = None


def check_secret(value: str, *, field: str, origin: str | None = None) -> CheckedSecret:
    """Return a credential without white space around it. Raise `SettingsError` for an empty or a non-ASCII one.

    The error gives the position of a bad character and never the value.
    """
    stripped = value.strip(" \t\r\n")
    where = origin or field
    if not stripped:
        raise SettingsError(
            "config.secret.empty", f"{field}: {where} is empty", f"set {where} to a value, or unset it", origin=origin
        )
    for position, character in enumerate(stripped):
        if not character.isascii() or ord(character) < 0x20 or ord(character) == 0x7F:
            what = f"U+{ord(character):04X}"
            code = "config.secret.non-ascii" if not character.isascii() else "config.secret.whitespace"
            kind = "not ASCII" if not character.isascii() else "a control character"
            raise SettingsError(
                code,
                f"{field}: character {position + 1} of {len(stripped)} ({what}) is {kind}, probably from pasting",
                "copy the value again from its source",
                origin=origin,
            )
    if stripped != value:
        return CheckedSecret(
            Secret(stripped), f"{field}: white space around the value was removed", "config.secret.whitespace"
        )
    return CheckedSecret(Secret(stripped))
