"""What leaves on standard output and standard error: results there, everything else here; a closed pipe is silent."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Any, TextIO

_CODES = {"good": "32", "bad": "31", "odd": "33", "faint": "2"}


class Format(StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"


class ResultFormat(StrEnum):
    """How the result of a check, a send or a replay is written on standard output: every kind of `--report`, and the page."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    TAP = "tap"
    GITHUB = "github"
    NAGIOS = "nagios"
    PROMETHEUS = "prometheus"
    HTML = "html"

    @property
    def plain(self) -> Format:
        """How a failure is written: as JSON where the result is, else as text."""
        return Format.JSON if self is ResultFormat.JSON else Format.TEXT


class _Written:
    """Whether standard output has its one document already, and why it takes no more, if it is not a closed pipe."""

    document = False
    failure: str | None = None


def say(text: str = "") -> None:
    """A line of the result, on standard output."""
    _write(sys.stdout, f"{text}\n")


def note(text: str) -> None:
    """A line beside the result, on standard error."""
    _write(sys.stderr, f"{text}\n")


def document(value: Any) -> None:
    """The one JSON document of a command, on standard output; a second one would break whoever reads it, so it is left out."""
    if _Written.document:
        return
    import json  # not every command speaks it

    _Written.document = True
    _write(sys.stdout, json.dumps(value, indent=2) + "\n")


def documented() -> bool:
    """True once the document was written."""
    return _Written.document


def begin() -> None:
    """Start a run: nothing is written yet, and no character can stop the writing."""
    _Written.document = False
    _Written.failure = None
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def flush() -> None:
    """Write what is buffered; whoever has closed the pipe does not want it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as failure:
            _failed(stream, failure)
        except ValueError:  # a closed stream: there is nowhere left to say so
            pass


def end(code: int) -> int:
    """Write what is buffered; the exit code. A result that could not be written is said so, and nobody may take it for a good one."""
    flush()
    if _Written.failure is None:
        return code
    note(f"standard output cannot be written: {_Written.failure}")
    note("  make room there, or send it elsewhere")
    flush()
    return code or 1


def coloured(stream: TextIO | None = None) -> bool:
    """True on a terminal that takes colours, unless NO_COLOR is set."""
    from magictel.cli.environment import environment

    held = environment()
    if held.get("NO_COLOR") or held.get("TERM") == "dumb":
        return False
    return (stream or sys.stdout).isatty()


def paint(text: str, how: str, stream: TextIO | None = None) -> str:
    """The text in a colour (`good`, `bad`, `odd`, `faint`) where colours are taken; it only repeats what the words say."""
    return f"\x1b[{_CODES[how]}m{text}\x1b[0m" if coloured(stream) else text


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except OSError as failure:
        _failed(stream, failure)


def refused(failure: OSError) -> bool:
    """Whether it is standard output that failed so, while somebody else wrote to it: it still does."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError as again:
        if again.errno == failure.errno:
            unwritable(failure)
            return True
    return False


def unwritable(failure: OSError) -> None:
    """Standard output took no more of what somebody else wrote to it."""
    _failed(sys.stdout, failure)


def _failed(stream: TextIO, failure: OSError) -> None:
    if stream is sys.stdout and not isinstance(failure, BrokenPipeError):
        _Written.failure = (failure.strerror or "it fails").lower()
    _silence(stream)


def _nowhere() -> TextIO:
    """In place of a stream that the caller closed before we began; it takes the descriptor, lest another file get it."""
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _silence(stream: TextIO) -> None:
    """Let everything further go nowhere: the verdict in the exit code still counts."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass
