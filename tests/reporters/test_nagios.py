"""One line as the Monitoring Plugins' guidelines have it, and the word's mapping to 0 to 3."""

from __future__ import annotations

import re

import pytest

from magictel.reporters.nagios import State
from tests.reporters.cases import CASES, NODES, UNREADABLE, check_events, send_events
from tests.reporters.reporting import failed, nasty_check, nasty_send, report

LINE = re.compile(r"MAGICTEL (OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+?)(?: \| ([^|\n]+))?\n")
DATUM = re.compile(r"'((?:[^'=|]|'')+)'=(-?[0-9.]+)(s?);([0-9.]*);([0-9.]*);([0-9.]*);([0-9.]*)")


def parsed(line: str) -> tuple[State, str, dict[str, str]]:
    found = LINE.fullmatch(line)
    assert found, line
    data: dict[str, str] = {}
    rest = found[3] or ""
    while rest:
        datum = DATUM.match(rest)
        assert datum, rest
        assert datum[1] not in data
        data[datum[1]] = datum[2]
        rest = rest[datum.end() :].removeprefix(" ")
    return State[found[1]], found[2], data


@pytest.mark.parametrize(
    ("case", "state"),
    [
        ("check-good", State.WARNING),
        ("check-nodes", State.WARNING),
        ("check-expired", State.CRITICAL),
        ("check-several", State.CRITICAL),
        ("check-unusable", State.UNKNOWN),
        ("check-interrupted", State.UNKNOWN),
        ("send-verified", State.OK),
        ("send-accepted", State.OK),
        ("send-timed", State.OK),
        ("send-cleaned", State.OK),
        ("send-mixed", State.CRITICAL),
        ("send-stopped", State.CRITICAL),
        ("send-lost", State.CRITICAL),
        ("send-unverified", State.UNKNOWN),
        ("send-interrupted", State.UNKNOWN),
        ("clean-later", State.OK),
    ],
)
def test_the_word_says_how_the_run_came_out(case: str, state: State) -> None:
    assert parsed(report("nagios", CASES[case])[0])[0] is state


def test_the_states_are_what_a_plugin_exits_with() -> None:
    assert {state.name: int(state) for state in State} == {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}


def test_the_line_names_target_code_and_cause_once() -> None:
    _, said, data = parsed(report("nagios", CASES["check-expired"])[0])
    assert said.startswith("prod-es fails at tls: tls.expired: the certificate of CN=es.example.net expired 3 days ago")
    assert said.count("tls.expired") == 1
    assert data == {"prod-es failed": "1", "prod-es warned": "0", "prod-es time": "0.125"}


def test_counts_of_a_send_are_performance_data_and_what_could_not_be_asked_is_absent() -> None:
    data = parsed(report("nagios", CASES["send-lost"])[0])[2]
    assert (data["lossy sent"], data["lossy delivered"], data["lossy lost"], data["lossy duplicated"]) == (
        "12",
        "10",
        "3",
        "1",
    )
    assert "write-only lost" not in parsed(report("nagios", send_events(UNREADABLE))[0])[2]


def test_nothing_that_a_server_says_breaks_the_line() -> None:
    for events in (nasty_check(), nasty_send(), check_events(NODES)):
        parsed(report("nagios", events)[0])


def test_a_run_that_never_began_is_unknown() -> None:
    assert failed("nagios")[0] == "MAGICTEL UNKNOWN - usage.unknown-target: there is / no <such> target\n"
