"""Handling of SIGINT and SIGTERM during the whole life of the process: they always mean exit code 130 and 143.

By default a signal ends the process at once. It raises nothing, because an exception in the middle of an import leaves half a
module behind, and one in a callback of the interpreter is printed and ignored.
`raising` and `Interrupts` are for commands that must finish a report or a file first.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any
else:
    import _signal as signal  # `signal` itself imports enum and re: a long time without a handler

SIGNALS: tuple[int, int] = (signal.SIGINT, signal.SIGTERM)
STOPPED: dict[int, tuple[str, str]] = {
    signal.SIGINT: ("run.interrupted", "interrupted"),
    signal.SIGTERM: ("run.terminated", "terminated"),
}
"""Code and message of a stopped run."""
REMEDY = "run the command again"
_SOON = 0.01
_AT_ONCE = 0.25
"""Seconds within which a second signal is the first one: timeout(1) sends it to the process and to its group."""


class Terminated(KeyboardInterrupt):
    """SIGTERM was received. Ends a command cleanly like an interrupt, with another exit code."""


class _Process:
    """The last signal that was raised, and whether the next one is a repetition of it."""

    came: int | None = None
    at = 0.0
    """The time of that signal."""
    repeated = False
    json = False
    quiet = False


def end_at_once(*, json: bool = False, quiet: bool = False) -> None:
    """End the process on SIGINT and SIGTERM from now on; `json`: print the JSON document; `quiet`: print nothing."""
    _Process.json, _Process.quiet = json, quiet
    try:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGTERM:
                signal.signal(number, _end)
    except ValueError:  # not in the main thread: the process belongs to another program
        return
    sys.unraisablehook = _unraisable


def signal_exit_code(code: int) -> int:
    """Return the process's exit code: a signal that a library swallowed still counts."""
    return code if _Process.came is None else 128 + _Process.came


def interruption(number: int) -> KeyboardInterrupt:
    """Return the exception for a signal."""
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


def first(number: int, frame: FrameType | None) -> bool:
    """Return whether a handler may raise now. While a module is imported it may not, and the signal is repeated later.

    A second signal ends the process here, unless it comes at once.
    """
    repeated, _Process.repeated = _Process.repeated, False
    if _Process.came is None:
        _Process.at = time.monotonic()
    elif not repeated:
        if time.monotonic() - _Process.at < _AT_ONCE:
            return False
        os._exit(128 + number)
    _Process.came = number
    if not _importing(frame):
        return True
    _Process.repeated = True
    _thread.start_new_thread(_once_more, (number,))
    return False


class raising:  # noqa: N801 # reads as a with statement's words
    """A context in which the first signal raises `KeyboardInterrupt` or `Terminated`; a second one ends the process.

    SIGINT interrupts even if a shell started the process in the background with SIGINT ignored: a sandbox must be stoppable.
    """

    def __enter__(self) -> None:
        self._before = listen(self._came)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unlisten(self._before)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if first(number, frame):
            raise interruption(number)


def listen(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Install a handler for both signals and return the previous ones. Outside of the main thread, do nothing."""
    _Process.came, _Process.repeated = None, False
    try:
        return {number: signal.signal(number, handler) for number in SIGNALS}
    except ValueError:  # not in the main thread: the process belongs to another program
        return {}


def unlisten(before: dict[int, Any]) -> None:
    """Restore the handlers that `listen` returned."""
    for number, handler in before.items():
        signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    code, message = STOPPED[number]
    output = sys.modules.get("magictel.cli.output")
    documented = getattr(output, "documented", bool)()
    try:
        if _Process.json and not documented:
            fields = {"schema": "magictel.error/1", "code": code, "message": message, "remedy": REMEDY}
            lines = "".join(f'  "{name}": "{value}",\n' for name, value in fields.items())
            os.write(getattr(output, "descriptor", lambda: 1)(), f'{{\n{lines}  "origin": null\n}}\n'.encode())
        elif not _Process.quiet and not _Process.json:
            os.write(2, f"{message}\n  {REMEDY}\n  more:  magictel explain {code}\n".encode())
    except OSError:  # the pipe is closed: the exit code still says it
        pass
    os._exit(128 + number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _once_more(number: int) -> None:
    time.sleep(_SOON)  # noqa: TID251 # a signal handler has no clock
    _thread.interrupt_main(number)  # type: ignore[arg-type] # a number will do


def _unraisable(unraisable: Any) -> None:
    """Repeat a signal that was raised in a callback of the interpreter (a finalizer), where it would be printed and ignored."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt) or unraisable.exc_type is KeyboardInterrupt:
        _Process.repeated = True
        _thread.start_new_thread(_once_more, (_Process.came or signal.SIGINT,))
        return
    sys.__unraisablehook__(unraisable)
