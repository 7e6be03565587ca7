"""How a way out is shown: the command alone, to be copied, and what is said beside it; where nobody gave one, the catalogue's."""

from __future__ import annotations

import re
from typing import NamedTuple

from magictel.catalogue import explain

COMMANDS = ("magictel ", "GET ", "PUT ", "POST ", "{", "getent ", "timedatectl", "curl ", "openssl ", "nc ")
"""What a command begins with."""
_SHORT = 66
"""Characters of a remedy that stand on one line of 80 columns."""
_WHOLE = ("curl ", "getent ", "timedatectl", "openssl ")
"""What a command begins with that is true of every target: one of magictel names its own."""
_BLANK = re.compile(r"\b(?:HOST|PORT|INDEX|ALIAS|ADDRESS)\b|localhost|\.crt\b")
"""What a reader fills in."""
_LEADS = re.compile(r"^(?:See|Ask|Compare|Read it|Set one of these)\b|\bbelow\b|:$")
_BESIDE = re.compile(r"; |, (?=and |then )| (?=\()| (?=shows )|, (?=or )")


class Part(NamedTuple):
    """A stretch of a remedy: words, or a command to copy."""

    text: str
    command: bool


def parted(remedy: str) -> list[Part]:
    """Words and command of a remedy, in order. A short one that only ends with a command stays whole.

    `magictel check --wait 60s; if it stays so, look at the log` is a command and words; `see which it is: curl -s URL` the reverse.
    """
    if not remedy:
        return []
    if remedy.startswith(COMMANDS):
        for found in _BESIDE.finditer(remedy):
            command = remedy[: found.start()]
            if command.count("'") % 2 == 0 and command.count('"') % 2 == 0:  # not within a quoted word
                return [Part(command, True), Part(remedy[found.end() :], False)]
        return [Part(remedy, True)]
    before, _, after = _last(remedy)
    if after and len(remedy) > _SHORT:
        return [Part(before, False), *parted(after)]
    return [Part(remedy, False)]


def _last(remedy: str) -> tuple[str, str, str]:
    """Cut where a command begins behind a colon."""
    for found in re.finditer(r"(?<=:) ", remedy):
        if remedy[found.end() :].startswith(COMMANDS):
            return remedy[: found.start()], " ", remedy[found.end() :]
    return remedy, "", ""


def known(code: str | None) -> str | None:
    """How the catalogue mends a code, as a remedy is written: the first sentence that leads to no command, else the first one.

    Its command goes with it where nothing is to be filled in; a sentence that only leads to another command says nothing alone.
    """
    page = explain(code) if code else None
    lines = page.mend if page else ()
    pairs = [(line, after) for line, after in zip(lines, (*lines[1:], ""), strict=False) if not line.startswith("$ ")]
    for line, after in pairs:
        if not after.startswith("$ ") and not line.endswith(":"):
            return _begun(line)
    if not pairs or lines[0].startswith("$ "):
        return None
    line, after = pairs[0]
    command = after.removeprefix("$ ")
    if command.startswith(_WHOLE) and not _BLANK.search(command):
        return f"{_begun(line)}: {command}"
    return None if _LEADS.search(line) else _begun(line.partition("; see ")[0])


def _begun(line: str) -> str:
    begun = line[0].lower() if line[1:2].islower() or line[1:2] == " " else line[0]
    return begun + line[1:].rstrip(".:")
