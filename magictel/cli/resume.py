"""The command that goes on after a replay which ended early: the same, with where to go on and the shift applied, without secrets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from magictel.cli import output
from magictel.cli.targets import Chosen
from magictel.model.events import ReplayFinished
from magictel.net.address import printable
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import MASK
from magictel.settings.fields import field_map

_ADDRESSES = re.compile(r",(?=[a-z]+://)")
_ELSEWHERE = ("file:", "${")
"""How a value begins that only says where a secret is."""


def say_how_to_go_on(
    done: ReplayFinished, arguments: Sequence[str], files: Sequence[str], chosen: Sequence[Chosen], from_point: int
) -> None:
    """On standard error; nothing where all was sent and read back. The command sends whole slices, and what the slowest target lacks."""
    if done.go_on is None:
        if done.interrupted:
            output.note(
                "everything was sent; reading it back was interrupted, and what was not asked for is unverified"
            )
        return
    for result in done.results:
        again_too = from_point + result.receipt.readable - done.go_on
        if again_too > 0:
            output.note(f"{result.target} took {again_too} points of those that are sent again")
    if "-" in files:
        output.note(f"{done.go_on} points need not be sent again: go on with --from-point {done.go_on}")
        return
    command = again(arguments, done.go_on, done.source.shift, chosen)
    output.note(f"go on:  magictel {command}")
    if MASK in command:
        output.note(f"        {MASK} stands for a secret that is not shown: write it again")


def again(arguments: Sequence[str], point: int, shift: float, chosen: Iterable[Chosen]) -> str:
    """The command's arguments, to be copied."""
    chosen = tuple(chosen)
    secret = {
        key for one in chosen if one.exporter for key, field in field_map(one.exporter.Settings).items() if field.secret
    }
    redact = Redactor(value for one in chosen if one.resolved for value in one.resolved.settings.secret_values())
    kept = [redact(argument) for argument in _masked(_without_where(arguments), secret)]
    return shlex.join([*kept, f"--shift={shift:.3f}s", f"--from-point={point}"])


def _without_where(arguments: Sequence[str]) -> Iterator[str]:
    over = False
    for argument in arguments:
        if over:
            over = False
        elif argument in ("--from-point", "--shift"):
            over = True
        elif not argument.startswith(("--from-point=", "--shift=")):
            yield argument


def _masked(arguments: Iterable[str], secret: set[str]) -> Iterator[str]:
    """Arguments in which what `--set` says of a secret option is masked, and the login in an address."""
    value = False
    for argument in arguments:
        if value:
            yield _setting(argument, secret)
        elif argument.startswith("--set="):
            yield "--set=" + _setting(argument.removeprefix("--set="), secret)
        else:
            yield argument
        value = argument == "--set" and not value


def _setting(text: str, secret: set[str]) -> str:
    path, _, value = text.partition("=")
    if value.startswith(_ELSEWHERE):
        return text
    if not secret.isdisjoint(path.strip().replace("-", "_").split(".")):
        return f"{path}={MASK}"
    shown = ",".join(map(printable, _ADDRESSES.split(value))) if "://" in value else value
    return f"{path}={shown}"
