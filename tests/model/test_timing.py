"""What a stopwatch adds up, on a clock that only moves when it is told to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from magictel.model.observer import Observer, Observers
from magictel.model.timing import Stopwatch, Timing, Tuning, Waits
from magictel.reporters.timing import advice


class Hand:
    """A clock's hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def turn(self, seconds: float) -> None:
        self.at += seconds


def test_making_items_counts_and_using_them_does_not() -> None:
    hand = Hand()
    watch = Stopwatch(hand)

    def items() -> Iterator[int]:
        for number in range(3):
            hand.turn(1)
            yield number

    for _ in Observers(watch).each_encoded(items()):
        hand.turn(10)
    assert watch.timing(33, None).encode == 3
    watch.requested()
    with watch.step("compress"):
        pass
    watch.listener()("connection.connect_tcp.started", {})
    assert watch.timing(33, None).payloads == 3


def test_a_delivery_is_taken_apart_into_its_steps() -> None:
    hand = Hand()
    watch = Stopwatch(hand)
    watch.requested()
    with watch.step("compress"):
        hand.turn(2)
    hear = watch.listener()
    for name, seconds in [
        ("connection.connect_tcp.started", 3),
        ("connection.connect_tcp.complete", 0),
        ("connection.start_tls.started", 4),
        ("connection.start_tls.complete", 0),
        ("http11.send_request_headers.started", 1),
        ("http11.send_request_body.started", 5),
        ("http11.receive_response_headers.complete", 2),
        ("http11.response_closed.complete", 100),
    ]:
        hear(name, {})
        hand.turn(seconds)
    assert watch.timing(30, 7.0) == Timing(
        0.0, compress=2, queue=30 - 2 - 15, connect=7, first_byte=6, visible=7.0, requests=1, connections=1
    )


def test_a_kept_connection_and_a_failed_one_are_told_apart() -> None:
    hand = Hand()
    watch = Stopwatch(hand)
    for names in (["connect_tcp.started", "connect_tcp.failed"], ["send_request_headers.started"]):
        watch.requested()
        with watch.step("compress"):
            pass
        hear = watch.listener()
        for name in names:
            hear(f"connection.{name}", {})
            hand.turn(2)
    timing = watch.timing(6, None)
    assert (timing.requests, timing.connections, timing.connect, timing.first_byte) == (2, 1, 2, 0)


def test_where_no_request_is_made_there_are_no_steps_of_one() -> None:
    assert Stopwatch(Hand()).timing(1, None) == Timing(0.0)
    assert Timing(0.5).steps() == [("encode", 0.5)]


