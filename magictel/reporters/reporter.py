"""The protocol of reporters, and a reporter that feeds several others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from magictel.model.events import Event


class Reporter(Protocol):
    """A consumer of an operation's events in order, followed by a single `finish`; nothing is complete before that."""

    def on(self, event: Event) -> None:
        """Take one event."""
        ...

    def finish(self) -> None:
        """Write what is pending; the operation is over or was interrupted."""
        ...


class Reporters:
    """Several reporters in one; each receives every event."""

    def __init__(self, reporters: Iterable[Reporter]) -> None:
        self._reporters = tuple(reporters)

    def on(self, event: Event) -> None:
        """Pass an event to each reporter."""
        for reporter in self._reporters:
            reporter.on(event)

    def finish(self) -> None:
        """Finish each reporter, then raise the first failure."""
        failure: Exception | None = None
        for reporter in self._reporters:
            try:
                reporter.finish()
            except Exception as error:  # a full disk for one report must not prevent the others
                failure = failure or error
        if failure is not None:
            raise failure
