"""A send's outcome: the first of undelivered, rejected, lost, altered, duplicated, unverified, accepted, verified that is present."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from magictel.encoding.payload import Payload, Route
from magictel.errors import SettingsError
from magictel.model.events import (
    Accepted,
    CheckFinished,
    Event,
    SendFinished,
    SendOutcome,
    SendResult,
    SendStarted,
    TargetSent,
)
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Delivered, ItemVerdict, Partial, Rejected, Unavailable
from magictel.model.verification import Unreadable
from magictel.operations.check import CheckOptions, check
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.plugin.interface import ReadBack
from magictel.reporters.testcases import read_back
from tests.fake_clock import FakeClock
from tests.operations.memory import Backend, MemoryExporter


def run(backend: Backend, **options: Any) -> tuple[SendResult, list[Event]]:
    clock = FakeClock()
    job = Job("mem", "memory", lambda: MemoryExporter(backend, clock=clock))
    events = list(send([job], SendOptions(**options), clock))
    finished = events[-1]
    assert isinstance(finished, SendFinished)
    (result,) = finished.results
    assert result.receipt.balanced
    return result, events


def drop_first(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return shown[1:]


def double(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return shown + shown[:2]


def alter(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**shown[0], "value": 0}, *shown[1:]]


def swap_buckets(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for document in shown:
        if isinstance(document["value"], list):
            document["value"][0], document["value"][1] = document["value"][1], document["value"][0]
    return shown


def reject_one(payload: Payload) -> Partial:
    return Partial(rejected={0: ItemVerdict("es.write.mapping-type", "a conflict", "example")})


def test_a_healthy_backend_is_verified_with_every_point_and_a_time() -> None:
    result, events = run(Backend())
    assert (result.outcome, result.code) == (SendOutcome.VERIFIED, None)
    assert result.verification is not None
    assert (result.verification.expected, result.verification.found) == (12, 12)
    assert result.verification.time_to_visible is not None
    assert [type(event) for event in events] == [SendStarted, Accepted, TargetSent, SendFinished]


@pytest.mark.parametrize(
    ("shows", "outcome", "count"),
    [
        (drop_first, SendOutcome.LOST, "missing"),
        (double, SendOutcome.DUPLICATED, "duplicated"),
        (alter, SendOutcome.ALTERED, "altered"),
        (swap_buckets, SendOutcome.ALTERED, "altered"),
        (lambda shown: [], SendOutcome.LOST, "missing"),
    ],
)
def test_what_a_backend_does_to_points_is_caught(
    shows: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], outcome: SendOutcome, count: str
) -> None:
    result, _ = run(Backend(shows=shows))
    assert result.outcome is outcome
    assert getattr(result.verification, count) > 0
    assert result.code == f"verify.{outcome}"
    assert result.remedy


def test_a_rejected_point_is_counted_and_is_not_looked_for() -> None:
    result, _ = run(Backend(judge=reject_one))
    assert result.outcome is SendOutcome.REJECTED
    assert result.code == "es.write.mapping-type"
    assert result.verification is not None
    assert result.verification.expected == result.receipt.delivered == 12 - result.receipt.rejected
    assert result.verification.missing == 0


def test_a_dead_backend_drops_every_point_under_its_code() -> None:
    result, _ = run(Backend(judge=lambda payload: Unavailable("net.tcp.refused", "nobody listens")), deadline=1.0)
    assert (result.outcome, result.code) == (SendOutcome.UNDELIVERED, "net.tcp.refused")
    assert result.receipt.dropped == result.receipt.sent == 12
    assert result.verification is None


def test_a_payload_refused_as_a_whole_is_rejected() -> None:
    result, _ = run(Backend(judge=lambda payload: Rejected("http.forbidden", "403")))
    assert (result.outcome, result.receipt.rejected) == (SendOutcome.REJECTED, 12)


def test_without_verification_it_is_accepted_and_nothing_is_asked() -> None:
    backend = Backend()
    result, _ = run(backend, verify=False)
    assert (result.outcome, result.verification, backend.asked) == (SendOutcome.ACCEPTED, None, 0)


@pytest.mark.parametrize(
    "backend",
    [
        Backend(shows=lambda shown: Unreadable("es.read.forbidden", "no right to read")),
        Backend(delay=Unreadable("es.read.never-refreshed", "refresh_interval is -1")),
        Backend(delay=60.0),
        Backend(unreadable={"value": "no doc values"}),
    ],
)
def test_what_cannot_be_asked_is_unverified_never_lost(backend: Backend) -> None:
    result, _ = run(backend, within=30.0)
    assert result.outcome is SendOutcome.UNVERIFIED
    assert result.code is not None
    assert result.verification is not None
    assert result.verification.unverified > 0


def test_accepted_points_that_cannot_be_queried_are_unverified_and_the_others_are_compared() -> None:
    hidden = frozenset({"magictel.sample.requests"})

    def shown(stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [document for document in stored if document["name"] not in hidden]

    result, _ = run(Backend(cannot_query=hidden, shows=shown))
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "verify.unsupported")
    assert result.message == "memory cannot query 2 of the accepted points"
    seen = result.verification
    assert seen is not None
    assert (seen.expected, seen.found, seen.missing, seen.unverified) == (12, 10, 0, 2)
    assert read_back(seen)["equal"] == 10

    altered, _ = run(Backend(cannot_query=hidden, shows=lambda stored: alter(shown(stored))))
    assert altered.outcome is SendOutcome.ALTERED


def test_all_accepted_points_of_an_exporter_without_a_read_back_are_unverified() -> None:
    class Blind(MemoryExporter):
        ReadBack = ReadBack

    clock = FakeClock()
    *_, finished = send([Job("mem", "memory", lambda: Blind(Backend(), clock=clock))], SendOptions(), clock)
    assert isinstance(finished, SendFinished)
    seen = finished.results[0].verification
    assert seen is not None
    assert (seen.code, seen.expected, seen.unverified) == ("verify.unsupported", 12, 12)


def test_it_waits_for_a_slow_backend_at_least_three_times_its_delay() -> None:
    calls = 0

    def after_a_while(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal calls
        calls += 1
        return shown if calls > 100 else []

    result, _ = run(Backend(shows=after_a_while, delay=10.0))
    assert result.outcome is SendOutcome.VERIFIED
    assert result.verification is not None
    assert 20 < (result.verification.time_to_visible or 0) < 30


def test_a_look_that_began_before_the_time_was_over_is_not_the_last() -> None:
    """A backend that takes longer for one answer than there is time: what it saw when it was asked proves no loss."""
    clock = FakeClock()
    looks = 0

    def slowly(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal looks
        looks += 1
        clock.wait(60.0)
        return shown if looks > 1 else []

    job = Job("mem", "memory", lambda: MemoryExporter(Backend(shows=slowly), clock=clock))
    *_, finished = send([job], SendOptions(within=5.0), clock)
    assert isinstance(finished, SendFinished)
    assert finished.results[0].outcome is SendOutcome.VERIFIED


def test_a_failed_rung_stops_it_before_anything_is_written() -> None:
    backend = Backend(
        steps={Rung.AUTH: Finding.failed(Rung.AUTH, "es.auth.bad-password", "wrong password", "reset it")}
    )
    result, _ = run(backend)
    assert (result.outcome, result.code, result.remedy) == (SendOutcome.UNDELIVERED, "es.auth.bad-password", "reset it")
    assert (result.receipt.dropped, result.verification, backend.stored) == (12, None, [])
    assert [reason.code for reason in result.receipt.reasons] == ["es.auth.bad-password"]


def test_a_clock_outside_the_window_refuses_to_write_without_force() -> None:
    backend = Backend(steps={Rung.CLOCK: Finding.failed(Rung.CLOCK, "clock.skew", "a day ahead")})
    assert run(backend)[0].outcome is SendOutcome.UNDELIVERED
    assert backend.stored == []
    assert run(backend, force=True)[0].outcome is SendOutcome.VERIFIED


def test_force_does_not_help_against_anything_else() -> None:
    backend = Backend(steps={Rung.HTTP: Finding.failed(Rung.HTTP, "http.not-a-backend", "a web page")})
    assert run(backend, force=True)[0].code == "http.not-a-backend"


def test_unusable_settings_of_one_target_do_not_stop_the_other() -> None:
    def broken() -> MemoryExporter:
        raise SettingsError("config.url.bad-port", "url: the port 99999 is not between 1 and 65535", None, "BAD_URL")

    clock = FakeClock()
    jobs = [Job("bad", "memory", broken), Job("good", "memory", lambda: MemoryExporter(Backend(), clock=clock))]
    finished = list(send(jobs, SendOptions(), clock))[-1]
    assert isinstance(finished, SendFinished)
    assert [(result.target, result.outcome, result.unusable) for result in finished.results] == [
        ("bad", SendOutcome.UNDELIVERED, True),
        ("good", SendOutcome.VERIFIED, False),
    ]
    assert finished.outcome is SendOutcome.UNDELIVERED
    assert finished.results[0].receipt.dropped == 12


def test_points_that_were_given_up_are_not_called_lost() -> None:
    def keep_one_out(payload: Payload) -> Partial:
        return Partial(retry={0: ItemVerdict("es.write.queue-full", "the queue is full")})

    result, _ = run(Backend(judge=keep_one_out), deadline=0.5)
    assert result.outcome is SendOutcome.UNDELIVERED
    assert result.receipt.dropped > 0
    assert result.verification is not None
    assert result.verification.expected == result.receipt.delivered
    assert (result.verification.missing, result.verification.altered) == (0, 0)


def test_a_point_given_up_that_arrived_all_the_same_is_not_called_altered() -> None:
    backend = Backend()

    def store_and_say_nothing(payload: Payload) -> Unavailable | Delivered:
        if b"sample.requests" not in payload.body:
            return Delivered()
        backend.stored += [json.loads(item) for item in payload.items()]
        return Unavailable("net.http.read-timeout", "no answer", maybe_stored=True)

    backend.judge = store_and_say_nothing
    result, _ = run(backend, deadline=0.5)
    assert result.outcome is SendOutcome.UNDELIVERED
    assert (result.receipt.delivered, result.receipt.dropped) == (7, 5)
    assert len(backend.stored) > 7
    assert result.verification is not None
    assert (result.verification.expected, result.verification.found) == (7, 7)
    assert result.verification.altered == 0


def test_a_point_that_is_shown_piece_by_piece_is_looked_at_again() -> None:
    looks = 0

    def half_first(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal looks
        looks += 1
        return alter(shown) if looks == 1 else shown

    result, _ = run(Backend(shows=half_first))
    assert result.outcome is SendOutcome.VERIFIED


def test_a_copy_that_shows_late_is_found_where_something_was_sent_twice() -> None:
    looks = 0

    def doubled_later(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal looks
        looks += 1
        return shown if looks == 1 else double(shown)

    result, _ = run(Backend(shows=doubled_later))
    assert result.receipt.attempts > 1
    assert result.outcome is SendOutcome.DUPLICATED


def test_copies_that_show_one_after_the_other_are_all_counted() -> None:
    looks = 0

    def more_each_time(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal looks
        looks += 1
        return shown + shown[: 2 if looks == 1 else 9]

    class Whole(MemoryExporter):
        """Sends all in one request: nothing but the copies asks for a second look."""

        def route(self) -> Route:
            return Route("/", 100, 100_000)

    clock = FakeClock()
    finished = list(
        send([Job("mem", "memory", lambda: Whole(Backend(shows=more_each_time), clock=clock))], SendOptions(), clock)
    )[-1]
    assert isinstance(finished, SendFinished)
    (result,) = finished.results
    assert (result.receipt.attempts, result.outcome) == (1, SendOutcome.DUPLICATED)
    assert result.verification is not None
    assert result.verification.duplicated == 9


def test_a_bug_in_one_target_is_that_targets_result_and_the_others_go_on() -> None:
    class Buggy(MemoryExporter):
        def endpoint(self) -> str:
            raise ZeroDivisionError("the key is s3cret")

    clock = FakeClock()
    jobs = [
        Job("bad", "memory", lambda: Buggy(Backend(), clock=clock)),
        Job("good", "memory", lambda: MemoryExporter(Backend(), clock=clock)),
    ]
    finished = list(send(jobs, SendOptions(), clock))[-1]
    assert isinstance(finished, SendFinished)
    assert [(result.outcome, result.code) for result in finished.results] == [
        (SendOutcome.UNDELIVERED, "internal.target"),
        (SendOutcome.VERIFIED, None),
    ]
    assert "s3cret" not in repr(finished)
    checked = list(check(jobs, CheckOptions(), clock))[-1]
    assert isinstance(checked, CheckFinished)
    assert [result.outcome.value for result in checked.results] == ["fail", "pass"]
    assert checked.results[0].rungs[0].code == "internal.target"
