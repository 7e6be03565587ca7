"""The formats of `--report`. Each reporter is imported when it is requested."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol, TextIO, cast

from magictel.errors import MagictelError
from magictel.reporters.reporter import Reporter
from magictel.reporters.run_info import RunInfo

KINDS: Mapping[str, str] = {
    "json": "the documents of --format json",
    "junit": "JUnit XML, for Jenkins and GitLab",
    "tap": "the Test Anything Protocol",
    "github": "a step summary for GitHub Actions, and annotations",
    "nagios": "a single line with performance data",
    "prometheus": "metrics for node_exporter's textfile collector",
    "html": "a self-contained page",
}


class FileReporter(Reporter, Protocol):
    """A reporter to a file, which can also report a failure of the whole command."""

    def fail(self, failure: MagictelError) -> None:
        """Report a failure of the whole command."""
        ...


def make(kind: str, stream: TextIO, *, command: str, annotations: TextIO, info: RunInfo | None = None) -> FileReporter:
    """Return the reporter of a format, writing to `stream`. A CI system reads workflow commands from `annotations`."""
    module = importlib.import_module(f"magictel.reporters.{kind}")
    match kind:
        case "json":
            file_reporter = module.JsonReporter(module.writer(stream))
        case "junit":
            file_reporter = module.JUnitReporter(stream)
        case "github":
            file_reporter = module.GithubReporter(stream, annotations)
        case "prometheus":
            file_reporter = module.PrometheusReporter(stream, command)
        case _:
            file_reporter = getattr(module, f"{kind.capitalize()}Reporter")(stream)
    file_reporter.info = info
    return cast("FileReporter", file_reporter)
