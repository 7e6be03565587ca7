"""What CI systems read: JUnit XML of the shape that Jenkins' and GitLab's readers want."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

import pytest

from magictel.errors import UsageError
from magictel.events import Event
from magictel.finding import Finding, Rung
from magictel.reporters.junit import JUnitReporter
from tests.reporters.cases import CASES, check_events, checked

# junit-10.xsd of Jenkins' xunit plugin, the parts that are used here: what must stand on an element, and all that may.
REQUIRED = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}
ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id"}
    | {"package", "file", "log", "url"},
    "testcase": {"name", "time", "classname", "group"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message", "type"},
    "system-out": set(),
}
SUREFIRE_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped", "system-out"},
}


def parsed(events: Iterable[Event]) -> ET.Element:
    stream = io.StringIO()
    reporter = JUnitReporter(stream)
    for event in events:
        reporter.on(event)
    reporter.finish()
    written = stream.getvalue()
    assert written.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = ET.fromstring(written.encode())
    valid(root)
    return root


def valid(root: ET.Element) -> None:
    assert root.tag == "testsuites"
    for element in root.iter():
        assert element.attrib.keys() >= REQUIRED[element.tag], element.tag
        assert element.attrib.keys() <= ALLOWED[element.tag], element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        for number in ("tests", "failures", "errors", "skipped"):
            assert re.fullmatch(r"\d+", element.get(number, "0"))
        assert re.fullmatch(r"\d+\.\d{3}", element.get("time", "0.000"))
        assert SUREFIRE_TIME.fullmatch(element.get("time", ""))
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == len(suite.findall(f"*/{tag}"))
    for attribute in ("tests", "failures", "errors"):
        assert int(root.attrib[attribute]) == sum(int(suite.attrib[attribute]) for suite in root)


@pytest.mark.parametrize("case", CASES)
def test_every_report_is_valid(case: str) -> None:
    parsed(CASES[case])


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
    assert [(one.attrib["name"], one[0].tag) for one in suite] == [("accepted", accepted), ("verified", verified)]


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
    JUnitReporter(stream).fail(UsageError("usage.unknown-target", "there is none", "magictel list"))
    root = ET.fromstring(stream.getvalue().encode())
    valid(root)
    assert root.attrib["errors"] == "1"
