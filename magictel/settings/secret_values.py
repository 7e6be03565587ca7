"""The secrets among the values of a settings model, and the logins in its addresses."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from magictel.secrets.secret import Secret, SecretUrl, revealed
from magictel.settings.fields import fields_of


def secret_values(settings: msgspec.Struct) -> Iterator[str]:
    """Yield every secret of these settings in plain text: secrets, secret mappings, logins in addresses."""
    values = {field.key: getattr(settings, field.key) for field in fields_of(type(settings))}
    for value in values.values():
        yield from _secrets_in(value)
    username, password = values.get("username"), values.get("password")
    if username and isinstance(password, Secret):
        name = username.reveal() if isinstance(username, Secret) else str(username)
        yield f"{name}:{password.reveal()}"  # as sent: the redactor knows its base64


def hide_logins(settings: msgspec.Struct) -> None:
    """Replace every address with credentials by a `SecretUrl`."""
    from magictel.net.address import printable

    def hidden(value: Any) -> Any:
        if isinstance(value, list):
            return [hidden(item) for item in value]
        if not isinstance(value, str) or isinstance(value, SecretUrl) or (shown := printable(value)) == value:
            return value
        return SecretUrl(value, shown)

    for field in fields_of(type(settings)):
        if field.address:
            msgspec.structs.force_setattr(settings, field.key, hidden(getattr(settings, field.key)))


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        if value:
            yield value.reveal()
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets_in(item)
            if isinstance(item, Secret) and str(name).lower() == "cookie":
                yield from (pair.partition("=")[2].strip() for pair in item.reveal().split(";"))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets_in(item)
    elif isinstance(value, str):
        yield from userinfo_secrets(value)


def userinfo_secrets(text: str) -> Iterator[str]:
    """Yield the password in an address, as written and as sent."""
    _, separator, rest = revealed(text).partition("://")
    userinfo, at, _ = rest.rpartition("@")
    if not separator or not at or not userinfo:
        return
    user, colon, password = userinfo.partition(":")
    if not colon:
        yield user
        return
    plain = urllib.parse.unquote(password)
    yield from (password, plain, f"{urllib.parse.unquote(user)}:{plain}")
