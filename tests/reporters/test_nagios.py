"""One line as the Monitoring Plugins' guidelines have it, and the word's mapping to 0 to 3."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from magictel.model.events import SendResult
from magictel.reporters.nagios import State
from tests.reporters.cases import CASES, LOST, MIXED, NODES, STOPPED, UNREADABLE, VERIFIED, check_events, send_events
from tests.reporters.reporting import failed, nasty_check, nasty_send, report

LINE = re.compile(r"MAGICTEL (OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+?)(?: \| ([^|\n]+))?\n")
DATUM = re.compile(r"'((?:[^'=|]|'')+)'=(-?[0-9.]+)(s?);([0-9.]*);([0-9.]*);([0-9.]*);([0-9.]*)")


def parsed(line: str) -> tuple[State, str, dict[str, str]]:
    match = LINE.fullmatch(line)
    assert match, line
    data: dict[str, str] = {}
    rest = match[3] or ""
    while rest:
        datum = DATUM.match(rest)
        assert datum, rest
        assert datum[1] not in data
        data[datum[1]] = datum[2]
        rest = rest[datum.end() :].removeprefix(" ")
    return State[match[1]], match[2], data


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
    _, message, data = parsed(report("nagios", CASES["check-expired"])[0])
    assert message.startswith("prod-es FAILED at tls: the certificate of CN=es.example.net expired 3 days ago")
    assert message.count("tls.expired") == 1
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


MANY = 2_000


def every_fourth(number: int) -> SendResult:
    result = [VERIFIED, LOST, MIXED, STOPPED][number % 4]
    return replace(result, target=f"t{number}")


@pytest.mark.parametrize("name", ["t{}", "größe-😀-{}", "n" * 300 + "{}", "n" * 9000 + "{}"])
def test_very_many_targets_fit_what_nagios_and_the_kubelet_read_and_keep_their_totals(name: str) -> None:
    results = [replace(every_fourth(number), target=name.format(number)) for number in range(MANY)]
    line = report("nagios", send_events(*results))[0]
    state, _, data = parsed(line)
    assert len(line.encode()) <= 4000
    assert state is State.CRITICAL
    quarter = MANY // 4
    totals = {"targets": MANY, "targets_failed": 3 * quarter, "sent": 12 * MANY, "delivered": (12 + 10 + 11) * quarter}
    totals |= {"rejected": quarter, "undelivered": 12 * quarter, "lost": 3 * quarter, "altered": 2 * quarter}
    assert {label: int(data[label]) for label in totals} == totals
    listed = [label for label in data if label.endswith(" sent")]
    assert int(data["unlisted"]) == MANY - len(listed)
    for label in listed:  # whole targets: each has all of its data
        assert {f"{label.removesuffix('sent')}{rest}" for rest in ("delivered", "rejected", "time")} <= data.keys()


def test_the_worst_targets_are_named_first_and_the_rest_is_counted() -> None:
    _, message, data = parsed(report("nagios", send_events(*map(every_fourth, range(MANY))))[0])
    assert message.startswith(
        "1500 of 2000 targets FAILED: t3 undelivered (tls.expired), t7 undelivered (tls.expired), t11 undelivered (tls.expired),"
    )
    assert " and 1493 more; t3 tls: tls.expired: " in message
    assert "(500 targets)" in message
    assert list(data)[-1] == "unlisted"
    assert [label for label in data if label.endswith(" sent")][:3] == ["t3 sent", "t7 sent", "t11 sent"]


def test_of_several_targets_each_cause_stands_with_its_own_target() -> None:
    _, message, data = parsed(report("nagios", CASES["check-several"])[0])
    assert message.startswith(
        "1 of 3 targets FAILED: prod-es at tls (tls.expired); warnings for elasticsearch, three-nodes; "
        "prod-es tls: tls.expired: the certificate"
    )
    assert "; elasticsearch write: es.mapping.unprepared: " in message
    assert next(label for label in data if " " in label) == "prod-es failed"
    assert (data["targets"], data["targets_failed"], data["targets_warned"]) == ("3", "1", "2")
    assert "unlisted" not in data


def test_nothing_that_a_server_says_breaks_the_line() -> None:
    for events in (nasty_check(), nasty_send(), check_events(NODES)):
        parsed(report("nagios", events)[0])


def test_a_run_that_never_began_is_unknown() -> None:
    assert failed("nagios")[0] == "MAGICTEL UNKNOWN - usage.unknown-target: there is / no <such> target\n"
