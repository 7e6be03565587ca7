"""Processes that export with a spool and are killed: `python -m tests.delivery.nursery EXPORTER SEED … < variables`.

Each seed is a forked child, a few at a time. It prints the numbers of each collection when `export()` has returned, and is killed at a
random instruction: after a number of lines of magictel's Python, or by a timer, which also hits SQLite and the system's calls.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from tests.delivery.points import collection

EXPORTS = 3
TOGETHER = 3
"""Processes that share the spool at a time."""


def exporter(path: str, variables: Mapping[str, str]) -> Any:
    """Create an exporter from `module:class`."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)(environment=variables, target="killed")


def numbers(seed: int, export: int) -> range:
    """The numbers of a collection: multiples of 3, which are gauges, for backends that take no cumulative points."""
    first = 3_000_000 + seed * 3_000 + export * 600
    return range(first, first + 3 * random.Random(f"{seed}/{export}").randint(1, 35), 3)


def main(path: str, *seeds: str) -> None:
    variables = json.load(sys.stdin)
    lines, seconds = _measured(path, variables)
    children = set()
    for seed in map(int, seeds):
        children.add(_started(path, variables, seed, lines, seconds))
        if len(children) == TOGETHER:
            children.remove(os.wait()[0])
    for child in children:
        os.waitpid(child, 0)


def _started(path: str, variables: Mapping[str, str], seed: int, lines: int, seconds: float) -> int:
    child = os.fork()
    if not child:
        dice = random.Random(seed)
        if seed % 2:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process at once, like SIGKILL
            signal.setitimer(signal.ITIMER_REAL, dice.uniform(0.001, seconds))
        else:
            sys.settrace(_Killer(dice.randint(1, lines)).trace)
        _run(path, variables, seed)
        os._exit(0)
    return child


def _run(path: str, variables: Mapping[str, str], seed: int) -> None:
    exporting = exporter(path, variables)
    for export in range(EXPORTS):
        wanted = numbers(seed, export)
        exporting.export(collection(wanted, time.time_ns()), timeout_millis=2_000)
        os.write(1, f"{wanted.start} {wanted.stop}\n".encode())
    exporting.shutdown(1_000)


def _measured(path: str, variables: Mapping[str, str]) -> Iterator[Any]:
    """Return the lines and the seconds of a child that is not killed."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        counter = _Killer(0)
        began = time.monotonic()
        sys.settrace(counter.trace)
        _run(path, variables, 900)
        sys.settrace(None)
        os.write(writable, json.dumps([counter.lines, time.monotonic() - began]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return iter(json.loads(os.read(readable, 99)))


class _Killer:
    """Counts lines of magictel, and ends the process at one of them."""

    def __init__(self, last: int) -> None:
        self.lines = 0
        self._last = last

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if "/magictel/" not in frame.f_code.co_filename or "/tests/" in frame.f_code.co_filename:
            return None
        self.lines += 1
        if self.lines == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


if __name__ == "__main__":
    main(*sys.argv[1:])
