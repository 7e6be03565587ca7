"""Points that were lost before they were encoded are given up as well, by their positions, each once."""

from __future__ import annotations

from typing import Any

import pytest

from magictel.encoding.payload import Payload
from magictel.encoding.withheld import Withheld
from magictel.http.wire import Reply, Request
from magictel.model.metrics import Kind, Point, Series
from tests.encoding.cumulative import Source
from tests.fake_transport import FakeTransport
from tests.interface.test_deltas import Adder, AdderEncoder, AdderSettings, collected

POINTS = 9
SOURCES = [Source({"n": number}, Kind.SUM, 1) for number in range(POINTS)]
BATCH_POINTS = 2


class ListeningEncoder(AdderEncoder):
    """Has a rule that leaves out point 5, and, where asked for, a bug at point 3."""

    exporter: Listening

    def encode(self, series: Series, point: Point) -> bytes | Withheld:  # type: ignore[override]
        if series.attributes["n"] == 5:
            return Withheld("adder.five", "a backend that cannot count to five", series.stream.name)
        if self.exporter.has_bug and series.attributes["n"] == 3:
            raise ValueError("a bug")
        return super().encode(series, point)

    def given_up(self, payload: Payload) -> None:
        self.exporter.gone.append(payload)


class Listening(Adder):
    Encoder = ListeningEncoder
    temporalities = ("cumulative", "delta")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.has_bug = False
        self.gone: list[Payload] = []
        super().__init__(*arguments, **options)

    def positions(self) -> list[tuple[int, int, bool]]:
        """Return batch, position and `attempted` of each point that was given up."""
        return sorted((payload.batch, at, payload.attempted) for payload in self.gone for at in payload.positions)


def listening(interrupt_at: int = 0) -> Listening:
    """Its backend takes everything but the request that is interrupted."""

    def answer(request: Request) -> Reply:
        if len(backend.requests) == interrupt_at:
            raise KeyboardInterrupt
        return Reply(204)

    backend = FakeTransport(answer)
    settings = AdderSettings(max_batch_points=BATCH_POINTS, compression="none")
    return Listening(settings, transport=backend)


def test_nothing_is_given_up_where_everything_arrives() -> None:
    exporter = listening()
    receipt = exporter.deliver(collected(SOURCES, 1))
    assert (receipt.delivered, receipt.withheld) == (POINTS - 1, 1)
    assert exporter.gone == []


def test_what_a_bug_in_encode_costs_is_given_up_and_not_stored() -> None:
    exporter = listening()
    exporter.has_bug = True
    receipt = exporter.deliver(collected(SOURCES, 1))
    assert receipt.dropped == POINTS - receipt.delivered
    assert exporter.positions() == [(1, at, False) for at in range(receipt.delivered, POINTS)]
    exporter.gone.clear()
    receipt = exporter.deliver(collected(SOURCES, 2))  # carefully: the bug costs its own point only
    assert (receipt.dropped, receipt.withheld) == (1, 1)
    assert exporter.positions() == [(2, 3, False)]


def test_what_was_not_encoded_at_an_interrupt_is_given_up_and_not_stored() -> None:
    exporter = listening(interrupt_at=2)
    with pytest.raises(KeyboardInterrupt):
        exporter.deliver(collected(SOURCES, 1))
    perhaps_stored = [(1, at, True) for at in (2, 3)]
    assert exporter.positions() == [*perhaps_stored, *((1, at, False) for at in (4, 6, 7, 8))]
    assert exporter.ledger.balanced
    assert exporter.ledger.dropped == 6


def test_a_collection_prepared_for_an_exporter_that_is_shut_down_is_given_up() -> None:
    exporter = listening()
    prepared = exporter.prepare(collected(SOURCES, 1))
    exporter.shutdown(0)
    assert exporter.deliver(prepared).dropped == POINTS
    assert exporter.positions() == [(1, at, False) for at in range(POINTS)]
