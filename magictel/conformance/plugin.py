"""The suite under pytest: a class to inherit from, whose tests are the laws. The only module here that knows pytest."""

from __future__ import annotations

import os
from typing import Any

import pytest

from magictel.conformance.io_faults import Hindrance
from magictel.conformance.law import Law, Level
from magictel.conformance.laws import LAWS
from magictel.conformance.runner import Verdict, once, try_law
from magictel.conformance.timekeeping import OWN_TIME
from magictel.conformance.under_test import MakeEmulator, MakeExporter, Subject

_SEED = "MAGICTEL_CONFORMANCE_SEED"
_TOLD = pytest.StashKey[set[str]]()


class ExporterSuite:
    """Every law on one exporter: fill the fixtures `exporter` and, where there is something to script, `emulator`.

    `exporter` gives a function that makes one for a `Place`; `emulator` gives a function that makes one with a clock, by which it
    keeps time. Without it the laws on what is sent over a network are skipped.
    A law that only should hold is an expected failure, `excused` names more of them, each with its reason.
    """

    seed = int(os.environ.get(_SEED, "0"))  # noqa: TID251 # how a failure is shown again under pytest
    excused: dict[str, str] = {}  # noqa: RUF012 # a subclass writes its own

    @pytest.fixture
    def exporter(self) -> MakeExporter:
        """To be filled: `lambda place: AcmeExporter(AcmeSettings(url=place.origin, **place.settings), clock=place.clock)`."""
        raise NotImplementedError("the fixture `exporter` is to be filled: a function that makes one for a Place")

    @pytest.fixture
    def emulator(self) -> MakeEmulator | None:
        """To be filled where there is one: `lambda clock: AcmeEmulator(clock=clock)`."""
        return None

    @pytest.fixture
    def hindrances(self) -> tuple[Hindrance, ...]:
        """To be filled where the exporter writes to this system: `magictel.conformance.of_file(NAME)`, or `of_stream()`."""
        return ()

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.id)
    def test_law(
        self,
        law: Law,
        exporter: MakeExporter,
        emulator: MakeEmulator | None,
        hindrances: tuple[Hindrance, ...],
        request: Any,
    ) -> None:
        """One law."""
        again = f"{_SEED}={self.seed} pytest {request.node.nodeid!r}"
        subject = Subject(type(self).__name__, exporter, emulator, "", hindrances)
        told = request.node.getparent(pytest.Class).stash.setdefault(_TOLD, set())
        result = once(try_law(subject, law, self.seed), told)
        if result.verdict is Verdict.SKIPPED:
            pytest.skip(f"{law.id} {result.message}")
        if result.verdict is not Verdict.BROKEN:
            return
        said = f"{law.id} ({law.level}, seed {self.seed}): {law.sentence}\n{result.message}\nagain: {again}"
        if result.message != OWN_TIME and (law.level is Level.SHOULD or law.id in self.excused):
            pytest.xfail(self.excused.get(law.id) or said)
        pytest.fail(said, pytrace=False)
