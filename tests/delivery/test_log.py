"""What an operator reads: the first failure at once, one summary a minute, the recovery with the ledger."""

from __future__ import annotations

import logging

import pytest

from magictel.delivery.log import DeliveryLog
from magictel.model.outcome import Fate, Reason, Receipt
from tests.fake_clock import FakeClock


class Desk:
    """A log on a fake clock: `ok`, `lose` and `keep` are exports of ten points, ten seconds apart."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "magictel.prod-es")
        self.caplog = caplog
        self.clock = FakeClock()
        self.log = DeliveryLog(logging.getLogger("magictel.prod-es"), self.clock)
        self.ledger = Receipt()
        self.kept = 0

    def ok(self, times: int = 1) -> None:
        for _ in range(times):
            self._export(Receipt(sent=10, delivered=10 + self.kept), 0)

    def lose(self, times: int = 1, count: int = 3) -> None:
        for _ in range(times):
            why = Reason("es.write.mapping-type", "no such\ntype", count, Fate.REJECTED)
            self._export(Receipt(sent=10, delivered=10 - count, rejected=count, reasons=(why,)), self.kept)

    def keep(self, times: int = 1) -> None:
        for _ in range(times):
            self._export(Receipt(sent=10), self.kept + 10)

    def _export(self, new: Receipt, kept: int) -> None:
        from msgspec.structs import replace

        self.ledger = replace(self.ledger + new, kept=kept)
        self.kept = kept
        open_now = (Reason("net.tcp.refused", "nobody listens", kept, Fate.KEPT),) if kept else ()
        self.log.exported(replace(self.ledger, reasons=self.ledger.reasons + open_now))
        self.clock.pass_time(10)

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self.caplog.records]


@pytest.fixture
def desk(caplog: pytest.LogCaptureFixture) -> Desk:
    return Desk(caplog)


def test_nothing_is_said_while_all_is_well(desk: Desk) -> None:
    desk.ok(100)
    assert desk.lines == []


def test_the_first_failure_is_told_at_once_in_one_line(desk: Desk) -> None:
    desk.ok(2)
    desk.lose()
    assert desk.lines == [
        (
            "ERROR",
            "sent 30, delivered 27, rejected 3; 3 rejected: es.write.mapping-type: no such type",
        )
    ]


def test_points_that_wait_are_a_warning_and_not_an_error(desk: Desk) -> None:
    desk.keep()
    assert desk.lines == [("WARNING", "sent 10, delivered 0, kept 10; 10 kept: net.tcp.refused: nobody listens")]


def test_then_one_summary_a_minute(desk: Desk) -> None:
    desk.lose(19)
    assert len(desk.lines) == 4, "at 0, 60, 120 and 180 seconds"
    assert desk.lines[1][1].startswith("sent 60, delivered 42, rejected 18; 18 rejected: es.write.mapping-type")
    assert all(record.name == "magictel.prod-es" for record in desk.caplog.records)


def test_recovery_is_told_with_the_ledger(desk: Desk) -> None:
    desk.keep(3)
    desk.ok(5)
    assert [level for level, _ in desk.lines] == ["WARNING", "WARNING"]
    assert desk.lines[1][1] == "delivering again; in all: sent 40, delivered 40"


def test_a_backend_that_comes_and_goes_is_told_once_a_minute_and_nothing_is_forgotten(desk: Desk) -> None:
    for _ in range(9):
        desk.lose()
        desk.ok()
    errors = [line for level, line in desk.lines if level == "ERROR"]
    assert len(errors) == 3, "at 0, 60 and 120 seconds"
    assert len(desk.lines) <= 6
    reported = sum(int(error.split("; ")[1].split(" ")[0]) for error in errors)
    assert reported + 3 * 3 >= 27 - 9, "what the recoveries told in all is not told again"
    desk.clock.pass_time(60)
    desk.ok()
    assert desk.lines[-1][1].count("rejected") or "in all" in desk.lines[-1][1]


def test_the_end_names_what_was_left(desk: Desk) -> None:
    left = Receipt(
        dropped=4, reasons=(Reason("net.tcp.refused", "nobody listens", 4, Fate.DROPPED, maybe_stored=True),)
    )
    desk.log.ended(Receipt(sent=9, delivered=5, dropped=4), left)
    assert desk.lines == [
        (
            "ERROR",
            "shut down with undelivered points; 4 dropped: net.tcp.refused: nobody listens (may have been stored)",
        ),
        ("INFO", "shut down; in all: sent 9, delivered 5, dropped 4"),
    ]


def test_exports_after_shutdown_are_told_once(desk: Desk) -> None:
    for _ in range(3):
        desk.log.after_shutdown(Receipt(sent=2, dropped=2))
    assert [line for _, line in desk.lines] == ["delivery.shutdown: 2 points exported after shutdown were dropped"]
