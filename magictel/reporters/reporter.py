"""The protocol of reporters, and the one line that feeds several of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from magictel.model.events import Event


class Reporter(Protocol):
    """Consumes the events of one operation in order, then `finish` once; nothing is complete before that."""

    def on(self, event: Event) -> None:
        """Take one event."""
        ...

    def finish(self) -> None:
        """The operation is over, or was broken off: write what is still to be written."""
        ...


class Reporters:
    """Several reporters as one; each sees every event."""

    def __init__(self, reporters: Iterable[Reporter]) -> None:
        self._reporters = tuple(reporters)

    def on(self, event: Event) -> None:
        """Hand an event to each."""
        for reporter in self._reporters:
            reporter.on(event)

    def finish(self) -> None:
        """Finish each; the first failure is raised after all were asked."""
        failure: Exception | None = None
        for reporter in self._reporters:
            try:
                reporter.finish()
            except Exception as error:  # a full disk under one report must not cost the others
                failure = failure or error
        if failure is not None:
            raise failure
