"""How a way out is shown: the command alone, to be copied, and what is said beside it; where nobody gave one, the catalogue's."""

from __future__ import annotations

import re
from typing import NamedTuple

from magictel.catalogue import explain

COMMANDS = ("magictel ", "GET ", "PUT ", "POST ", "{", "getent ", "timedatectl", "curl ", "openssl ", "nc ")
"""What a command begins with."""
_SHORT = 66
"""Characters of a remedy that stand on one line of 80 columns."""
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
    """How the catalogue mends a code, as a remedy is written: the first sentence that leads to no command, which need its context."""
    page = explain(code) if code else None
    lines = page.mend if page else ()
    alone = (
        line
        for line, after in zip(lines, (*lines[1:], ""), strict=False)
        if not line.startswith("$ ") and not after.startswith("$ ") and not line.endswith(":")
    )
    said = next(alone, None)
    if said is None:
        return None
    begun = said[0].lower() if said[1:2].islower() or said[1:2] == " " else said[0]
    return begun + said[1:].removesuffix(".")
