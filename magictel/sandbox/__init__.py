"""Embedded backends on loopback: what `magictel sandbox`, `--sandbox` and the tests talk to instead of real servers.

    emulator    the protocol of an emulator: `handle(Request) -> Reply`, pure, with a queryable store
    endpoints   what emulators are made of: a table of end points, bodies, replies
    server      an HTTP/1.1 server around an emulator, on which faults can be scripted
    datagrams   a UDP server around an emulator
    faults      the script: `429 x3 retry-after=1, then reset, then partial 10%`
    table       the emulators by the name of their exporter
    sandbox     several emulators running together, with the variables that point exporters at them

An emulator decodes with independent code (`json`, official protobuf classes), never with magictel's encoders, or both
would share a bug. It follows the engine to its error texts: `tests/sandbox/test_sandbox_emulator.py` compares it with recorded
replies of the engines. Nothing here is imported before it is used.

    >>> from magictel import sandbox
    >>> with sandbox.start(["elasticsearch"]) as room:
    ...     sorted(room.environment())
    ['ELASTICSEARCH_URL']
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magictel.clock import Clock
    from magictel.http.wire import Request
    from magictel.sandbox.sandbox import Sandbox

__all__ = ["names", "start"]


def names() -> tuple[str, ...]:
    """Return the exporters that have an emulator."""
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
    """Start these emulators (without names, all that the sandbox can serve) and return the running sandbox, a context manager.

    `faults` are scripts such as `elasticsearch: 429 x3, then reset`. The servers take free ports, or `port` and the ones above it.
    `seen` is called with each write: the emulator's name, the request, and the status of its reply (None where none was sent).
    Raise `UsageError` for an unknown name or script, and for a port that is taken.
    """
    from magictel.clock import SystemClock
    from magictel.errors import UsageError
    from magictel.sandbox.datagrams import DatagramServer
    from magictel.sandbox.emulator import DatagramEmulator, ListeningEmulator
    from magictel.sandbox.sandbox import Sandbox, scripts
    from magictel.sandbox.server import Server
    from magictel.sandbox.table import canonical, make, usable

    clock = clock or SystemClock()
    chosen = list(dict.fromkeys(canonical(name) for name in (usable() if names is None else names)))
    script = scripts(faults, chosen)
    servers: dict[str, Server | DatagramServer] = {}
    for place, name in enumerate(chosen):
        emulator = make(name, clock)
        number = port + place if port else 0
        noted = partial(seen, name) if seen is not None else None
        if isinstance(emulator, ListeningEmulator):
            emulator.stop()
            if names is not None:
                message = f"the emulator for {name} works with magictel conformance only"
                raise UsageError("sandbox.unknown-emulator", message, f"magictel conformance {name}")
        elif isinstance(emulator, DatagramEmulator):
            servers[name] = DatagramServer(emulator, host=host, port=number, faults=script.get(name), seen=noted)
        else:
            servers[name] = Server(emulator, host=host, port=number, faults=script.get(name), clock=clock, seen=noted)
    return Sandbox(servers)
