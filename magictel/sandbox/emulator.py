"""The protocol of an emulator: a small backend without a socket."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from magictel.http.wire import Reply, Request


class Emulator(Protocol):
    """A backend that answers requests from memory. Thread-safe; it opens no socket and starts no thread.

    Each also has a store that tests may read, such as `documents()`.
    """

    name: str
    """Name of the exporter whose backend it emulates."""

    def handle(self, request: Request) -> Reply:
        """Answer one request: its URL is absolute, its body is as received (still compressed)."""
        ...

    def is_write(self, request: Request) -> bool:
        """Return whether a request stores points: scripted faults apply to these, not to probes and read-backs."""
        ...

    @property
    def stored(self) -> int:
        """The number of stored items (documents, samples)."""
        ...

    def environment(self, origin: str) -> dict[str, str]:
        """Return the variables that point the exporter at this emulator, served at `origin` (`scheme://host:port`)."""
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
        """The number of stored points."""
        ...

    def environment(self, origin: str) -> dict[str, str]:
        """Return the variables that point the exporter at this emulator, served at `origin` (`udp://host:port`)."""
        ...


@runtime_checkable
class ListeningEmulator(Protocol):
    """An emulator that is a server itself, a `magictel.conformance.Stage`: laws use it, the sandbox cannot serve it."""

    def script(self, text: str) -> None:
        """Set the faults."""
        ...

    def stop(self) -> None:
        """Stop listening."""
        ...


@runtime_checkable
class Refuses(Protocol):
    """An emulator with the backend's own bodies for refusals; without it a scripted status has an empty body."""

    def refusal(self, status: int) -> Reply:
        """Return the backend's reply with this status when it refuses a write."""
        ...


@runtime_checkable
class RefusesItems(Protocol):
    """An emulator whose replies have a result for each item: required by `partial` faults."""

    item_errors: tuple[str, ...]
    """The item errors that `partial` accepts, in the backend's terms; the first is the default."""

    def handle_partially(self, request: Request, share: float, item_error: str) -> Reply:
        """Refuse this share (0 to 1, at least one item) of the items with that error, or with each in turn for `mixed`.

        The other items are stored.
        """
        ...


@runtime_checkable
class Discards(Protocol):
    """An emulator of a backend that accepts a request and reports later that it has discarded it: required by `discard` faults."""

    reasons: tuple[str, ...]
    """The reasons that `discard` accepts, in the backend's terms; the first is the default."""

    def discard(self, request: Request, reason: str) -> Reply:
        """Reply as usual, store nothing, and report the reason as the backend does."""
        ...


@runtime_checkable
class Limited(Protocol):
    """An emulator that some settings of its exporter cannot reach."""

    def check_settings(self, settings: Any) -> None:
        """Raise `UsageError` if `--sandbox` cannot be used with these settings."""
        ...


@runtime_checkable
class ReadsBodies(Protocol):
    """An emulator of a backend whose request bodies are binary: `--dry-run` shows them decoded."""

    def readable(self, body: bytes) -> list[str]:
        """Return the lines of a decompressed body; none if it cannot be decoded."""
        ...
