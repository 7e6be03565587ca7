"""How a failure is told: exit code, sentence, origin, remedy; as text on standard error, or as the one document."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from magictel.cli import output
from magictel.cli.exit_codes import Exit
from magictel.cli.output import Format, paint
from magictel.cli.signals import REMEDY, STOPPED, Terminated
from magictel.errors import MagictelError, UsageError

SCHEMA = "magictel.error/1"


def exit_code(failure: BaseException) -> int:
    """The exit code that a failure of the whole command means."""
    if isinstance(failure, Terminated):
        return Exit.TERMINATED
    if isinstance(failure, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(failure, UsageError):
        return Exit.USAGE
    return Exit.UNUSABLE if isinstance(failure, MagictelError) else Exit.FAILED


def body(failure: MagictelError) -> dict[str, Any]:
    """Code, message, remedy and origin, for JSON."""
    return {
        "code": failure.code,
        "message": failure.message,
        "remedy": failure.remedy and "\n".join(line.strip() for line in failure.remedy.split("\n")),
        "origin": failure.origin,
    }


def tell(failure: MagictelError, how: Format, *, target: str | None = None, document: bool = True) -> None:
    """Say it: in JSON as the whole document (unless there is one already), else on standard error."""
    if how is Format.JSON and document:
        output.document({"schema": SCHEMA, **body(failure)})
        return
    for line in lines(failure, target):
        output.note(line)


def lines(failure: MagictelError, target: str | None = None) -> list[str]:
    """A failure for people: what, from where, what to do, and where more is said. On a terminal sentences wrap, commands do not."""
    from magictel.cli.environment import environment
    from magictel.reporters.symbols import printable
    from magictel.reporters.tty import width_of

    width = width_of(sys.stderr, environment())
    lead = f"{target}: " if target else ""
    told = [paint(line, "bad", sys.stderr) for line in _wrapped(printable(f"{lead}{failure.message}"), width)]
    if failure.origin:
        told += _wrapped(printable(f"  from {failure.origin}"), width)
    for line in printable(failure.remedy).split("\n") if failure.remedy else ():
        told += [line] if line.startswith("  ") else _wrapped(f"  {line}", width)
    if not isinstance(failure, UsageError) and "\n" not in (failure.remedy or ""):
        told.append(f"  more:  magictel explain {failure.code}")
    return told


def _wrapped(text: str, width: int | None) -> list[str]:
    """Lines of a sentence between words; what begins as a command is copied, and stays one line."""
    import textwrap

    from magictel.reporters.remedies import COMMANDS

    if width is None or len(text) < width or text.lstrip().startswith(COMMANDS):
        return [text]
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    wrap = textwrap.TextWrapper(
        max(20, width - 1), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [part for line in text.split("\n") for part in wrap.wrap(line) or [""]]


def stopped(failure: KeyboardInterrupt) -> MagictelError:
    """An interrupt in a failure's clothes."""
    code, message = STOPPED[signal.SIGTERM if isinstance(failure, Terminated) else signal.SIGINT]
    return MagictelError(code, message, REMEDY)


def mistake(failure: BaseException) -> MagictelError:
    """A bug of ours or of a plugin's: its type and place, never its text, which may hold anything."""
    frames = traceback.extract_tb(failure.__traceback__)
    place = next((frame for frame in reversed(frames) if "magictel" in Path(frame.filename).parts), None)
    place = place or (frames[-1] if frames else None)
    where = f" at {_short(place.filename)}:{place.lineno}" if place else ""
    return MagictelError(
        "internal.error",
        f"a mistake in magictel: {type(failure).__name__}{where}",
        "please report this line with the command and `magictel --version` to magictel's issue tracker",
    )


def _short(filename: str) -> str:
    parts = Path(filename).parts
    start = max((number for number, part in enumerate(parts) if part == "magictel"), default=len(parts) - 1)
    return "/".join(parts[start:])
