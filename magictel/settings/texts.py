"""The texts inside a raw value of the configuration file, and the hosts and variables that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from magictel.settings.fields import Field, masked

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
    """Yield every text in a value, with its key if it is in a table."""
    if isinstance(value, Mapping):
        return [(str(key), text) for key, item in value.items() for text in texts(item)]
    return [(None, text) for text in texts(value)]


def hosts(value: Any) -> str:
    """Return the hosts of addresses as text: `es:9200, ${ES_URL}`."""
    named = []
    for address in (part.strip() for text in texts(value) for part in masked(text).split(",")):
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
