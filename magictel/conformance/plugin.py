"""The suite for pytest: a base class whose tests are the laws. The only module that imports pytest."""

from __future__ import annotations

import os
from typing import Any

import pytest

from magictel.conformance.io_faults import IoFault
from magictel.conformance.law import Law, Level
from magictel.conformance.laws import LAWS
from magictel.conformance.runner import LawVerdict, once, try_law
from magictel.conformance.under_test import OWN_TIME, MakeEmulator, MakeExporter, Subject

_SEED = "MAGICTEL_CONFORMANCE_SEED"
_REPORTED = pytest.StashKey[set[str]]()


class ExporterSuite:
    """Every law on an exporter: define the fixtures `exporter` and, if there is a backend to script, `emulator`.

    `exporter` returns a function that creates an exporter for a `Place`; `emulator` returns a function that creates an emulator with
    a clock, which it must use. Without it the laws on network requests are skipped.
    A broken SHOULD law is an expected failure; `excused` names further ones with a reason.
    """

    seed = int(os.environ.get(_SEED, "0"))  # noqa: TID251 # reproduces a failure under pytest
    excused: dict[str, str] = {}  # noqa: RUF012 # a subclass defines its own

    @pytest.fixture
    def exporter(self) -> MakeExporter:
        """Define it as `lambda place: AcmeExporter(AcmeSettings(url=place.origin, **place.settings), clock=place.clock)`."""
        raise NotImplementedError("define the fixture `exporter`: a function that creates an exporter for a Place")

    @pytest.fixture
    def emulator(self) -> MakeEmulator | None:
        """Define it if there is a backend: `lambda clock: AcmeEmulator(clock=clock)`."""
        return None

    @pytest.fixture
    def io_faults(self) -> tuple[IoFault, ...]:
        """Define it if the exporter writes to a file or stream: `magictel.conformance.file_faults(NAME)`, or `stream_faults()`."""
        return ()

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.id)
    def test_law(
        self,
        law: Law,
        exporter: MakeExporter,
        emulator: MakeEmulator | None,
        io_faults: tuple[IoFault, ...],
        request: Any,
    ) -> None:
        """Check a law."""
        again = f"{_SEED}={self.seed} pytest {request.node.nodeid!r}"
        subject = Subject(type(self).__name__, exporter, emulator, "", io_faults)
        reported = request.node.getparent(pytest.Class).stash.setdefault(_REPORTED, set())
        result = once(try_law(subject, law, self.seed), reported)
        if result.verdict is LawVerdict.SKIPPED:
            pytest.skip(f"{law.id} {result.message}")
        if result.verdict is not LawVerdict.BROKEN:
            return
        text = f"{law.id} ({law.level}, seed {self.seed}): {law.sentence}\n{result.message}\nagain: {again}"
        if result.message != OWN_TIME and (law.level is Level.SHOULD or law.id in self.excused):
            pytest.xfail(self.excused.get(law.id) or text)
        pytest.fail(text, pytrace=False)
