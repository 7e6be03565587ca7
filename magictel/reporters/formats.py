"""The protocol of reporters, and the formats of `--report`: each reporter is imported when it is requested."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol, TextIO, cast

from magictel.errors import MagictelError
from magictel.model.events import Event

KINDS: Mapping[str, str] = {
    "json": "the documents of --format json",
    "junit": "JUnit XML, for Jenkins and GitLab",
    "tap": "the Test Anything Protocol",
    "github": "a step summary for GitHub Actions, and annotations",
    "nagios": "a single line with performance data",
    "prometheus": "metrics for node_exporter's textfile collector",
    "html": "a self-contained page",
}


class RunInfo(NamedTuple):
    """The version of magictel, the host name, and the start time of the run (with a time zone)."""

    version: str
    host: str
    started: datetime

    @property
    def timestamp(self) -> str:
        """Return the start time in ISO 8601 with seconds: `2026-11-29T11:02:05+00:00`."""
        return self.started.isoformat(timespec="seconds")

    def __str__(self) -> str:
        return f"magictel {self.version} on {self.host}, {self.started:%Y-%m-%d %H:%M:%S} {self.started.tzname()}"


class Reporter(Protocol):
    """A consumer of an operation's events in order, followed by a single `finish`; nothing is complete before that."""

    def on(self, event: Event) -> None:
        """Take one event."""
        ...

    def finish(self) -> None:
        """Write what is pending; the operation is over or was interrupted."""
        ...


class FileReporter(Reporter, Protocol):
    """A reporter to a file, which can also report a failure of the whole command."""

    def fail(self, failure: MagictelError) -> None:
        """Report a failure of the whole command."""
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


def make(kind: str, stream: TextIO, *, command: str, annotations: TextIO, info: RunInfo | None = None) -> FileReporter:
    """Return the reporter of a format, writing to `stream`. A CI system reads workflow commands from `annotations`."""
    module = importlib.import_module(f"magictel.reporters.{kind}")
    if kind == "json":
        file_reporter = module.JsonReporter(module.writer(stream))
    else:
        file_reporter = getattr(module, f"{kind.capitalize()}Reporter")(stream, command, annotations)
    file_reporter.info = info
    return cast("FileReporter", file_reporter)
