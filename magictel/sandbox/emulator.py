"""The protocol of an emulator: a small backend without a socket."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from magictel.http.wire import Reply, Request


class Emulator(Protocol):
    """A backend that answers requests from memory. Thread-safe; it opens no socket and starts no thread.

    Each also has a store that tests may read, such as `documents()`.
    """

    name: str
    """Name of the exporter whose backend it emulates."""

    def handle(self, request: Request) -> Reply:
        """Answer one request: its URL is absolute, its body is as it travelled (compressed, if it was)."""
        ...

    def is_write(self, request: Request) -> bool:
        """True for requests that store points: scripted faults apply to these and let probes and read-backs pass."""
        ...

    @property
    def stored(self) -> int:
        """How many items (documents, samples) the backend holds now."""
        ...

    def environment(self, origin: str) -> dict[str, str]:
        """The variables that point the exporter at this emulator, served at `origin` (`scheme://host:port`)."""
        ...


@runtime_checkable
class DatagramEmulator(Protocol):
    """An agent that receives datagrams into memory and sends no replies. Thread-safe; it opens no socket and starts no thread."""

    name: str
    """Name of the exporter whose agent it emulates."""

    def receive(self, datagram: bytes) -> None:
        """Store what a datagram carries."""
        ...

    @property
    def stored(self) -> int:
        """How many points the agent holds now."""
        ...

    def environment(self, origin: str) -> dict[str, str]:
        """The variables that point the exporter at this emulator, served at `origin` (`udp://host:port`)."""
        ...


@runtime_checkable
class Refuses(Protocol):
    """An emulator that knows the backend's own body for a refusal; without it the scripted status has none."""

    def refusal(self, status: int) -> Reply:
        """Return the backend's reply with this status when it refuses a write."""
        ...


@runtime_checkable
class RefusesItems(Protocol):
    """An emulator whose replies judge item by item: `partial` faults need it."""

    item_errors: tuple[str, ...]
    """The kinds of item error that `partial` may name, in the backend's own words; the first is the default."""

    def handle_partially(self, request: Request, share: float, item_error: str) -> Reply:
        """Refuse this share (0 to 1, at least one item) of the items with that error, `mixed` being each kind in turn.

        The rest is stored as always.
        """
        ...


@runtime_checkable
class ReadsBodies(Protocol):
    """An emulator of a backend whose request bodies are binary: `--dry-run` shows them as it reads them."""

    def readable(self, body: bytes) -> list[str]:
        """Return a decompressed body in lines; nothing where it cannot be read."""
        ...
