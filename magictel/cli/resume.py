"""The command that resumes a replay that ended early: the same command with `--from-point` and the applied shift, without secrets."""

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
"""Prefixes of values that refer to a secret without containing it."""


def say_how_to_go_on(
    done: ReplayFinished, arguments: Sequence[str], files: Sequence[str], chosen: Sequence[Chosen], from_point: int
) -> None:
    """Print the resume command on standard error, unless everything was sent and read back, or no target is usable.

    It sends whole slices, beginning with the first one that the slowest target lacks.
    """
    if done.results and all(result.unusable for result in done.results):
        return
    if done.go_on is None:
        if done.interrupted:
            output.note("everything was sent; the read-back was interrupted, and points not read back are unverified")
        return
    for result in done.results:
        again_too = from_point + result.receipt.readable - done.go_on
        if again_too > 0:
            output.note(f"{result.target} will receive {again_too} points again")
    if "-" in files:
        output.note(f"{done.go_on} points need not be sent again: continue with --from-point {done.go_on}")
        return
    command = again(arguments, done.go_on, done.source.shift, chosen)
    output.note(f"continue:  magictel {command}")
    if MASK in command:
        output.note(f"           replace {MASK} with the secret, which is not shown")


def again(arguments: Sequence[str], point: int, shift: float, chosen: Iterable[Chosen]) -> str:
    """Return the command's arguments, ready to copy."""
    chosen = tuple(chosen)
    secret = {
        key
        for target in chosen
        if target.exporter
        for key, field in field_map(target.exporter.Settings).items()
        if field.secret
    }
    redact = Redactor(
        value for target in chosen if target.resolved for value in target.resolved.settings.secret_values()
    )
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
    """Mask the values of secret options in `--set`, and the login in an address."""
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
