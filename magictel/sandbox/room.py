"""Several emulators served together: the whole sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from magictel.clock import Clock, SystemClock
from magictel.errors import UsageError
from magictel.sandbox.emulator import Emulator
from magictel.sandbox.faults import Faults, parse_faults
from magictel.sandbox.server import Server
from magictel.sandbox.table import EMULATORS, canonical, make


class Sandbox:
    """The chosen emulators, each behind a server of its own on a free port. Stop it, or use it as a context manager."""

    def __init__(
        self,
        names: Iterable[str] | None = None,
        *,
        faults: Iterable[str] = (),
        host: str = "127.0.0.1",
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        chosen = list(dict.fromkeys(canonical(name) for name in (EMULATORS if names is None else names)))
        scripts = _scripts(faults, chosen)
        self.emulators: dict[str, Emulator] = {name: make(name, clock) for name in chosen}
        self.servers: dict[str, Server] = {
            name: Server(emulator, host=host, faults=scripts.get(name), clock=clock)
            for name, emulator in self.emulators.items()
        }

    def start(self) -> Self:
        """Start every server; when one cannot be started, none stays."""
        try:
            for server in self.servers.values():
                server.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop every server; may be called twice."""
        for server in self.servers.values():
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environment(self, *names: str) -> dict[str, str]:
        """The variables that point exporters (these, or all) at the sandbox."""
        found: dict[str, str] = {}
        for name in [canonical(name) for name in names] or list(self.servers):
            found.update(self.emulators[name].environment(self.servers[name].origin))
        return found

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every late write of every server has landed; False if one has not in time."""
        settled = [server.settle(timeout) for server in self.servers.values()]
        return all(settled)


def _scripts(faults: Iterable[str], chosen: list[str]) -> dict[str, Faults]:
    scripts: dict[str, Faults] = {}
    for text in faults:
        script = parse_faults(text)
        if script.emulator is None:
            raise UsageError(
                "sandbox.fault-without-name",
                f"the fault script {text!r} does not say whose it is",
                f"put the emulator's name before it, as in '{chosen[0] if chosen else 'elasticsearch'}: {text.strip()}'",
            )
        name = canonical(script.emulator)
        if name not in chosen:
            raise UsageError(
                "sandbox.fault-for-none",
                f"{name} is given a fault and not started",
                f"started are: {', '.join(chosen)}",
            )
        scripts[name] = script
    return scripts
