"""Commands for completion scripts: their words, flags and types of values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from magictel.cli import commands
from magictel.cli.commands import Takes

Value = Literal["none", "any", "file", "choice", "targets", "report", "code"]
"""The type of an option's value. `report`: `KIND=` and then a file."""
_VALUES: Mapping[str, Value] = {
    "--config": "file",
    "--from": "file",
    "--out": "file",
    "--body": "file",
    "--to": "targets",
    "--verify-with": "targets",
    "--report": "report",
    "--skip": "code",
}
_CHOICES = re.compile(r"\w+(\|\w+)+")
"""A metavar that lists its values: `stop|skip`."""


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of a command: its spellings, help, type of value, and whether it is repeatable."""

    names: tuple[str, ...]
    help: str
    value: Value
    choices: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Spelled:
    """A command: its words (`config show`), type of arguments, flags and subcommands."""

    words: tuple[str, ...]
    summary: str
    takes: Takes
    flags: tuple[Flag, ...]
    under: tuple[str, ...] = field(default=())


def spelled() -> tuple[Spelled, ...]:
    """Import every command and return them, each followed by its subcommands."""
    return tuple(spelling for command in commands.COMMANDS for spelling in _spell(command, commands.load(command)))


def _spell(command: commands.Command, loaded: Any) -> Iterator[Spelled]:
    under = getattr(loaded, "commands", None)
    if under is None:
        yield Spelled((command.name,), command.summary, command.takes, _flags(loaded))
        return
    yield Spelled((command.name,), command.summary, "nothing", (), tuple(under))
    for name, inner in under.items():
        summary = (inner.help or "").partition("\n")[0]
        names = {parameter.name for parameter in inner.params}
        takes: Takes = "targets" if "targets" in names else "target" if "target" in names else "nothing"
        yield Spelled((command.name, name), summary, takes, _flags(inner))


def _flags(command: Any) -> tuple[Flag, ...]:
    flags = []
    for option in command.params:
        if option.param_type_name != "option" or option.hidden:
            continue
        names = tuple(option.opts)
        choices = tuple(str(getattr(choice, "value", choice)) for choice in getattr(option.type, "choices", ()))
        if not choices and not option.is_flag and _CHOICES.fullmatch(option.metavar or ""):
            choices = tuple(option.metavar.split("|"))
        value: Value = "none" if option.is_flag else "choice" if choices else "any"
        if option.metavar != "URL":
            value = next((_VALUES[name] for name in names if name in _VALUES), value)
        sentence = " ".join((option.help or "").split())
        flags.append(Flag(names, sentence, value, choices, bool(option.multiple)))
        if option.secondary_opts:
            flags.append(Flag(tuple(option.secondary_opts), sentence, "none"))
    return (*flags, Flag(("-h", "--help"), "Show help and exit.", "none"))
