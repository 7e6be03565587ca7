"""SIGTERM to a program that does not handle it: the process would die at once, and the last minute of its metrics with it."""

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
    """Where SIGTERM has its default action, `finish` runs first; then the process dies of the signal all the same.

    A handler that the program has, or installs later, is left alone. `finish` runs in a thread while the program goes on, since
    the signal may have struck in the middle of anything, and must end by itself; a second SIGTERM does not wait for it.
    """

    def __init__(self, finish: Callable[[], None]) -> None:
        self._finish = finish
        self._came = False

    def listen(self) -> bool:
        """Whether SIGTERM is listened to from now on."""
        ours = threading.current_thread() is threading.main_thread()
        if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return False
        signal.signal(signal.SIGTERM, self._terminated)
        return True

    def _terminated(self, number: int, _frame: FrameType | None) -> None:
        if not self._came:
            self._came = True
            try:
                _thread.start_new_thread(self._last, (os.getpid(), number))
            except RuntimeError:  # no thread can be started
                pass
            else:
                # A program that ends meanwhile ends by the signal too.
                atexit.register(threading.Event().wait, _LONGEST)
                return
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _last(self, process: int, number: int) -> None:
        try:
            self._finish()
        finally:
            os.kill(process, number)
