"""The signs before each line, and their replacements on terminals that cannot print them."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Signs:
    """A sign for each status of a rung, all of the same width."""

    symbol: Mapping[Status, str]
    arrow: str
    etc: str
    style: Mapping[Status, str] = field(
        default_factory=lambda: {
            Status.PASS: "green",
            Status.WARN: "yellow",
            Status.FAIL: "red",
            Status.SKIPPED: "dim",
            Status.BLOCKED: "dim",
        }
    )


DRAWN = Signs(
    {Status.PASS: "√", Status.WARN: "‼", Status.FAIL: "×", Status.SKIPPED: "·", Status.BLOCKED: "-"}, "→", "…"
)
SPELLED = Signs(
    {Status.PASS: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL", Status.SKIPPED: ".   ", Status.BLOCKED: "-   "},
    "->",
    "...",
)


def signs_for(encoding: str | None) -> Signs:
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
    return "".join(
        character if character == "\n" or not _steers(character) else _spelled(character) for character in text
    )


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _spelled(character: str) -> str:
    if character == "\t":
        return " "
    return (
        f"\\x{ord(character):02x}"
        if ord(character) < 256
        else f"\\u{ord(character):04x}"
        if ord(character) < 65536
        else f"\\U{ord(character):08x}"
    )
