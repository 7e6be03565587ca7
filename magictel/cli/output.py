"""Standard output for results, standard error for everything else; a closed pipe is not an error."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magictel.reporters.layout import Sheet

_CODES = {"good": "32", "bad": "31", "odd": "33", "faint": "2"}


class Format(StrEnum):
    """The format of a result."""

    TEXT = "text"
    JSON = "json"


class ResultFormat(StrEnum):
    """The format of a check, send or replay on standard output: text, or any kind of `--report`."""

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
        """Return the format of a failure: JSON if the result is JSON, otherwise text."""
        return Format.JSON if self is ResultFormat.JSON else Format.TEXT


class _Written:
    """Whether the JSON document was printed, and the error of standard output, unless it is a closed pipe."""

    document = False
    failure: str | None = None
    result: TextIO | None = None
    """Standard output, once it is reserved."""


class _Masked:
    """Standard error, with secrets masked in what is printed to it."""

    def __init__(self, stream: TextIO, redact: Callable[[str], str]) -> None:
        self._stream = stream
        self._redact = redact

    def write(self, text: str) -> int:
        return self._stream.write(self._redact(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Result:
    """The stream of the result: standard output may be reserved after a report has begun."""

    def __getattr__(self, name: str) -> Any:
        return getattr(stdout(), name)


def reserve(redact: Callable[[str], str]) -> None:
    """Reserve standard output for the result: what packages of others print goes to standard error, with secrets masked."""
    if _Written.result is not None:
        return
    _Written.result = _moved(sys.stdout)
    sys.stdout = sys.stderr = cast("TextIO", _Masked(sys.stderr, redact))


def stdout() -> TextIO:
    """Return the stream of the result."""
    return _Written.result or sys.stdout


def descriptor() -> int:
    """Return the descriptor of the result."""
    return 1 if _Written.result is None else _Written.result.fileno()


def say(text: str = "") -> None:
    """Print a line of the result on standard output."""
    _write(stdout(), f"{text}\n")


def note(text: str) -> None:
    """Print a line that is not part of the result on standard error."""
    _write(sys.stderr, f"{text}\n")


def document(value: Any) -> None:
    """Print the command's JSON document on standard output; ignore a second one, which would break parsers."""
    if _Written.document:
        return
    import json  # not every command needs it

    _Written.document = True
    _write(stdout(), json.dumps(value, indent=2) + "\n")


def page() -> Sheet:
    """Return a sheet for text on standard output, whose errors are reported at the end of the command."""
    from magictel.cli.environment import environment
    from magictel.reporters.terminal import sheet_for

    sheet = sheet_for(cast("TextIO", _Result()), environment())
    sheet.failed = unwritable
    return sheet


def finding_lines(code: str | None, message: str, remedy: str | None, origin: Any = None) -> Iterator[str]:
    """Yield a failure inside a result: message, origin, remedy and code."""
    yield f"  {message}"
    if origin:
        yield f"      from {origin}"
    if remedy:
        yield f"      fix:   {remedy}"
    yield f"      more:  magictel explain {code}"


def documented() -> bool:
    """Return whether the document was printed."""
    return _Written.document


def begin() -> None:
    """Start a run: reset the state, and make every character printable."""
    _Written.document = False
    _Written.failure = None
    _Written.result = None
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def flush() -> None:
    """Write the buffer; ignore a closed pipe."""
    for stream in (stdout(), sys.stderr):
        try:
            stream.flush()
        except OSError as failure:
            _failed(stream, failure)
        except ValueError:  # a closed stream: there is no place to report it
            pass


def end(code: int) -> int:
    """Write the buffer and return the exit code. Report a result that could not be written, and never return 0 for it."""
    flush()
    if _Written.failure is None:
        return code
    note(f"standard output cannot be written: {_Written.failure}")
    note("  free space there, or redirect the output")
    flush()
    return code or 1


def coloured(stream: TextIO | None = None) -> bool:
    """Return whether the stream is a terminal with colours and NO_COLOR is not set."""
    from magictel.cli.environment import environment

    env = environment()
    if env.get("NO_COLOR") or env.get("TERM") == "dumb":
        return False
    return (stream or stdout()).isatty()


def paint(text: str, how: str, stream: TextIO | None = None) -> str:
    """Return the text in a colour (`good`, `bad`, `odd`, `faint`) if the stream supports colours."""
    return f"\x1b[{_CODES[how]}m{text}\x1b[0m" if coloured(stream) else text


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except OSError as failure:
        _failed(stream, failure)


def refused(failure: OSError) -> bool:
    """Return whether the failure came from standard output while other code wrote to it."""
    try:
        stdout().write("\n")
        stdout().flush()
    except OSError as again:
        if again.errno == failure.errno:
            unwritable(failure)
            return True
    return False


def unwritable(failure: OSError) -> None:
    """Record that standard output failed while other code wrote to it."""
    _failed(stdout(), failure)


def _failed(stream: TextIO, failure: OSError) -> None:
    if stream is stdout() and not isinstance(failure, BrokenPipeError):
        _Written.failure = (failure.strerror or "it fails").lower()
    _silence(stream)


def _moved(stream: TextIO) -> TextIO:
    """Return a new stream on the same file; the descriptor becomes standard error, for what is not Python or knows this stream."""
    try:
        stream.flush()
        moved = os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors="replace")
        os.dup2(sys.stderr.fileno(), stream.fileno())
    except (OSError, ValueError):  # a stream in memory has no descriptor
        return stream
    return moved


def _nowhere() -> TextIO:
    """Return a stream for a descriptor that the caller closed, so that no other file gets this descriptor."""
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _silence(stream: TextIO) -> None:
    """Discard all further output; the exit code still counts."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass
