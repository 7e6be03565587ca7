"""Calls around `os.fork`, which last as long as the object whose method they call."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def before_fork(method: Callable[[], None]) -> None:
    """Call a bound method in the parent before each fork."""
    os.register_at_fork(before=_weak(method))


def after_fork_in_child(method: Callable[[], None]) -> None:
    """Call a bound method in each forked child."""
    os.register_at_fork(after_in_child=_weak(method))


def _weak(method: Callable[[], None]) -> Callable[[], None]:
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    return call
