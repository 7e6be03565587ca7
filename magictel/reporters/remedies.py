"""A remedy as shown: its command on a line of its own, the text beside it; without a remedy, the one of the catalogue."""

from __future__ import annotations

import re
from typing import NamedTuple

from magictel.catalogue.pages import explain

COMMANDS = (
    *("magictel ", "GET ", "PUT ", "POST ", "{", "curl ", "openssl ", "nc ", "export ", "prometheus --"),
    *("getent ", "timedatectl", "ss -", "ip route", "ulimit ", "cat ", "ls ", "df ", "mkdir ", "env ", "grep ", "awk "),
    *("pip ", "gzip ", "printf ", "python3 ", "LC_ALL=", "PYTHONPATH=", "bin/elasticsearch-"),
)
"""Beginnings of commands. A test checks that every command of the catalogue begins with one of them."""
_WHOLE = ("curl ", "getent ", "timedatectl", "openssl ")
"""Beginnings of commands that fit every target; those of magictel name a target."""
_BLANK = re.compile(r"\b(?:HOST|PORT|INDEX|ALIAS|ADDRESS)\b|localhost|\.crt\b")
"""Placeholders in a command."""
_LEADS = re.compile(r"^(?:See|Check whether|List|Show|Compare|Read it|Set one of these)\b|:$")
_MORE = re.compile(r"; see |\. (?:Show|See|List) ")
"""Where a line goes on to the command below it."""
_BESIDE = re.compile(r"; |, (?=and |then )| (?=\()| (?=shows )|, (?=or )")


class Segment(NamedTuple):
    """A part of a remedy: text, or a command to copy."""

    text: str
    command: bool


def segments(remedy: str) -> list[Segment]:
    """Split a remedy into text and commands, in order.

    `magictel check --wait 60s; if it persists, look at the log` is a command and text; `see which it is: curl -s URL` the reverse.
    """
    if not remedy:
        return []
    if remedy.startswith(COMMANDS):
        for separator in _BESIDE.finditer(remedy):
            command = remedy[: separator.start()]
            if command.count("'") % 2 == 0 and command.count('"') % 2 == 0:  # not within a quoted word
                return [Segment(command, True), Segment(remedy[separator.end() :], False)]
        return [Segment(remedy, True)]
    for space in re.finditer(r"(?<=:) ", remedy):
        command = remedy[space.end() :]
        if command.startswith(COMMANDS):
            return [Segment(remedy[: space.start()], False), *segments(command)]
    return [Segment(remedy, False)]


def known(code: str | None) -> str | None:
    """Return the catalogue's fix for a code in the form of a remedy: the first sentence without a command, else the first one.

    The sentence keeps its command unless that has placeholders; a sentence that only introduces a command is left out.
    """
    page = explain(code) if code else None
    lines = page.fix if page else ()
    pairs = [(line, after) for line, after in zip(lines, (*lines[1:], ""), strict=False) if not line.startswith("$ ")]
    for line, after in pairs:
        if not after.startswith("$ ") and not line.endswith(":"):
            return _lowercase(line)
    if not pairs or lines[0].startswith("$ "):
        return None
    line, after = pairs[0]
    command = after.removeprefix("$ ")
    if command.startswith(_WHOLE) and not _BLANK.search(command):
        return f"{_lowercase(line)}: {command}"
    head = _MORE.split(line)[0]
    return None if _LEADS.search(head) else _lowercase(head)


def _lowercase(line: str) -> str:
    first = line[0].lower() if line[1:2].islower() or line[1:2] == " " else line[0]
    return first + line[1:].rstrip(".:")
