"""Calls around `os.fork`, which last as long as the object whose method they call."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable


def before_fork(method: Callable[[], None]) -> None:
    """Call a bound method in the parent before each fork."""
    os.register_at_fork(before=_weak(method))


def after_fork_in_child(method: Callable[[], None]) -> None:
    """Call a bound method in each forked child."""
    os.register_at_fork(after_in_child=_weak(method))


def before_end_of_child(owner: object, method: Callable[[], None]) -> None:
    """In a forked child: call a method of `owner` before the end of a child of multiprocessing, which runs no exit handlers."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # it forgets its finalizers after this, and then calls what was registered for a fork
        util.register_after_fork(owner, lambda _owner: util.Finalize(None, method, exitpriority=0))


def _weak(method: Callable[[], None]) -> Callable[[], None]:
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    return call
