"""Several emulators running together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType

from magictel.errors import UsageError
from magictel.sandbox.datagrams import DatagramServer
from magictel.sandbox.emulator import DatagramEmulator, Emulator
from magictel.sandbox.faults import Faults, parse_faults
from magictel.sandbox.server import Server
from magictel.sandbox.table import canonical


class Sandbox(AbstractContextManager["Sandbox"]):
    """Started servers by the name of their emulator. Stop it, or use it as a context manager."""

    def __init__(self, servers: Mapping[str, Server | DatagramServer]) -> None:
        """Start every server; if one cannot be started, stop the others and raise `UsageError`."""
        self.servers = servers
        self.emulators: dict[str, Emulator | DatagramEmulator] = {
            name: server.emulator for name, server in servers.items()
        }
        try:
            for server in servers.values():
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

    def stop(self) -> None:
        """Stop every server; may be called twice."""
        for server in self.servers.values():
            server.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environment(self, *names: str) -> dict[str, str]:
        """Return the variables that point exporters (these, or all) at the sandbox."""
        merged: dict[str, str] = {}
        for name in [canonical(name) for name in names] or list(self.servers):
            server = self.servers[name]
            variables = server.emulator.environment(server.origin)
            if server.ca_file is not None:
                urls = [key for key in variables if key.endswith("_URL")]
                variables |= {f"{key.removesuffix('_URL')}_CA_FILE": server.ca_file for key in urls}
            merged.update(variables)
        return merged

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until all late writes are stored; return False after `timeout` seconds per server."""
        settled = [server.settle(timeout) for server in self.servers.values()]
        return all(settled)


def scripts(faults: Iterable[str], chosen: list[str]) -> dict[str, Faults]:
    """Return the fault scripts by the name of their emulator. Raise `UsageError`."""
    by_name: dict[str, Faults] = {}
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
        by_name[name] = script
    return by_name
