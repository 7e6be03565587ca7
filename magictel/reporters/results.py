"""Results for reports that are written at the end: the results so far, and the targets that were not done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TextIO

from magictel.errors import MagictelError
from magictel.model.events import (
    CheckFinished,
    CheckResult,
    CheckStarted,
    Event,
    ReplayStarted,
    RunCleaned,
    SendFinished,
    SendResult,
    SendStarted,
)
from magictel.reporters.formats import RunInfo

Result = CheckResult | SendResult


class Results:
    """A collector of an operation's results. `check` or `send` is None until the operation is over."""

    def __init__(self) -> None:
        self.targets: tuple[str, ...] = ()
        self.check: CheckFinished | None = None
        self.send: SendFinished | None = None
        self.cleaned: tuple[RunCleaned, ...] = ()

    def on(self, event: Event) -> None:
        """Take one event."""
        match event:
            case CheckFinished():
                self.check = event
            case SendFinished():
                self.send = event
            case RunCleaned():
                self.cleaned += (event,)
            case CheckStarted(targets=targets) | SendStarted(targets=targets) | ReplayStarted(targets=targets):
                self.targets = targets
            case _:
                pass

    @property
    def results(self) -> tuple[Result, ...]:
        """Return the results of all targets."""
        return (*(self.check.results if self.check else ()), *(self.send.results if self.send else ()))

    @property
    def left(self) -> tuple[str, ...]:
        """Return the targets that the run did not reach."""
        done = {result.target for result in self.results}
        return tuple(target for target in self.targets if target not in done) if self.check or self.send else ()

    @property
    def interrupted(self) -> bool:
        """Return whether the run was interrupted."""
        return bool((self.check and self.check.interrupted) or (self.send and self.send.interrupted) or self.left)

    @property
    def seconds(self) -> float:
        """Return the wall time of the operation."""
        return self.check.seconds if self.check else self.send.seconds if self.send else 0.0


class ClosingReporter(ABC):
    """A reporter that writes a single text at the end: the results of a command, or the failure of all of it.

    `annotations` is the stream from which a CI system reads workflow commands.
    """

    info: RunInfo | None = None
    """Facts about the run itself, or None."""

    def __init__(self, stream: TextIO, command: str = "", annotations: TextIO | None = None) -> None:
        self._stream = stream
        self._command = command
        self._annotations = annotations
        self._results = Results()

    def on(self, event: Event) -> None:
        """Take one event."""
        self._results.on(event)

    def finish(self) -> None:
        """Write the report."""
        self._write(self.text(self._results))

    def fail(self, failure: MagictelError) -> None:
        """Write the failure of the whole command."""
        self._write(self.failure(failure))

    @abstractmethod
    def text(self, results: Results) -> str:
        """Return the report of a run."""

    @abstractmethod
    def failure(self, failure: MagictelError) -> str:
        """Return the report of a run without results."""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
