"""Several emulators served together: the whole sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Self

from magictel.clock import Clock, SystemClock
from magictel.errors import UsageError
from magictel.http.wire import Request
from magictel.sandbox.datagrams import DatagramServer
from magictel.sandbox.emulator import DatagramEmulator, Emulator
from magictel.sandbox.faults import Faults, parse_faults
from magictel.sandbox.server import Server
from magictel.sandbox.table import canonical, make, usable


class Sandbox:
    """The chosen emulators, each behind a server of its own. Stop it, or use it as a context manager.

    The servers take free ports, or `port` and the ones above it. `seen` is called with each write: the emulator's name, the request,
    and the status of its reply (None where none was sent).
    """

    def __init__(
        self,
        names: Iterable[str] | None = None,
        *,
        faults: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        seen: Callable[[str, Request, int | None], None] | None = None,
    ) -> None:
        clock = clock or SystemClock()
        chosen = list(dict.fromkeys(canonical(name) for name in (usable() if names is None else names)))
        scripts = _scripts(faults, chosen)
        self.emulators: dict[str, Emulator | DatagramEmulator] = {}
        self.servers: dict[str, Server | DatagramServer] = {}
        for place, name in enumerate(chosen):
            emulator = make(name, clock)
            number = port + place if port else 0
            if isinstance(emulator, DatagramEmulator):
                self.servers[name] = DatagramServer(emulator, host=host, port=number, faults=scripts.get(name))
            elif hasattr(emulator, "handle"):
                noted = partial(seen, name) if seen is not None else None
                self.servers[name] = Server(
                    emulator, host=host, port=number, faults=scripts.get(name), clock=clock, seen=noted
                )
            elif names is None:
                continue
            else:
                message = f"the emulator for {name} is a stage of its own, for laws only"
                raise UsageError("sandbox.unknown-emulator", message, f"magictel conformance {name}")
            self.emulators[name] = emulator

    def start(self) -> Self:
        """Start every server; when one cannot be started, none stays."""
        try:
            for server in self.servers.values():
                server.start()
        except (OSError, OverflowError) as failure:
            self.stop()
            why = failure.strerror if isinstance(failure, OSError) else "ports end at 65535"
            raise UsageError(
                "sandbox.port",
                f"the sandbox cannot listen on port {server.port}: {why}",
                "stop the program that listens there, or omit --port to use free ports",
            ) from None
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
        merged: dict[str, str] = {}
        for name in [canonical(name) for name in names] or list(self.servers):
            variables = self.emulators[name].environment(self.servers[name].origin)
            ca_file = self.servers[name].ca_file
            if ca_file is not None:
                variables |= {
                    f"{key.removesuffix('_URL')}_CA_FILE": ca_file for key in variables if key.endswith("_URL")
                }
            merged.update(variables)
        return merged

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every late write of every server has landed; False if one has not in time."""
        settled = [server.settle(timeout) for server in self.servers.values()]
        return all(settled)


def _scripts(faults: Iterable[str], chosen: list[str]) -> dict[str, Faults]:
    scripts: dict[str, Faults] = {}
    for text in faults:
        script = parse_faults(text)
        if script.emulator is None and len(chosen) != 1:
            raise UsageError(
                "sandbox.fault-without-name",
                f"the fault script {text!r} does not name its emulator",
                f"put the emulator's name before it, as in '{chosen[0] if chosen else 'elasticsearch'}: {text.strip()}'",
            )
        name = canonical(script.emulator or chosen[0])
        if name not in chosen:
            raise UsageError(
                "sandbox.fault-for-none",
                f"{name} has a fault script but is not started",
                f"started: {', '.join(chosen)}",
            )
        scripts[name] = script
    return scripts
