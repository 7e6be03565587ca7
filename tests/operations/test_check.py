"""A check: ten rungs for every target, in the order given, again and again under --wait."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from threading import Event
from typing import Any

from magictel.errors import SettingsError
from magictel.model.events import CheckFinished, CheckOutcome, CheckResult, TargetChecked, Waited
from magictel.model.finding import Finding, Rung, Status
from magictel.operations.check import CheckOptions, check
from magictel.operations.target_run import Job
from tests.fake_clock import FakeClock
from tests.operations.memory import Backend, MemoryExporter


def climbed(backend: Backend, options: CheckOptions | None = None) -> CheckResult:
    clock = FakeClock()
    job = Job("mem", "memory", lambda: MemoryExporter(backend, clock=clock), "0 of 9 options set")
    finished = list(check([job], options or CheckOptions(), clock))[-1]
    assert isinstance(finished, CheckFinished)
    return finished.results[0]


def outcomes(result: CheckResult) -> dict[str, str]:
    return {finding.rung.value: finding.outcome.value for finding in result.rungs}


def test_every_rung_is_there_once_and_what_is_not_asked_is_skipped() -> None:
    result = climbed(Backend())
    assert [finding.rung for finding in result.rungs] == list(Rung)
    assert outcomes(result)["config"] == "pass"
    assert set(outcomes(result).values()) == {"pass", "skipped"}
    assert result.outcome is CheckOutcome.PASS


def test_what_stands_on_a_failed_rung_is_blocked_by_it() -> None:
    result = climbed(Backend(steps={Rung.TLS: Finding.failed(Rung.TLS, "tls.expired", "expired 3 days ago")}))
    blocked = {finding.rung: finding.blocked_by for finding in result.rungs if finding.outcome is Status.BLOCKED}
    assert set(blocked) == {Rung.HTTP, Rung.AUTH, Rung.CLOCK, Rung.HEALTH, Rung.WRITE}
    assert set(blocked.values()) == {Rung.TLS}
    assert result.outcome is CheckOutcome.FAIL


def test_red_health_does_not_block_write() -> None:
    steps = {
        Rung.HEALTH: Finding.failed(Rung.HEALTH, "es.health.red", "red"),
        Rung.WRITE: Finding.passed(Rung.WRITE, "allowed"),
    }
    assert outcomes(climbed(Backend(steps=steps)))["write"] == "pass"


def test_unusable_settings_fail_config_and_block_the_rest() -> None:
    def broken() -> MemoryExporter:
        raise SettingsError("config.missing", "url is required", "export MEMORY_URL=…")

    finished = list(check([Job("mem", "memory", broken)], CheckOptions(), FakeClock()))[-1]
    assert isinstance(finished, CheckFinished)
    (result,) = finished.results
    assert result.unusable
    assert [finding.outcome for finding in result.rungs] == [Status.FAIL, *[Status.BLOCKED] * 8, Status.SKIPPED]


def test_a_warning_of_the_settings_warns_at_config() -> None:
    clock = FakeClock()
    job = Job(
        "mem", "memory", lambda: MemoryExporter(Backend(), clock=clock), "fine", ("the key file is world-readable",)
    )
    finished = list(check([job], CheckOptions(), clock))[-1]
    assert isinstance(finished, CheckFinished)
    assert finished.results[0].outcome is CheckOutcome.WARN


def test_the_round_trip_is_climbed_when_asked_for() -> None:
    backend = Backend()
    assert outcomes(climbed(backend, CheckOptions(round_trip=True)))["round-trip"] == "pass"
    lossy = Backend(shows=lambda shown: shown[1:])
    result = climbed(lossy, CheckOptions(round_trip=True))
    assert (result.rungs[-1].outcome, result.rungs[-1].code) == (Status.FAIL, "verify.lost")


def test_the_remedy_of_a_round_trip_names_the_target() -> None:
    def truncated(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        numbers = [row["value"] if isinstance(row["value"], list) else int(row["value"]) for row in shown]
        return [{**row, "value": number} for row, number in zip(shown, numbers, strict=True)]

    finding = climbed(Backend(shows=truncated), CheckOptions(round_trip=True)).rungs[-1]
    assert (finding.code, finding.remedy) == (
        "verify.altered",
        "magictel prepare mem --apply, and then a new index: the values are stored as integers, without decimals",
    )


def test_wait_climbs_again_until_it_holds_and_says_what_it_waits_for() -> None:
    clock = FakeClock()
    tries = 0

    class Late(MemoryExporter):
        def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
            nonlocal tries
            tries += 1
            if tries > 3:
                return {}
            return {Rung.TCP: lambda: Finding.failed(Rung.TCP, "net.tcp.refused", "nobody listens")}

    job = Job("mem", "memory", lambda: Late(Backend(), clock=clock))
    events = list(check([job], CheckOptions(wait=60.0), clock))
    finished = events[-1]
    assert isinstance(finished, CheckFinished)
    assert finished.results[0].outcome is CheckOutcome.PASS
    assert tries == 4
    assert len([event for event in events if isinstance(event, Waited)]) == 3


def test_wait_gives_up_when_its_time_is_over() -> None:
    steps = {Rung.TCP: Finding.failed(Rung.TCP, "net.tcp.refused", "nobody listens")}
    result = climbed(Backend(steps=steps), CheckOptions(wait=5.0))
    assert result.outcome is CheckOutcome.FAIL
    assert 5.0 <= result.seconds < 7.0


def test_an_interrupt_while_it_waits_leaves_the_last_climb_as_the_result() -> None:
    class Patient(FakeClock):
        def wait(self, seconds: float, stop: Event | None = None) -> bool:
            again.wait(100)  # the second and last climb comes when the test is over
            return super().wait(100.0, stop)

    again = Event()
    steps = {Rung.TCP: Finding.failed(Rung.TCP, "net.tcp.refused", "nobody listens")}
    job = Job("mem", "memory", lambda: MemoryExporter(Backend(steps=steps), clock=FakeClock()))
    running = check([job], CheckOptions(wait=60.0), Patient())
    assert isinstance(running, Generator)
    try:
        assert any(isinstance(event, Waited) for event in running)
        finished = running.throw(KeyboardInterrupt)
    finally:
        again.set()
    assert isinstance(finished, CheckFinished)
    assert finished.interrupted
    assert [(result.target, result.outcome) for result in finished.results] == [("mem", CheckOutcome.FAIL)]


def test_an_interrupt_in_the_first_climb_leaves_the_rungs_so_far_as_the_result() -> None:
    asked, again = Event(), Event()

    class Stuck(MemoryExporter):
        def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
            def never() -> Finding:
                asked.set()
                again.wait(100)
                return Finding.passed(Rung.HTTP, "too late")

            return {Rung.TCP: lambda: Finding.passed(Rung.TCP, "answers"), Rung.HTTP: never}

    jobs = [
        Job("quick", "memory", lambda: MemoryExporter(Backend(), clock=FakeClock())),
        Job("stuck", "memory", lambda: Stuck(Backend(), clock=FakeClock())),
        Job("waits", "memory", lambda: MemoryExporter(Backend(), clock=FakeClock())),
    ]
    running = check(jobs, CheckOptions(wait=60.0, jobs=1), FakeClock())
    assert isinstance(running, Generator)
    try:
        assert any(isinstance(event, TargetChecked) for event in running)
        assert asked.wait(100)
        finished = running.throw(KeyboardInterrupt)
    finally:
        again.set()
    assert isinstance(finished, CheckFinished)
    assert finished.interrupted
    quick, stuck = finished.results  # nothing was climbed of the third
    assert (quick.outcome, stuck.target, stuck.outcome) == (CheckOutcome.PASS, "stuck", CheckOutcome.FAIL)
    assert [finding.rung for finding in stuck.rungs] == list(Rung)
    assert [outcomes(stuck)[rung] for rung in ("config", "tcp", "http", "auth", "write")] == [
        "pass",
        "pass",
        "fail",
        "skipped",
        "skipped",
    ]
    assert [finding.code for finding in stuck.rungs if finding.code] == ["run.interrupted"]


def test_targets_come_out_in_the_order_given() -> None:
    clock = FakeClock()
    names = [f"t{number}" for number in range(12)]
    jobs = [Job(name, "memory", lambda: MemoryExporter(Backend(), clock=clock)) for name in names]
    finished = list(check(jobs, CheckOptions(), clock))[-1]
    assert isinstance(finished, CheckFinished)
    assert [result.target for result in finished.results] == names
