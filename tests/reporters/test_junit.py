"""What CI systems read: JUnit XML of the shape that Jenkins' and GitLab's readers want."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Iterable

import pytest

from magictel.conformance.law import Law
from magictel.conformance.report import junit
from magictel.conformance.runner import LawVerdict, Result
from magictel.errors import MagictelError, UsageError
from magictel.model.events import Event, RunCleaned, SendOutcome, SendResult
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.model.verification import Difference, Verification
from magictel.reporters.junit import JunitReporter
from tests.reporters.cases import CASES, check_events, checked, send_events
from tests.reporters.junit_schema import judged
from tests.reporters.reporting import NASTY, replay


def parsed(events: Iterable[Event]) -> ET.Element:
    stream = io.StringIO()
    reporter = JunitReporter(stream)
    for event in events:
        reporter.on(event)
    reporter.finish()
    return judged(stream.getvalue())


@pytest.mark.parametrize("case", CASES)
def test_every_report_is_valid(case: str) -> None:
    parsed(CASES[case])


HOSTILE = [
    NASTY,
    "]]>",
    "<![CDATA[ ]]>",
    "&amp; &#0; <!-- -- -->",
    "\x00\x08\x0b\x0c\x1f\x7f\x85",
    "\ud83d \ufffe \uffff",
    "😀‮ é\r\n\t",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_anywhere_leaves_a_valid_report(text: str) -> None:
    finding = Finding.failed(Rung.HTTP, "http.not-http", text, text, first_bytes=text)
    warned = Finding.warned(Rung.DNS, "net.dns.slow", text, text)
    skipped = Finding.skipped(Rung.TLS, text)
    parsed(check_events(checked(text, text, text, warned, skipped, finding)))
    reasons = (Reason("a.b", text, 2, Fate.REJECTED, text),)
    receipt = Receipt(3, 1, rejected=2, reasons=reasons)
    seen = Verification(1, 0, missing=1, missing_points=(text,), differences=(Difference(text, text, text, text),))
    sent = SendResult(text, text, SendOutcome.REJECTED, receipt, seen, "a.b", text, text, text)
    parsed(send_events(sent, cleaned=(RunCleaned(text, text, text, None, 0, "a.b", text, text),)))
    parsed(replay(sent, skipped=1))
    parsed(replay(sent, broken=MagictelError("source.broken-line", text, text, text)))
    law = Law("a.law", text, lambda _: None)
    broken = [Result(law, 0, verdict, text, 0.5, text) for verdict in LawVerdict]
    judged(junit(text, broken))


GOOD = junit("good", [Result(Law("a.law", "s", lambda _: None), 0, LawVerdict.BROKEN, "m", 0.5, "r")])


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (' name="a.law"', "", "missing required attribute 'name'"),
        (' errors="0" skipped', " skipped", "missing required attribute 'errors'"),
        (' skipped="0"', ' skipped="none"', "attribute skipped='none'"),
        (' failures="1"', ' failures="2"', "failures is 2, not 1"),
        (' tests="1"', ' tests="1" colour="red"', "'colour' attribute not allowed"),
        ('time="0.500"', 'time="5e-1"', "attribute time='5e-1'"),
        ('<failure message="m"', '<failure message="m" file="f"', "'file' attribute not allowed"),
        ("<failure", "<flop/><failure", "Unexpected child with tag 'flop'"),
        ("</testcase>", "</testcase><testcase/>", "missing required attribute 'name'"),
        ("</testcase>", "<skipped/></testcase>", "skipped is 0, not 1"),
        ("</testcase>", "\x00</testcase>", "no XML"),
        ("</testsuites>", "", "no XML"),
        ("testsuites", "suites", "not an element of the schema"),
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "", ""),
    ],
)
def test_a_broken_document_is_refused(good: str, bad: str, message: str) -> None:
    judged(GOOD)
    spoiled = GOOD.replace(good, bad)
    assert spoiled != GOOD
    with pytest.raises(AssertionError) as refused:
        judged(spoiled)
    assert message in str(refused.value)


def test_a_run_that_could_not_be_cleaned_is_a_failure_of_its_own() -> None:
    root = parsed(CASES["send-lost"])
    (failure,) = root.findall("testsuite[@name='lossy']/testcase[@name='cleaned']/failure")
    assert failure.attrib["type"] == "verify.no-clean"
    (case,) = parsed(CASES["clean-later"]).findall("testsuite/testcase")
    assert (case.attrib["name"], case[0].tag, case[0].text) == ("cleaned", "system-out", "12 of 12 deleted")


def test_a_check_has_a_suite_a_target_and_a_case_a_rung() -> None:
    root = parsed(CASES["check-several"])
    assert [suite.attrib["name"] for suite in root] == ["elasticsearch", "prod-es", "three-nodes"]
    for suite in root:
        assert [case.attrib["name"] for case in suite] == [rung.value for rung in Rung]
    (failure,) = root[1].findall("testcase[@name='tls']/failure")
    assert failure.attrib["type"] == "tls.expired"
    assert "more: magictel explain tls.expired" in str(failure.text)
    assert [case.attrib["name"] for case in root[1] if case.find("skipped") is not None] == [
        "http",
        "auth",
        "clock",
        "health",
        "write",
        "round-trip",
    ]


def test_a_warning_passes_and_is_printed() -> None:
    case = parsed(CASES["check-good"]).find("testsuite/testcase[@name='write']")
    assert case is not None
    assert [child.tag for child in case] == ["system-out"]
    assert "es.mapping.unprepared" in str(case[0].text)


@pytest.mark.parametrize(
    ("case", "accepted", "verified"),
    [
        ("send-verified", "system-out", "system-out"),
        ("send-mixed", "failure", "failure"),
        ("send-stopped", "failure", "skipped"),
        ("send-unverified", "system-out", "skipped"),
        ("send-lost", "system-out", "failure"),
        ("send-accepted", "system-out", "skipped"),
    ],
)
def test_a_send_has_the_cases_accepted_and_verified(case: str, accepted: str, verified: str) -> None:
    (suite,) = parsed(CASES[case])
    assert [(case.attrib["name"], case[0].tag) for case in suite[:2]] == [
        ("accepted", accepted),
        ("verified", verified),
    ]


def test_a_target_that_was_not_asked_is_an_error() -> None:
    root = parsed(CASES["check-interrupted"])
    assert [(suite.attrib["name"], suite.attrib["errors"]) for suite in root] == [
        ("three-nodes", "0"),
        ("elasticsearch", "1"),
        ("prod-es", "1"),
    ]


def test_characters_that_xml_has_not_are_spelled_out() -> None:
    nasty = "null \x00 escape \x1b surrogate \ud800 noncharacter \uffff fine \t ü 😀 ]]> <&>"
    finding = Finding.failed(Rung.HTTP, "http.not-http", nasty, nasty, first_bytes=nasty)
    failure = parsed(check_events(checked("t\x01", "t", "", finding))).find("testsuite/testcase/failure")
    assert failure is not None
    assert "null \\x00 escape \\x1b surrogate \\ud800 noncharacter \\uffff" in failure.attrib["message"]
    assert "ü 😀 ]]> <&>" in failure.attrib["message"]


def test_a_run_that_never_began_is_one_error() -> None:
    stream = io.StringIO()
    JunitReporter(stream).fail(UsageError("usage.unknown-target", "there is none", "magictel list"))
    root = judged(stream.getvalue())
    assert root.attrib["errors"] == "1"
