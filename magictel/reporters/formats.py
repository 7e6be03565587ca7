"""The kinds of report that can stand beside the terminal. Each reporter is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol, TextIO

from magictel.errors import MagictelError
from magictel.reporters.reporter import Reporter
from magictel.reporters.run_info import RunInfo

KINDS: Mapping[str, str] = {
    "json": "the documents of --format json",
    "junit": "JUnit XML, for Jenkins and GitLab",
    "tap": "the Test Anything Protocol",
    "github": "a step summary for GitHub Actions, and annotations",
    "nagios": "one line with performance data",
    "prometheus": "metrics for node_exporter's textfile collector",
    "html": "one self-contained page",
}


class FileReporter(Reporter, Protocol):
    """A reporter to a file, which can also say why there is nothing to report."""

    def fail(self, failure: MagictelError) -> None:
        """Nothing could be asked at all."""
        ...


def make(kind: str, stream: TextIO, *, command: str, annotations: TextIO, info: RunInfo | None = None) -> FileReporter:
    """Return the reporter of a kind, writing to `stream`. `annotations` is what a CI system reads workflow commands from."""
    module = importlib.import_module(f"magictel.reporters.{kind}")
    match kind:
        case "json":
            made = module.JsonReporter(module.writer(stream))
        case "junit":
            made = module.JUnitReporter(stream)
        case "github":
            made = module.GithubReporter(stream, annotations)
        case "prometheus":
            made = module.PrometheusReporter(stream, command)
        case _:
            made = getattr(module, f"{kind.capitalize()}Reporter")(stream)
    made.info = info
    reporter: FileReporter = made
    return reporter
