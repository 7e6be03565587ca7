"""Where the configuration file is: `--config`, `MAGICTEL_CONFIG`, or `magictel.toml` in the working directory; and its reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from magictel import env_quotes
from magictel.errors import SettingsError
from magictel.files import NotRegular, open_regular

if TYPE_CHECKING:
    from magictel.settings.file import ConfigFile

NAME = "magictel.toml"
VARIABLE = "MAGICTEL_CONFIG"
_LARGEST = 1_048_576


def locate(option: str | None, environment: Mapping[str, str], folder: Path) -> tuple[Path, str, str | None]:
    """Return the file's path, the path as given, and the option or variable that names it (None: the default place)."""
    if option:
        return folder / option, option, "--config"
    named = environment.get(VARIABLE, "").strip()
    if named:
        return folder / named, named, VARIABLE
    return folder / NAME, NAME, None


def find(option: str | None, environment: Mapping[str, str], folder: Path) -> ConfigFile | None:
    """Return the configuration file from `--config`, `MAGICTEL_CONFIG` or `folder`, or None if none is named and none exists."""
    path, shown, named_by = locate(option, environment, folder)
    if named_by is None and not path.exists():
        return None
    try:
        with open_regular(path) as opened:
            data = opened.read(_LARGEST + 1)
    except OSError as failure:
        missing = isinstance(failure, FileNotFoundError)
        why = "does not exist" if missing else f"cannot be read ({failure.strerror})"
        if missing and named_by == VARIABLE and env_quotes.unquoted(shown) is not None:
            remedy = f"write {VARIABLE}={env_quotes.unquoted(shown)}"
            raise SettingsError(env_quotes.CODE, f"{VARIABLE} {env_quotes.WHY}", remedy, VARIABLE) from None
        code = "config.file.missing" if missing else "config.file.unreadable"
        raise SettingsError(code, f"the file {shown} {why}", _remedy(failure, shown), named_by or shown) from None
    if len(data) > _LARGEST:
        message = f"the file {shown} is larger than 1 MiB"
        raise SettingsError("config.file.unreadable", message, "name a file of targets", named_by or shown)
    from magictel.settings.file import parse  # most commands run without a file

    return replace(parse(data, path, shown), named=named_by is not None)


def _remedy(failure: OSError, shown: str) -> str:
    if isinstance(failure, FileNotFoundError):
        return f"create it with: magictel init --config {shown}"
    if isinstance(failure, IsADirectoryError):
        return f"name a file, for example {shown.rstrip('/')}/magictel.toml"
    if isinstance(failure, NotRegular):
        return "name a regular file of targets"
    return f"fix the permissions of {shown}"
