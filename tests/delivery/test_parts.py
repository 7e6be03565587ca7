"""Backoff, breaker, rate limit, outbox, patience and pool, each alone."""

from __future__ import annotations

import random
import threading

import pytest

from magictel.delivery.attempt_timeout import AdaptiveTimeout
from magictel.delivery.backoff import Backoff
from magictel.delivery.circuit_breaker import LONGEST_HOLD, Breaker
from magictel.delivery.outbox import Outbox, Pending
from magictel.delivery.pool import Pool
from magictel.delivery.rate_limit import RateLimit
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial, Throttled, Unavailable
from tests.delivery.rig import REFUSED, payload
from tests.fake_clock import FakeClock


def test_the_same_seed_waits_the_same_and_uses_the_whole_range() -> None:
    first, second = (Backoff(1.0, 60.0, random.Random(3)) for _ in range(2))
    assert [first.seconds(n) for n in range(1, 9)] == [second.seconds(n) for n in range(1, 9)]
    many = [Backoff(1.0, 60.0, random.Random(seed)).seconds(3) for seed in range(400)]
    assert min(many) < 0.4
    assert 3.6 < max(many) <= 4.0


def test_a_backoff_after_very_many_failures_is_still_a_number() -> None:
    assert 0 <= Backoff(0.5, 30.0, random.Random(1)).seconds(10_000) <= 30.0


@pytest.mark.parametrize(("after", "least"), [(None, 0.0), (0.0, 0.0), (5.0, 5.0), (90.0, 90.0)])
def test_a_backoff_is_never_less_than_the_backend_asked_for(after: float | None, least: float) -> None:
    backoff = Backoff(1.0, 30.0, random.Random(1))
    assert all(backoff.seconds(2, after) >= least for _ in range(50))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("1.5", 1.5),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert Reply(429, {"retry-after": header}).retry_after(1_800_000_000.0) == seconds


def test_a_breaker_opens_after_so_many_failures_in_a_row() -> None:
    clock = FakeClock()
    breaker = Breaker(3, 30.0, clock)
    for outcome in (REFUSED, REFUSED, Delivered(), REFUSED, REFUSED):
        assert breaker.allow() is None
        breaker.record(outcome)
    assert breaker.allow() is None, "two in a row are not three"
    breaker.record(REFUSED)
    permission = breaker.allow()
    assert permission is not None
    assert (permission.code, permission.retry_after) == (REFUSED.code, 30.0)


def test_one_payload_alone_does_not_open_a_breaker_a_second_one_does() -> None:
    breaker = Breaker(3, 30.0, FakeClock())
    poison, other = object(), object()
    for _ in range(9):
        breaker.record(REFUSED, poison)
    assert breaker.allow() is None
    breaker.record(REFUSED, other)
    assert breaker.allow() is not None


def test_half_open_lets_one_attempt_through_and_believes_it() -> None:
    clock = FakeClock()
    breaker = Breaker(1, 30.0, clock)
    breaker.record(REFUSED)
    clock.pass_time(30)
    assert breaker.allow() is None
    second = breaker.allow()
    assert second is not None
    assert second.retry_after is None, "somebody is finding out"
    breaker.record(REFUSED)
    again = breaker.allow()
    assert again is not None
    assert again.retry_after == 30.0
    clock.pass_time(30)
    assert breaker.allow() is None
    breaker.record(Delivered())
    assert breaker.allow() is None
    assert breaker.allow() is None


def test_a_trial_that_is_given_back_lets_another_through() -> None:
    clock = FakeClock()
    breaker = Breaker(1, 30.0, clock)
    breaker.record(REFUSED)
    clock.pass_time(30)
    assert breaker.allow() is None
    breaker.release()
    assert breaker.allow() is None


@pytest.mark.parametrize(
    "alive", [Throttled("http.throttled", "429"), Partial({}, {0: ItemVerdict("c", "m")})], ids=["429", "item errors"]
)
def test_a_backend_that_answers_does_not_trip_the_breaker(alive: Outcome) -> None:
    breaker = Breaker(2, 30.0, FakeClock())
    for _ in range(10):
        breaker.record(alive)
    assert breaker.allow() is None


def test_no_hold_is_longer_than_five_minutes_and_a_shorter_one_does_not_shorten_it() -> None:
    clock = FakeClock()
    breaker = Breaker(5, 30.0, clock)
    breaker.hold(86_400.0, Throttled("http.throttled", "come back tomorrow"))
    breaker.hold(1.0, Throttled("http.throttled", "or in a second"))
    permission = breaker.allow()
    assert permission is not None
    assert permission.retry_after == LONGEST_HOLD
    clock.pass_time(LONGEST_HOLD)
    assert breaker.allow() is None
    assert breaker.allow() is None, "after a hold there is no trial"


