"""A handler of SIGTERM for programs that have none: without it the process ends at once, and its last minute of metrics is lost."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

_LONGEST = 10.0


class LastCollection:
    """A handler that runs `finish` before the default action of SIGTERM, which then ends the process.

    A handler of the program, existing or installed later, is not changed. `finish` runs in a thread while the program continues,
    because the signal may interrupt anything, and must end by itself; a second SIGTERM does not wait for it.
    """

    def __init__(self, finish: Callable[[], None]) -> None:
        self._finish = finish
        self._received = False

    def install(self) -> bool:
        """Install the handler and return whether that succeeded."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return False
        signal.signal(signal.SIGTERM, self._terminated)
        return True

    def _terminated(self, number: int, _frame: FrameType | None) -> None:
        if not self._received:
            self._received = True
            try:
                _thread.start_new_thread(self._finish_and_end, (os.getpid(), number))
            except RuntimeError:  # no thread can be started
                pass
            else:
                # A program that exits meanwhile also ends with the signal.
                atexit.register(threading.Event().wait, _LONGEST)
                return
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _finish_and_end(self, process: int, number: int) -> None:
        try:
            self._finish()
        finally:
            os.kill(process, number)
