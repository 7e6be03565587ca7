"""The texts inside a raw value of the configuration file, and the hosts, variables and files that they name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from magictel.settings.fields import Field, without_login

_ADDRESS_WORD = re.compile(r"(?:^|_)(?:URL|URI|ENDPOINT|ADDRESS|ADDR|HOST|NODE|SERVER)(?:S|ES)?$")


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value; numbers, booleans and dates as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)


def entries(value: Any) -> list[tuple[str | None, str]]:
    """Return every text in a value, with its key if it is in a table."""
    if isinstance(value, Mapping):
        return [(str(key), text) for key, item in value.items() for text in texts(item)]
    return [(None, text) for text in texts(value)]


def hosts(value: Any) -> str:
    """Return the hosts of addresses as text: `es:9200, ${ES_URL}`."""
    named = []
    for address in (part.strip() for text in texts(value) for part in without_login(text).split(",")):
        _, separator, rest = address.partition("://")
        host = re.match(r"(?:\$\{[^}]*\}|[^/?#\s])*", rest if separator else address)
        named.append(host[0].rpartition("@")[2][:100] if host else "")
    return ", ".join(host for host in named if host) or "no address"


def named_for(field: Field, name: str) -> bool:
    """Return whether a variable is named after the option: other variables may contain untrusted text (a commit's title)."""
    if name in field.env:
        return True
    if name != name.upper() or name.startswith("NPM_") or (field.file and "_" not in field.key):
        return False
    by_key = name == field.key.upper() or name.endswith(f"_{field.key.upper()}")
    return by_key or (field.address and bool(_ADDRESS_WORD.search(name)))


def outside(folder: Path, path: str) -> str | None:
    """Return why a path is not a file inside the directory, with links resolved, or None.

    Hidden files do not count as inside: they belong to people and tools (`.env`, `.netrc`, `.git/config`).
    """
    pure = PurePath(path)
    home = Path(os.path.realpath(folder))
    try:
        real = Path(os.path.realpath(folder / path))
    except ValueError:  # a NUL in it
        return "is not a valid path"
    if path.startswith("~") or not real.is_relative_to(home):
        return "is not in its directory"
    written = () if pure.is_absolute() else pure.parts
    if any(part.startswith(".") and part != ".." for part in (*written, *real.relative_to(home).parts)):
        return "is hidden"
    return None
