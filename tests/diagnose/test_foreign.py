"""Somebody else's answers and log lines, none of them in a row: the outcome, the class, who answered, and what is said of it."""

from __future__ import annotations

import re

import pytest

from magictel.catalogue.pages import explain
from magictel.diagnose.diagnose import STANDS_WITH, UNRECOGNISED, Pasted, diagnose
from tests.diagnose.foreign import FOREIGN, Foreign
from tests.diagnose.scripted import EXPORTERS, answering, climbed, delivered, made, raw

EXPORTER = {name: made(name, "http://localhost:9200") for name in EXPORTERS}
MET = [(one, name) for one in FOREIGN for name in one.exporters]


def pasted(one: Foreign) -> Pasted:
    return Pasted(one.status, dict(one.headers), one.body.encode() if one.text is None else None, one.text)


@pytest.mark.parametrize(("one", "name"), MET, ids=[f"{one.name}-{name}" for one, name in MET])
def test_what_nobody_listed_is_understood(one: Foreign, name: str) -> None:
    found = diagnose(EXPORTER[name], pasted(one))
    assert re.fullmatch(one.code, found.code or ""), found
    if found.code == UNRECOGNISED:
        assert found.outcome is None
        assert found.retry in (None, "no")
        return
    assert (found.retry or "none") in one.retry.split("|"), found
    assert found.outcome in STANDS_WITH[found.retry]
    if one.outcome is not None:
        assert found.outcome in one.outcome.split("|"), found
    if one.text is None and one.who is not None:
        assert one.who in (found.answered_by or ""), found
    assert one.says in found.message
    if one.after is not None:
        assert found.after == one.after
    assert found.message.strip(" :.,;")
    assert "\n" not in found.message
    assert found.remedy or found.code is None
    assert found.code is None or explain(found.code)


def test_there_are_many_and_each_is_named_once() -> None:
    assert len(FOREIGN) >= 530
    assert len({one.name for one in FOREIGN}) == len(FOREIGN)


WAITED = [
    one for one in FOREIGN if one.status and not 200 <= one.status < 300 and one.retry in ("backoff", "after-header")
]


@pytest.mark.parametrize("one", WAITED[::4], ids=lambda one: one.name)
def test_delivery_keeps_what_a_wait_would_cure(one: Foreign) -> None:
    """The counter-test on a real socket: the same verdict where it counts."""
    answer = raw(one.status or 0, one.headers, one.body.encode())
    with answering(one.exporters[0], {"POST": answer}) as url:
        codes = delivered(made(one.exporters[0], url))
    found = diagnose(EXPORTER[one.exporters[0]], pasted(one))
    assert found.code in codes


NAMED = [
    one
    for one in FOREIGN
    if one.status and one.who not in (None, "the backend", "AWS") and one.status in (429, 502, 503, 504)
]


@pytest.mark.parametrize("one", NAMED[::5], ids=lambda one: one.name)
def test_the_ladder_says_the_same_of_what_stands_before_the_backend(one: Foreign) -> None:
    with answering("elasticsearch", {"": raw(one.status or 0, one.headers, one.body.encode())}) as url:
        first, _ = climbed(made("elasticsearch", url))
    assert first == diagnose(EXPORTER["elasticsearch"], pasted(one)).code
