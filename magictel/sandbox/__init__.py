"""Embedded backends on loopback: what `magictel sandbox`, `--sandbox` and the tests talk to instead of real servers.

    emulator    the shape of one: `handle(Request) -> Reply`, pure, with a queryable store
    server      an HTTP/1.1 server around an emulator, on which faults can be scripted
    faults      the script: `429 x3 retry-after=1, then reset, then partial 10%`
    table       the emulators there are, by the exporter's name they stand in for
    room        several of them started together, with the variables that point exporters at them

An emulator decodes with independent code (`json`, official protobuf classes), never with magictel's encoders, or both
would share one bug. Where it matters it follows the engine, to its error texts: `tests/sandbox/test_sandbox_emulator.py`
holds it to what the engines answered. Nothing here is imported before it is asked for.

    >>> from magictel import sandbox
    >>> with sandbox.start(["elasticsearch"]) as room:
    ...     sorted(room.environment())
    ['ELASTICSEARCH_URL']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magictel.clock import Clock
    from magictel.http.wire import Request
    from magictel.sandbox.sandbox import Sandbox

__all__ = ["names", "start"]


def names() -> tuple[str, ...]:
    """The exporters that have an emulator."""
    from magictel.sandbox.table import usable

    return usable()


def start(
    names: Iterable[str] | None = None,
    *,
    faults: Iterable[str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock | None = None,
    seen: Callable[[str, Request, int | None], None] | None = None,
) -> Sandbox:
    """Start these emulators (all, without names) and return the running sandbox, a context manager.

    `faults` are scripts such as `elasticsearch: 429 x3, then reset`; `port` and `seen` are those of `Sandbox`. Raises `UsageError` for
    an unknown name or script, and for a port that is taken.
    """
    from magictel.sandbox.sandbox import Sandbox

    return Sandbox(names, faults=faults, host=host, port=port, clock=clock, seen=seen).start()
