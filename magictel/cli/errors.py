"""Output of a failure: exit code, message, origin and remedy, as text on standard error or as the JSON document."""

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


def failure_exit_code(failure: BaseException) -> int:
    """Return the exit code for a failure of the whole command."""
    if isinstance(failure, Terminated):
        return Exit.TERMINATED
    if isinstance(failure, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(failure, UsageError):
        return Exit.USAGE
    return Exit.UNUSABLE if isinstance(failure, MagictelError) else Exit.FAILED


def body(failure: MagictelError) -> dict[str, Any]:
    """Return code, message, remedy and origin, for JSON."""
    return {
        "code": failure.code,
        "message": failure.message,
        "remedy": failure.remedy and "\n".join(line.strip() for line in failure.remedy.split("\n")),
        "origin": failure.origin,
    }


def tell(failure: MagictelError, how: Format, *, target: str | None = None, document: bool = True) -> None:
    """Print a failure: as the JSON document (unless one was printed), or on standard error."""
    if how is Format.JSON and document:
        output.document({"schema": SCHEMA, **body(failure)})
        return
    for line in lines(failure, target):
        output.note(line)


def lines(failure: MagictelError, target: str | None = None) -> list[str]:
    """Return a failure as text: message, origin, remedy and code. On a terminal sentences wrap, commands do not."""
    from magictel.cli.environment import environment
    from magictel.reporters.symbols import printable
    from magictel.reporters.tty import width_of

    width = width_of(sys.stderr, environment())
    lead = f"{target}: " if target else ""
    lines = [paint(line, "bad", sys.stderr) for line in _wrapped(printable(f"{lead}{failure.message}"), width)]
    if failure.origin:
        lines += _wrapped(printable(f"  from {failure.origin}"), width)
    for line in printable(failure.remedy).split("\n") if failure.remedy else ():
        lines += [line] if line.startswith("  ") else _wrapped(f"  {line}", width)
    if not isinstance(failure, UsageError) and "\n" not in (failure.remedy or ""):
        lines.append(f"  more:  magictel explain {failure.code}")
    return lines


def _wrapped(text: str, width: int | None) -> list[str]:
    """Wrap a sentence between words; a command stays on one line, to be copied."""
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
    """Return the failure for an interrupted command."""
    code, message = STOPPED[signal.SIGTERM if isinstance(failure, Terminated) else signal.SIGINT]
    return MagictelError(code, message, REMEDY)


def mistake(failure: BaseException) -> MagictelError:
    """Return the failure for a bug in magictel or a plugin: its type and location, never its text, which may contain secrets."""
    frames = traceback.extract_tb(failure.__traceback__)
    place = next((frame for frame in reversed(frames) if "magictel" in Path(frame.filename).parts), None)
    place = place or (frames[-1] if frames else None)
    where = f" at {_short(place.filename)}:{place.lineno}" if place else ""
    return MagictelError(
        "internal.error",
        f"a bug in magictel: {type(failure).__name__}{where}",
        "please report this line with the command and `magictel --version` in magictel's issue tracker",
    )


def _short(filename: str) -> str:
    parts = Path(filename).parts
    start = max((number for number, part in enumerate(parts) if part == "magictel"), default=len(parts) - 1)
    return "/".join(parts[start:])
