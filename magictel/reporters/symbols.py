"""The signs before each line, and what stands for them where a terminal cannot print them."""

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
    """One sign for each way a rung can come out, all of one width."""

    held: Mapping[Status, str]
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
    """The drawn signs where the encoding has them all, else words."""
    try:
        "√‼×·→…".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return SPELLED
    return DRAWN


def writable(text: str, encoding: str | None) -> str:
    """The text as this encoding can write it: near characters where there are some, else escapes. Never fails."""
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
    """The text with control and format characters spelled out: what a server said must not steer a terminal. Line ends stay."""
    if text.isprintable():
        return text
    return "".join(one if one == "\n" or not _steers(one) else _spelled(one) for one in text)


def _steers(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _spelled(one: str) -> str:
    if one == "\t":
        return " "
    return (
        f"\\x{ord(one):02x}" if ord(one) < 256 else f"\\u{ord(one):04x}" if ord(one) < 65536 else f"\\U{ord(one):08x}"
    )
