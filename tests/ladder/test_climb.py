"""The climb: ten rungs, each once, none hidden, whatever its probes do."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from magictel.catalogue.pages import codes
from magictel.errors import SettingsError, WireError
from magictel.ladder.climb import climb
from magictel.model.finding import NEEDS, Finding, Rung, Status


class StoppedClock:
    """Each look at the monotonic clock is a second later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return 1_800_000_000.0

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        return False


def passes(rung: Rung) -> Callable[[], Finding]:
    return lambda: Finding.passed(rung, "holds")


def fails(rung: Rung, code: str = "net.tcp.refused") -> Callable[[], Finding]:
    return lambda: Finding.failed(rung, code, "does not hold", "mend it", status=1)


def outcomes(findings: list[Finding]) -> dict[str, str]:
    return {finding.rung.value: finding.outcome.value for finding in findings}


ALL = {rung: passes(rung) for rung in Rung}


def test_every_rung_is_climbed_once_in_order() -> None:
    findings = list(climb(ALL, clock=StoppedClock()))
    assert [finding.rung for finding in findings] == list(Rung)
    assert {finding.outcome for finding in findings} == {Status.PASS}
    assert all(finding.seconds == 1.0 for finding in findings)


@pytest.mark.parametrize(
    ("failing", "blocked"),
    [
        (Rung.CONFIG, ["dns", "tcp", "tls", "http", "auth", "clock", "health", "write", "round-trip"]),
        (Rung.TCP, ["tls", "http", "auth", "clock", "health", "write", "round-trip"]),
        (Rung.HTTP, ["auth", "clock", "health", "write", "round-trip"]),
        (Rung.AUTH, ["clock", "health", "write", "round-trip"]),
        (Rung.CLOCK, []),
        (Rung.HEALTH, []),
        (Rung.WRITE, ["round-trip"]),
    ],
)
def test_what_needs_a_failed_rung_is_blocked_by_it(failing: Rung, blocked: list[str]) -> None:
    findings = list(climb(ALL | {failing: fails(failing)}))
    not_run = [finding for finding in findings if finding.outcome is Status.BLOCKED]
    assert [finding.rung.value for finding in not_run] == blocked
    assert {finding.blocked_by for finding in not_run} <= {failing}


@pytest.mark.parametrize("outcome", [Status.WARN, Status.SKIPPED])
def test_a_warned_or_skipped_need_holds(outcome: Status) -> None:
    steps = ALL | {Rung.TLS: lambda: Finding(Rung.TLS, outcome, "not quite", "tls.expires-soon")}
    assert outcomes(list(climb(steps)))["http"] == "pass"


def test_rungs_beyond_until_are_skipped_and_not_asked() -> None:
    asked: list[Rung] = []

    def step(rung: Rung) -> Callable[[], Finding]:
        def climbed() -> Finding:
            asked.append(rung)
            return Finding.passed(rung, "holds")

        return climbed

    findings = list(climb({rung: step(rung) for rung in Rung}, until=Rung.TCP))
    assert asked == [Rung.CONFIG, Rung.DNS, Rung.TCP]
    assert [finding.outcome for finding in findings[3:]] == [Status.SKIPPED] * 7


def test_a_skipped_code_blocks_nothing_and_stays_visible() -> None:
    findings = list(climb(ALL | {Rung.TCP: fails(Rung.TCP)}, skip={"net.tcp.refused"}))
    tcp = findings[2]
    assert (tcp.outcome, tcp.code, tcp.evidence) == (Status.SKIPPED, "net.tcp.refused", {"status": 1})
    assert outcomes(findings)["tls"] == "pass"


def test_a_skipped_rung_is_not_asked() -> None:
    def never() -> Finding:
        raise AssertionError

    findings = list(climb(ALL | {Rung.HEALTH: never}, skip={"health"}))
    assert outcomes(findings)["health"] == "skipped"