@pytest.mark.parametrize(
    ("timing", "message"),
    [
        (Timing(0.9, 0.0, 0.0, 0.0, 0.1, None, 1, 1), "encode is 90 % of 1.0 s: the first collection"),
        (Timing(0.0, 0.9, 0.0, 0.0, 0.1, None, 1, 1), "--set compression=none saves this"),
        (
            Timing(0.0, 0.9, 0.0, 0.0, 0.1, None, 1, 1, tuning=Tuning(9, 9, 9, compression="snappy")),
            "the protocol requires it: only fewer points",
        ),
        (
            Timing(0.0, 0.0, 0.9, 0.0, 0.1, None, 3, 1, Waits(limited=0.8), Tuning(9, 3, 9, rate_limit=0.5)),
            "rate_limit = 0.5 made 3 requests wait 0.8 s: --set max_batch_points=9 sends 1 request instead of 3; or --set rate_limit=1 ",
        ),
        (
            Timing(0.0, 0.0, 2.0, 0.0, 0.1, None, 4, 1, Waits(throttled=1.9, refusals=2, code="a.b"), Tuning(9, 9, 9)),
            "throttled requests 2 times (a.b), and the requested pauses took 1.9 s: --set rate_limit=0.65 sends",
        ),
        (
            Timing(0.0, 0.0, 2.0, 0.0, 0.1, None, 2, 1, Waits(away=1.9, refusals=1, code="a.b")),
            "failed or was unreachable 1 time (a.b), and the backoff took 1.9 s: magictel explain a.b",
        ),
        (
            Timing(0.0, 0.0, 0.9, 0.0, 0.1, None, 3, 1),
            "nothing had to wait: this is magictel's own work for 3 requests",
        ),
        (Timing(0.0, 0.0, 0.9, 0.0, 0.1, None, 1, 1), "nothing had to wait"),
        (Timing(0.0, 0.0, 0.0, 0.9, 0.1, None, 1, 1), "1 connection for 1 request"),
        (Timing(0.0, 0.0, 0.0, 0.9, 0.1, None, 5, 5), "5 connections for 5 requests: the backend, or a proxy"),
        (
            Timing(0.0, 0.0, 0.0, 0.9, 0.1, None, 5, 5, tuning=Tuning(9, 9, 9, in_flight=8)),
            "5 connections for 5 requests; a running application opens them once",
        ),
        (Timing(0.0, 0.0, 0.0, 0.1, 0.9, None, 7, 1), "7 round trips of 0.1 s"),
        (
            Timing(0.0, 0.0, 0.0, 0.1, 0.9, None, 7, 1, tuning=Tuning(7000, 1000, 5_000_000)),
            "--set max_batch_points=7000 sends 1 request instead of 7; --set in_flight=4 sends 4 in parallel",
        ),
        (
            Timing(0.0, 0.0, 0.0, 0.1, 9.0, None, 7, 1, tuning=Tuning(7000, 1000, 5_000_000)),
            "7 round trips of 1.3 s: --set in_flight=4 sends 4 in parallel",
        ),
        (
            Timing(0.0, 0.0, 0.0, 0.1, 9.0, None, 7, 1, tuning=Tuning(35, 5, 5_000_000, in_order=True)),
            "7 round trips of 1.3 s: --set max_batch_points=35 sends 1 request instead of 7",
        ),
        (
            Timing(0.0, 0.0, 0.0, 0.1, 0.9, None, 7, 1, tuning=Tuning(7000, 5000, 100, in_order=True)),
            "--set max_batch_bytes=200 sends fewer requests",
        ),
        (Timing(0.0, 0.0, 0.0, 0.1, 0.9, None, 1, 1), "one round trip"),
        (
            Timing(0.0, 0.0, 0.0, 0.1, 0.3, 9.0, 1, 1),
            "Sending took 0.4 s; first byte is 75 % of 0.4 s: one round trip",
        ),
        (Timing(0.0), "encode is 0 % of <1 ms"),
    ],
)
def test_the_advice_names_what_dominates_and_what_to_change(timing: Timing, message: str) -> None:
    assert message in advice(timing)


def test_observers_come_and_go_and_two_get_the_same() -> None:
    hand = Hand()
    watches = [Stopwatch(hand), Stopwatch(hand)]
    observers = Observers(Observer(), *watches)

    def deliver() -> None:
        for _ in observers.each_encoded([1]):
            observers.requested()
            with observers.step("compress"):
                hand.turn(1)
            listener = observers.listener()
            assert listener is not None
            listener("connection.connect_tcp.started", {})

    deliver()
    observers.remove(watches[1])
    deliver()
    assert [(watch.timing(9, None).requests, watch.timing(9, None).compress) for watch in watches] == [(2, 2), (1, 1)]
    observers.reset(Observer())
    assert observers.listener() is None
    assert observers.each_encoded([1]) == [1], "observers of whole exports cost nothing here"


def test_an_observer_is_called_for_payloads_whichever_of_the_methods_it_overrides() -> None:
    class Counter(Observer):
        payloads = 0

        def encoded(self) -> None:
            self.payloads += 1

    class Requests(Observer):
        count = 0

        def requested(self) -> None:
            self.count += 1

    counter, requests = Counter(), Requests()
    observers = Observers(counter, requests)
    assert list(observers.each_encoded([1, 2])) == [1, 2]
    observers.requested()
    assert (counter.payloads, requests.count) == (2, 1)
