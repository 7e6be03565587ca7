"""What a report needs that is written when everything is over: the results so far, and which targets were never done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TextIO

from magictel.errors import MagictelError
from magictel.model.events import (
    CheckFinished,
    CheckStarted,
    Event,
    ReplayStarted,
    RunCleaned,
    SendFinished,
    SendStarted,
)
from magictel.reporters.run_info import RunInfo


class Results:
    """Listens to an operation and keeps what it came to. `check` or `send` is None until the operation is over."""

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
    def left(self) -> tuple[str, ...]:
        """The targets that the run was broken off before."""
        results = self.check.results if self.check else self.send.results if self.send else ()
        done = {result.target for result in results}
        return tuple(target for target in self.targets if target not in done) if self.check or self.send else ()

    @property
    def interrupted(self) -> bool:
        """True when the run was broken off."""
        return bool((self.check and self.check.interrupted) or (self.send and self.send.interrupted) or self.left)

    @property
    def seconds(self) -> float:
        """Wall time of the operation."""
        return self.check.seconds if self.check else self.send.seconds if self.send else 0.0


class ClosingReporter(ABC):
    """A reporter that writes once, at the end: a text made of the results, or of the failure that kept a run from having any."""

    info: RunInfo | None = None
    """What is said about the run itself, if anything."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._results = Results()

    def on(self, event: Event) -> None:
        """Take one event."""
        self._results.on(event)

    def finish(self) -> None:
        """Write the report."""
        self._write(self.text(self._results))

    def fail(self, failure: MagictelError) -> None:
        """Write why nothing could be asked at all."""
        self._write(self.failure(failure))

    @abstractmethod
    def text(self, results: Results) -> str:
        """The report of a run."""

    @abstractmethod
    def failure(self, failure: MagictelError) -> str:
        """The report of a run that never came to a result."""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