def test_a_rung_without_a_step_says_that_it_was_not_asked() -> None:
    findings = list(climb({Rung.CONFIG: passes(Rung.CONFIG)}))
    assert {finding.outcome for finding in findings[1:]} == {Status.SKIPPED}
    assert "--round-trip" in findings[-1].message


def test_expected_trouble_becomes_a_finding() -> None:
    def unanswered() -> Finding:
        raise WireError("net.http.closed", "closed", "look", phase="read", evidence={"peer": "x"})

    def unusable() -> Finding:
        raise SettingsError("config.tls.ca-file", "ca_file: none", "mend")

    findings = list(climb(ALL | {Rung.HEALTH: unanswered, Rung.WRITE: unusable}))
    health, write = findings[7], findings[8]
    assert (health.outcome, health.code, health.remedy, health.evidence) == (
        Status.FAIL,
        "net.http.closed",
        "look",
        {"peer": "x"},
    )
    assert (write.outcome, write.code) == (Status.FAIL, "config.tls.ca-file")


def test_a_probes_bug_is_a_finding_without_its_text() -> None:
    def broken() -> Finding:
        raise KeyError("s3cr3t-value")

    finding = list(climb(ALL | {Rung.HEALTH: broken}))[7]
    assert (finding.outcome, finding.code) == (Status.FAIL, "internal.probe")
    assert "KeyError" in finding.message
    assert "s3cr3t" not in f"{finding}"


@given(
    st.dictionaries(
        st.sampled_from(Rung), st.sampled_from([Status.PASS, Status.WARN, Status.FAIL, Status.SKIPPED, None])
    ),
    st.one_of(st.none(), st.sampled_from(Rung)),
    st.sets(st.one_of(st.sampled_from([rung.value for rung in Rung]), st.just("some.code"))),
)
def test_no_ladder_hides_a_rung(steps: dict[Rung, Status | None], until: Rung | None, skip: set[str]) -> None:
    def step(rung: Rung, outcome: Status | None) -> Callable[[], Finding]:
        def climbed() -> Finding:
            if outcome is None:
                raise ValueError("bug")
            return Finding(rung, outcome, "so", None if outcome is Status.PASS else "some.code")

        return climbed

    findings = list(climb({rung: step(rung, outcome) for rung, outcome in steps.items()}, until=until, skip=skip))
    assert [finding.rung for finding in findings] == list(Rung)
    by_rung = {finding.rung: finding for finding in findings}
    for finding in findings:
        assert (finding.blocked_by is not None) == (finding.outcome is Status.BLOCKED)
        if finding.outcome is Status.BLOCKED:
            assert by_rung[finding.blocked_by].outcome is Status.FAIL  # type: ignore[index]
        if finding.outcome in (Status.PASS, Status.WARN, Status.FAIL):
            needs = NEEDS[finding.rung]
            assert all(by_rung[need].outcome not in (Status.FAIL, Status.BLOCKED) for need in needs)


@pytest.mark.parametrize("code", codes())
def test_whatever_fails_or_warns_says_what_to_do(code: str) -> None:
    """A finding without a remedy of its own has that of its code's page."""
    for outcome in (Status.FAIL, Status.WARN):
        finding = Finding(Rung.CONFIG, outcome, "it does not hold", code)
        seen = next(climb({Rung.CONFIG: lambda finding=finding: finding}, until=Rung.CONFIG))
        assert seen.remedy
        assert not seen.remedy.startswith("$ ")
        remedied = replace(finding, remedy="mend it")
        assert next(climb({Rung.CONFIG: lambda finding=remedied: finding}, until=Rung.CONFIG)).remedy == "mend it"


def test_a_code_of_another_package_has_a_remedy_too() -> None:
    finding = Finding(Rung.CONFIG, Status.FAIL, "it does not hold", "acme.broken")
    assert "acme.broken" in (next(climb({Rung.CONFIG: lambda: finding})).remedy or "")
    passed = Finding.passed(Rung.CONFIG, "it holds")
    assert next(climb({Rung.CONFIG: lambda: passed})).remedy is None
