"""The conformance suite: laws that every exporter must obey, built-in ones and those of plugins.

    law           a law: id, sentence, level, needs, and a function `(case) -> None` that raises `Broken`
    laws/         the laws, by subject
    case          the environment of a law: exporters under test, their stage, a clock on which waiting takes no time
    stages        what a law sends to: a server, an agent for datagrams, a file or a stream, each with scripted faults
    io_faults     faults of files and streams
    points        collections with distinguishable points, and unusual ones
    under_test    factories of the exporter under test and its emulator
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
An emulator has `handle` (HTTP) or `receive` (datagrams); for any other protocol it is a `Stage` itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Broken": "law",
    "Case": "case",
    "ExporterSuite": "plugin",
    "IoFault": "io_faults",
    "LAWS": "laws",
    "Law": "law",
    "Level": "law",
    "Place": "under_test",
    "Stage": "stages",
    "Subject": "under_test",
    "Write": "stages",
    "file_faults": "io_faults",
    "run": "runner",
    "stream_faults": "io_faults",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name on first use; only `ExporterSuite` imports pytest."""
    if name not in _HOMES:
        raise AttributeError(f"module 'magictel.conformance' has no attribute {name!r}")
    value = getattr(import_module(f"magictel.conformance.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
