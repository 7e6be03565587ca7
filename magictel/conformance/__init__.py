"""The conformance suite: laws that every exporter must obey, built-in ones and those of plugins.

    law         a law: id, sentence, level, and a function `(case) -> Violation | None`
    requirements  what a law needs to run, and how it fails from deep inside
    laws/         the laws, by subject
    case          the environment of a law: exporters under test, their backend, a clock on which waiting takes no time
    points        collections with distinguishable points, and unusual ones
    catalogue_check  whether a verdict agrees with the page of its code
    io_faults     faults of files and streams
    under_test    factories of the exporter under test and its emulator
    timekeeping   whether an emulator uses the given clock
    runner        runs the laws, each on a new case
    report        the documents of `--format json` and `--report junit=…`
    plugin        `ExporterSuite` for pytest; the only module that imports pytest

In an author's tests, each law is a test, and the author defines two fixtures:

    class TestAcme(magictel.conformance.ExporterSuite):
        @pytest.fixture
        def exporter(self):
            return lambda place: AcmeExporter(AcmeSettings(url=place.origin, **place.settings), clock=place.clock)

        @pytest.fixture
        def emulator(self):
            return lambda clock: AcmeEmulator(clock=clock)      # None without a backend to script

An exporter that writes to a file or a stream defines `io_faults` instead of `emulator`: `magictel.conformance.file_faults("acme.log")`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Case": "magictel.conformance.case",
    "ExporterSuite": "magictel.conformance.plugin",
    "LAWS": "magictel.conformance.laws",
    "IoFault": "magictel.conformance.io_faults",
    "Law": "magictel.conformance.law",
    "Level": "magictel.conformance.law",
    "Place": "magictel.conformance.under_test",
    "Subject": "magictel.conformance.under_test",
    "Violation": "magictel.conformance.law",
    "file_faults": "magictel.conformance.io_faults",
    "stream_faults": "magictel.conformance.io_faults",
    "run": "magictel.conformance.runner",
}

__all__ = [
    "LAWS",
    "Case",
    "ExporterSuite",
    "IoFault",
    "Law",
    "Level",
    "Place",
    "Subject",
    "Violation",
    "file_faults",
    "run",
    "stream_faults",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use; only `ExporterSuite` imports pytest."""
    if name not in _HOMES:
        raise AttributeError(f"module 'magictel.conformance' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
