"""The conformance suite: laws that every exporter must hold, ours and other people's.

    law         what a law is: id, sentence, level, and a function `(case) -> Violation | None`
    need        what a law needs to be tried, and how one breaks from deep inside
    laws/       the laws themselves, by subject
    case        what a law works with: exporters under test, the backend before them, a clock on which waiting costs nothing
    points      collections whose points can be told apart wherever they end up, and the odd ones
    page        whether a verdict and the page of its code agree
    hindrance   what the system does to an exporter that writes to a file or a stream
    subject     who is tested: a factory of exporters and one of emulators; of a registered name, or of one's own
    timekeeping whether an emulator keeps time by the clock it is given
    trial       law after law, each on a fresh case
    report      what `--format json` and `--report junit=…` write
    plugin      `ExporterSuite` for pytest; the only module here that knows pytest

In an author's own tests, a law is a test and two fixtures are to be filled:

    class TestAcme(magictel.conformance.ExporterSuite):
        @pytest.fixture
        def exporter(self):
            return lambda place: AcmeExporter(AcmeSettings(url=place.origin, **place.settings), clock=place.clock)

        @pytest.fixture
        def emulator(self):
            return lambda clock: AcmeEmulator(clock=clock)      # None, where there is nothing to script

One that writes to a file or a stream fills `hindrances` instead of `emulator`: `magictel.conformance.of_file("acme.log")`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Case": "magictel.conformance.case",
    "ExporterSuite": "magictel.conformance.plugin",
    "LAWS": "magictel.conformance.laws",
    "Hindrance": "magictel.conformance.io_faults",
    "Law": "magictel.conformance.law",
    "Level": "magictel.conformance.law",
    "Place": "magictel.conformance.under_test",
    "Subject": "magictel.conformance.under_test",
    "Violation": "magictel.conformance.law",
    "of_file": "magictel.conformance.io_faults",
    "of_stream": "magictel.conformance.io_faults",
    "run": "magictel.conformance.runner",
}

__all__ = [
    "LAWS",
    "Case",
    "ExporterSuite",
    "Hindrance",
    "Law",
    "Level",
    "Place",
    "Subject",
    "Violation",
    "of_file",
    "of_stream",
    "run",
]


def __getattr__(name: str) -> Any:
    """Loaded when asked for: pytest by `ExporterSuite` alone."""
    if name not in _HOMES:
        raise AttributeError(f"module 'magictel.conformance' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
