"""The signs before each line, and their replacements on terminals that cannot print them."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping

from magictel.model.finding import Status

_PLAIN: Mapping[str, str] = {
    "√": "ok",
    "‼": "warn",
    "×": "FAIL",
    "·": ".",
    "→": "->",
    "…": "...",
    "–": "-",
    "—": "-",
    "“": '"',
    "”": '"',
    "’": "'",
}


Symbols = Mapping[Status, str]
"""A sign for each status of a rung, all of the same width."""
STYLES: Mapping[Status, str] = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "red",
    Status.SKIPPED: "dim",
    Status.BLOCKED: "dim",
}


DRAWN: Symbols = dict(zip(STYLES, "√‼×·-", strict=True))
SPELLED: Symbols = dict(zip(STYLES, ("ok  ", "warn", "FAIL", ".   ", "-   "), strict=True))


def symbols_for(encoding: str | None) -> Symbols:
    """Return the drawn signs if the encoding has them all, otherwise words."""
    try:
        "√‼×·→…".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return SPELLED
    return DRAWN


def writable(text: str, encoding: str | None) -> str:
    """Return the text in a form that the encoding can write, with similar characters or escapes. Never fails."""
    name = encoding or "ascii"
    try:
        codecs.lookup(name)
    except LookupError:
        name = "ascii"
    try:
        text.encode(name)
    except UnicodeEncodeError:
        for drawn, spelled in _PLAIN.items():
            text = text.replace(drawn, spelled)
        return text.encode(name, "backslashreplace").decode(name)
    return text


def printable(text: str) -> str:
    """Escape control and format characters except line ends: a server's text must not control the terminal."""
    if text.isprintable():
        return text
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    if character == "\t":
        return " "
    return character.encode("unicode_escape").decode() if ord(character) > 255 else f"\\x{ord(character):02x}"
