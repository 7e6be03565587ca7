"""What programs read: the frozen keys, their types, and one document whatever happens."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from magictel.errors import SettingsError
from magictel.model.events import Event, SendOutcome
from magictel.model.finding import Finding, Rung, Status
from magictel.reporters.json import JsonReporter, error_document, plain, writer
from tests.reporters.cases import CASES, STOPPED, VERIFIED, check_events, checked, send_events

# Frozen. A key more is welcome, a key less or another meaning breaks whoever reads it.
CHECK = {"schema", "outcome", "targets"}
CHECK_TARGET = {"target", "exporter", "outcome", "endpoint", "rungs"}
RUNG = {"rung", "outcome", "code", "message", "remedy", "blocked_by", "seconds", "evidence"}
SEND = {"schema", "outcome", "run_id", "targets"}
SEND_TARGET = {"target", "exporter", "outcome", "code", "message", "remedy", "receipt", "verification"}
COUNTS = ("sent", "delivered", "unconfirmed", "rejected", "withheld", "kept", "dropped", "attempts", "bytes")
RECEIPT = {*COUNTS, "seconds", "reasons"}
REASON = {"code", "message", "count", "example"}
SEEN_COUNTS = ("expected", "found", "missing", "altered", "duplicated")
VERIFICATION = {*SEEN_COUNTS, "time_to_visible", "differences"}
DIFFERENCE = {"point", "field", "sent", "seen", "declared"}
RUNGS = ["config", "dns", "tcp", "tls", "http", "auth", "clock", "health", "write", "round-trip"]


def document(events: Iterable[Event]) -> Any:
    stream = io.StringIO()
    reporter = JsonReporter(writer(stream))
    for event in events:
        reporter.on(event)
    assert stream.getvalue() == ""
    reporter.finish()
    return json.loads(stream.getvalue(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("check-")])
def test_check_has_the_frozen_keys(case: str) -> None:
    page = document(CASES[case])
    assert set(page) >= CHECK
    assert page["schema"] == "magictel.check/1"
    assert page["outcome"] in {"pass", "warn", "unverified", "fail"}
    for target in page["targets"]:
        assert set(target) >= CHECK_TARGET
        assert target["outcome"] in {"pass", "warn", "unverified", "fail"}
        assert isinstance(target["endpoint"], str)
        assert [rung["rung"] for rung in target["rungs"]] == RUNGS
        for rung in target["rungs"]:
            assert set(rung) >= RUNG
            assert rung["outcome"] in {"pass", "warn", "fail", "blocked", "skipped"}
            assert rung["seconds"] is None or isinstance(rung["seconds"], float)
            assert isinstance(rung["evidence"], dict)
            assert (rung["code"] is None) or rung["outcome"] in {"warn", "fail", "skipped"}
            assert (rung["blocked_by"] is not None) == (rung["outcome"] == "blocked")
            assert rung["blocked_by"] is None or rung["blocked_by"] in RUNGS


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("send-")])
def test_send_has_the_frozen_keys(case: str) -> None:
    page = document(CASES[case])
    assert set(page) >= SEND
    assert page["schema"] == "magictel.send/1"
    assert page["outcome"] in list(SendOutcome)
    for target in page["targets"]:
        assert set(target) >= SEND_TARGET
        assert target["outcome"] in list(SendOutcome)
        receipt = target["receipt"]
        assert set(receipt) >= RECEIPT
        assert all(type(receipt[count]) is int for count in COUNTS)
        assert receipt["sent"] == sum(
            receipt[fate] for fate in ("delivered", "unconfirmed", "rejected", "withheld", "kept", "dropped")
        )
        assert isinstance(receipt["seconds"], float)
        for reason in receipt["reasons"]:
            assert set(reason) >= REASON
            assert type(reason["count"]) is int
        seen = target["verification"]
        if seen is not None:
            assert set(seen) >= VERIFICATION
            assert all(type(seen[count]) is int for count in SEEN_COUNTS)
            assert seen["time_to_visible"] is None or isinstance(seen["time_to_visible"], float)
            for difference in seen["differences"]:
                assert set(difference) >= DIFFERENCE


def test_a_ladder_that_stops_a_send_is_undelivered_under_its_code() -> None:
    (target,) = document(send_events(STOPPED))["targets"]
    assert (target["outcome"], target["code"], target["verification"]) == ("undelivered", "tls.expired", None)
    assert target["receipt"]["dropped"] == target["receipt"]["sent"] == 12
    assert [reason["code"] for reason in target["receipt"]["reasons"]] == ["tls.expired"]


def test_code_is_null_on_pass_whatever_the_probe_said() -> None:
    finding = Finding(Rung.HEALTH, Status.PASS, "fine", "es.health.green")
    page = document(check_events(checked("t", "t", "", finding)))
    assert page["targets"][0]["rungs"][0]["code"] is None


def test_what_an_interrupt_left_out_is_named() -> None:
    page = document(CASES["check-interrupted"])
    assert page["interrupted"] is True
    assert page["outcome"] == "fail"  # three-nodes only warns, and the others may be anything
    assert page["not_asked"] == ["elasticsearch", "prod-es"]
    assert [target["target"] for target in page["targets"]] == ["three-nodes"]


def test_a_send_that_was_broken_off_is_undelivered() -> None:
    page = document(CASES["send-interrupted"])
    assert (page["outcome"], page["not_asked"]) == ("undelivered", ["staging-es"])
    assert page["targets"][0]["outcome"] == "verified"


def test_a_clean_up_stands_with_its_target_and_alone_has_a_document_of_its_own() -> None:
    assert document(CASES["send-cleaned"])["targets"][0]["cleaned"] == {
        "found": 12,
        "deleted": 12,
        "code": None,
        "message": None,
        "remedy": None,
    }
    later = document(CASES["clean-later"])
    assert (later["schema"], later["outcome"], later["targets"][0]["deleted"]) == ("magictel.clean/1", "cleaned", 12)


def test_nothing_is_written_when_there_is_no_result() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(writer(stream))
    reporter.on(send_events(VERIFIED)[0])
    reporter.finish()
    assert stream.getvalue() == ""


def test_an_error_is_a_document_as_well() -> None:
    failure = SettingsError("config.required", "url: it is not set", "set it", "ACME_URL")
    assert error_document(failure) == {
        "schema": "magictel.error/1",
        "code": "config.required",
        "message": "url: it is not set",
        "remedy": "set it",
        "origin": "ACME_URL",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (2**63, 2**63),
        (True, True),
        ((1, (2.5, None)), [1, [2.5, None]]),
        ({"a": {1: b"x"}}, {"a": {"1": "b'x'"}}),
        (Rung.DNS, "dns"),
    ],
)
def test_what_json_lacks_becomes_its_text(value: object, expected: object) -> None:
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)