def test_a_rate_below_one_still_lets_the_first_pass() -> None:
    clock = FakeClock()
    rate = RateLimit(0.1, clock)
    assert rate.reserve() == 0.0
    assert rate.reserve() == pytest.approx(10.0)
    rate.give_back()
    clock.pass_time(10.0)
    assert rate.reserve() == pytest.approx(0.0)


def test_an_idle_hour_saves_up_no_more_than_a_second_s_worth() -> None:
    clock = FakeClock()
    rate = RateLimit(4.0, clock)
    clock.pass_time(3600)
    assert [rate.reserve() for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, pytest.approx(0.25)]


def waiting(points: int = 1, name: str = "p", size: int = 8) -> Pending:
    return Pending(payload(points, name, size), "net.tcp.refused", "nobody listens")


@pytest.mark.parametrize(
    ("points", "size", "left"),
    [
        (4, 10**9, ["c", "d"]),
        (10**9, 64, ["b", "c", "d"]),
        (0, 10**9, []),
        (10**9, 0, []),
        (10**9, 10**9, list("abcd")),
    ],
    ids=["points", "bytes", "none by points", "none by bytes", "no bound"],
)
def test_the_outbox_is_bounded_in_points_and_bytes(points: int, size: int, left: list[str]) -> None:
    outbox = Outbox(points, size)
    given = [waiting(2, name, 10) for name in "abcd"]
    dropped = [old for payload in given for old in outbox.put(payload)]
    names = [pending.payload.body[:1].decode() for pending in outbox.waiting]
    assert names == left
    assert [pending.payload.body[:1].decode() for pending in dropped] == [name for name in "abcd" if name not in left]
    assert (outbox.points, outbox._bytes) == (2 * len(left), 20 * len(left))


def test_what_never_fits_comes_back_after_it_pushed_out_the_rest() -> None:
    outbox = Outbox(3, 10**9)
    small, large = waiting(1, "s"), waiting(9, "l")
    outbox.put(small)
    assert outbox.put(large) == [small, large]
    assert outbox.points == 0


def test_a_closed_outbox_gives_everything_back() -> None:
    outbox = Outbox(99, 10**9)
    early, late = waiting(1, "e"), waiting(1, "l")
    outbox.put(early)
    assert outbox.close() == [early]
    assert outbox.put(late) == [late]
    assert outbox.take() == []


def test_patience_grows_with_each_wait_in_vain_then_starts_anew() -> None:
    patience = AdaptiveTimeout(2.0, 10.0)
    given = []
    for _ in range(6):
        given.append(patience.seconds)
        patience.learn(Unavailable("t", "m"), patience.seconds, patience.seconds)
        assert patience.timed_out
    assert given == [2.0, 4.0, 8.0, 10.0, 2.0, 4.0]


def test_a_quick_refusal_teaches_no_patience_and_an_answer_all_of_it() -> None:
    patience = AdaptiveTimeout(2.0, 10.0)
    patience.learn(REFUSED, 0.01, 2.0)
    assert (patience.seconds, patience.timed_out) == (2.0, False)
    patience.learn(Throttled("t", "m"), 0.01, 2.0)
    assert patience.seconds == 10.0


def test_a_pool_gives_results_in_order_and_draws_items_in_the_caller_s_thread() -> None:
    drawn_by: set[str] = set()
    done_by: set[str] = set()
    gate = threading.Event()

    def items() -> object:
        for number in range(20):
            drawn_by.add(threading.current_thread().name)
            yield number

    def work(number: int) -> int:
        done_by.add(threading.current_thread().name)
        if number:
            gate.set()
        else:
            assert gate.wait(100), "the second is not under way while the first is"
        return number * number

    pool = Pool(2)
    assert list(pool.map(work, items())) == [number * number for number in range(20)]  # type: ignore[arg-type]
    assert drawn_by == {threading.current_thread().name}
    assert done_by == {"magictel"}
    pool.close()


def test_a_pool_without_work_has_no_threads_and_a_closed_one_works_in_the_caller_s() -> None:
    pool = Pool(4)
    assert pool._threads == []
    assert list(pool.map(lambda item: item, [])) == []
    assert pool._threads == []
    list(pool.map(lambda item: item, range(9)))
    threads = list(pool._threads)
    assert len(threads) == 4
    assert all(thread.daemon for thread in threads)
    pool.close()
    for thread in threads:
        thread.join(100)
        assert not thread.is_alive()
    assert list(pool.map(lambda item: threading.current_thread(), [1])) == [threading.current_thread()]


def test_a_pool_works_where_no_thread_may_start_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", cannot)
    assert list(Pool(3).map(lambda item: item + 1, range(7))) == list(range(1, 8))
