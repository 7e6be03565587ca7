"""Validation of credentials on loading: a stray newline or a pasted non-breaking space fails late, and HTTP clients then print it."""

from __future__ import annotations

import msgspec

from magictel.errors import SettingsError
from magictel.secrets.secret import Secret


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
