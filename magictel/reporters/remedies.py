"""How a way out is shown: the command alone, to be copied, and what is said beside it; where nobody gave one, the catalogue's."""

from __future__ import annotations

import re

from magictel.catalogue import explain

COMMANDS = ("magictel ", "GET ", "PUT ", "POST ", "{", "getent ", "timedatectl", "curl ", "openssl ", "nc ")
"""What a command begins with."""
_BESIDE = re.compile(r"; |, (?=and |then )| (?=\()| (?=shows )|, (?=or )")


def parted(remedy: str) -> tuple[str, str]:
    """The command of a remedy and the words beside it; either is empty where there is none.

    `magictel check --wait 60s; if it stays so, look at the log` is a command and a sentence.
    """
    if not remedy.startswith(COMMANDS):
        return "", remedy
    for found in _BESIDE.finditer(remedy):
        command = remedy[: found.start()]
        if command.count("'") % 2 == 0 and command.count('"') % 2 == 0:  # not within a quoted word
            return command, remedy[found.end() :]
    return remedy, ""


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
