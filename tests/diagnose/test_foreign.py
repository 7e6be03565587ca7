"""Somebody else's answers and log lines, none of them in a row: the outcome, the class, who answered, and what is said of it."""

from __future__ import annotations

import re

import pytest

from magictel.catalogue.pages import explain
from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import STANDS_WITH, UNRECOGNISED, Pasted
from tests.diagnose.foreign import FOREIGN, Foreign
from tests.diagnose.scripted import EXPORTERS, answering, climbed, delivered, exporter_at, raw

EXPORTER = {name: exporter_at(name, "http://localhost:9200") for name in EXPORTERS}
MET = [(foreign, name) for foreign in FOREIGN for name in foreign.exporters]


def pasted(foreign: Foreign) -> Pasted:
    return Pasted(
        foreign.status, dict(foreign.headers), foreign.body.encode() if foreign.text is None else None, foreign.text
    )


@pytest.mark.parametrize(("foreign", "name"), MET, ids=[f"{foreign.name}-{name}" for foreign, name in MET])
def test_what_nobody_listed_is_understood(foreign: Foreign, name: str) -> None:
    diagnosis = diagnose(EXPORTER[name], pasted(foreign))
    assert re.fullmatch(foreign.code, diagnosis.code or ""), diagnosis
    if diagnosis.code == UNRECOGNISED:
        assert diagnosis.outcome is None
        assert diagnosis.retry in (None, "no")
        return
    assert (diagnosis.retry or "none") in foreign.retry.split("|"), diagnosis
    assert diagnosis.outcome in STANDS_WITH[diagnosis.retry]
    if foreign.outcome is not None:
        assert diagnosis.outcome in foreign.outcome.split("|"), diagnosis
    if foreign.text is None and foreign.who is not None:
        assert foreign.who in (diagnosis.answered_by or ""), diagnosis
    assert foreign.says in diagnosis.message
    if foreign.after is not None:
        assert diagnosis.after == foreign.after
    assert diagnosis.message.strip(" :.,;")
    assert "\n" not in diagnosis.message
    assert diagnosis.remedy or diagnosis.code is None
    assert diagnosis.code is None or explain(diagnosis.code)


def test_there_are_many_and_each_is_named_once() -> None:
    assert len(FOREIGN) >= 530
    assert len({foreign.name for foreign in FOREIGN}) == len(FOREIGN)


WAITED = [
    foreign
    for foreign in FOREIGN
    if foreign.status and not 200 <= foreign.status < 300 and foreign.retry in ("backoff", "after-header")
]


@pytest.mark.parametrize("foreign", WAITED[::4], ids=lambda case: case.name)
def test_delivery_keeps_what_a_wait_would_cure(foreign: Foreign) -> None:
    """The counter-test on a real socket: the same verdict where it counts."""
    answer = raw(foreign.status or 0, foreign.headers, foreign.body.encode())
    with answering(foreign.exporters[0], {"POST": answer}) as url:
        codes = delivered(exporter_at(foreign.exporters[0], url))
    diagnosis = diagnose(EXPORTER[foreign.exporters[0]], pasted(foreign))
    assert diagnosis.code in codes


NAMED = [
    foreign
    for foreign in FOREIGN
    if foreign.status and foreign.who not in (None, "the backend", "AWS") and foreign.status in (429, 502, 503, 504)
]


@pytest.mark.parametrize("foreign", NAMED[::5], ids=lambda case: case.name)
def test_the_ladder_says_the_same_of_what_stands_before_the_backend(foreign: Foreign) -> None:
    with answering("elasticsearch", {"": raw(foreign.status or 0, foreign.headers, foreign.body.encode())}) as url:
        first, _ = climbed(exporter_at("elasticsearch", url))
    assert first == diagnose(EXPORTER["elasticsearch"], pasted(foreign)).code
