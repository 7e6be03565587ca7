"""The outbox on disk: what survives, in which order it is sent, its bounds, and its counts."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from magictel.encoding.payload import Payload
from magictel.model.outcome import Delivered, Fate, ItemVerdict, Outcome, Partial, Rejected, Throttled, Unavailable
from tests.delivery.rig import REFUSED, payload
from tests.delivery.spools import SpoolRig, counts, rows

AWAY = {"retry_budget": 0, "breaker_failures": 99}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "t.spool"


def test_the_next_process_sends_what_one_left(path: Path) -> None:
    first = SpoolRig(path, [REFUSED] * 9, **AWAY)
    receipt = first.export(payload(2, "a"), payload(3, "b"), seconds=0)
    assert (receipt.kept, receipt.dropped) == (5, 0)
    assert first.pipeline.close().dropped == 0
    assert (first.pipeline.ledger.kept, first.pipeline.ledger.balanced) == (5, True)
    second = SpoolRig(path)
    second.export(payload(1, "c"))
    assert second.bodies == [payload(2, "a").body, payload(3, "b").body, payload(1, "c").body]
    ledger = second.pipeline.ledger
    assert (ledger.sent, ledger.delivered, ledger.kept, ledger.balanced) == (6, 6, 0, True)
    assert counts(path) == {"sent": 6, "delivered": 6, "kept": 0}


def test_points_are_on_disk_before_they_are_sent(path: Path) -> None:
    seen = []

    def look(sent: Payload, timeout: float) -> Outcome:
        seen.append(counts(path))
        return Delivered()

    SpoolRig(path, [look, look]).export(payload(2, "a"), payload(3, "b"))
    assert seen == [{"sent": 5, "kept": 5}, {"sent": 5, "delivered": 2, "kept": 3}]


def test_without_a_spool_no_file_is_made_and_a_spool_that_nothing_was_exported_to_makes_none(path: Path) -> None:
    rig = SpoolRig(path)
    rig.deliver(payload(2))
    rig.pipeline.drain(30.0, closing=True)
    rig.pipeline.close()
    assert not path.parent.exists()


def test_only_its_owner_may_read_it(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 9, **AWAY)
    rig.export(payload(2), seconds=0)
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("t.spool", "t.spool-wal", "t.spool-shm", "t.spool.lock"), "0o600")
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_file_is_made_private_and_kept_private(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "chmod", lambda path, mode: None)
        SpoolRig(path).export(payload(2))
        assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    SpoolRig(path).export(payload(2))
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_live_process_stored_is_its_own(path: Path) -> None:
    first = SpoolRig(path, [REFUSED] * 9, **AWAY)
    first.export(payload(2, "a"), seconds=0)
    second = SpoolRig(path)
    second.export(payload(1, "b"))
    assert second.bodies == [payload(1, "b").body]
    first.pipeline.close()
    second.export(payload(1, "c"))
    assert second.bodies[1:] == [payload(2, "a").body, payload(1, "c").body]


def test_what_a_process_was_sending_when_it_ended_may_be_stored(path: Path) -> None:
    def end(sent: Payload, timeout: float) -> Outcome:
        raise KeyboardInterrupt

    first = SpoolRig(path, [end])
    with pytest.raises(KeyboardInterrupt):
        first.export(payload(2, "a"))
    first.spool._owner.release()  # type: ignore[union-attr] # as the kernel does when the process ends
    second = SpoolRig(path)
    second.export()
    assert [(attempt.body, attempt.attempted) for attempt in second.attempts] == [(payload(2, "a").body, True)]
    assert counts(path) == {"sent": 2, "delivered": 2, "repeated": 2, "kept": 0}


def test_pieces_keep_the_place_of_their_payload(path: Path) -> None:
    def some(sent: Payload, timeout: float) -> Outcome:
        busy = ItemVerdict("x.busy", "later")
        return Partial(rejected={0: ItemVerdict("x.bad", "never")}, retry={2: busy, 3: busy})

    rig = SpoolRig(path, [some, REFUSED, REFUSED], in_order=True, **AWAY)
    rig.export(payload(4, "a"), payload(2, "b"), seconds=0)
    assert counts(path) == {"sent": 6, "delivered": 1, "rejected": 1, "kept": 4}
    rig.pipeline.close()
    after = SpoolRig(path, in_order=True)
    after.export()
    assert after.bodies == [payload(4, "a").body[16:], payload(2, "b").body]
    assert counts(path) == {"sent": 6, "delivered": 5, "rejected": 1, "kept": 0}


def test_where_order_matters_the_oldest_of_several_portions_goes_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magictel.delivery.spool._PORTION", (2, 10**9))
    rig = SpoolRig(path, [REFUSED], in_order=True, **AWAY)
    rig.export(*(payload(1, name) for name in "abcde"), seconds=0)
    assert len(rig.attempts) == 1
    rig.clock.pass_time(60)
    rig.export(payload(1, "f"), seconds=5)
    assert rig.bodies[1:] == [payload(1, name).body for name in "abcdef"]


def test_memory_has_one_portion_whatever_is_stored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magictel.delivery.spool._PORTION", (3, 10**9))
    rig = SpoolRig(path, [REFUSED] * 99, **AWAY)
    most = 0
    for number in range(40):
        rig.export(payload(2, f"p{number:02}", size=80), seconds=0)
        most = max(most, len(rig.pipeline.outbox.take()))
        rig.spool._use(lambda db: db.execute("UPDATE payload SET sending = 0"), None)
    assert (most, rig.stored, rig.pipeline.outbox.waiting) == (3, 80, ())


def test_the_oldest_are_dropped_when_the_spool_is_full(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 99, spool_bytes=9_000, **AWAY)
    for name in "abcd":
        rig.export(payload(300, name), seconds=0)
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.kept, ledger.dropped, ledger.balanced) == (1_200, 900, 300, True)
    assert {reason.code for reason in ledger.reasons if reason.fate is Fate.DROPPED} == {"delivery.spool-full"}
    assert counts(path) == {"sent": 1_200, "dropped": 300, "kept": 900}
    assert rows(path, "SELECT id FROM payload ORDER BY place") == [(2,), (3,), (4,)]
    assert sum(size for (size,) in rows(path, "SELECT size FROM payload")) <= 9_000


def test_a_payload_larger_than_the_spool_waits_in_memory(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 99, spool_bytes=2_000, **AWAY)
    rig.export(payload(2, "a"), payload(900, "b"), seconds=0)
    assert (rig.stored, rig.pipeline.outbox.waiting[0].payload.points) == (2, 900)
    assert rig.pipeline.ledger.kept == 902
    assert rig.pipeline.close().dropped == 900
    assert rig.pipeline.ledger.balanced


def test_what_is_stored_for_too_long_is_dropped(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 99, spool_age=100, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    rig.clock.pass_time(60)
    rig.export(payload(3, "b"), seconds=0)
    rig.clock.pass_time(60)
    rig.export(seconds=0)
    ledger = rig.pipeline.ledger
    assert (ledger.kept, ledger.dropped, ledger.balanced) == (3, 2, True)
    assert counts(path) == {"sent": 5, "dropped": 2, "kept": 3}
    assert "delivery.spool-age" in {reason.code for reason in ledger.reasons}


def test_what_was_stored_for_other_settings_waits_and_is_named(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = SpoolRig(path, [REFUSED] * 9, **AWAY)
    first.export(payload(2, "a"), seconds=0)
    first.pipeline.close()
    other = SpoolRig(path, fingerprint="other")
    for _ in range(2):
        other.export(payload(1, "b"))
    assert other.bodies == [payload(1, "b").body] * 2
    (message,) = [record.message for record in caplog.records if "delivery.fingerprint" in record.message]
    assert message.startswith("delivery.fingerprint: 2 points in ")
    assert (other.pipeline.ledger.sent, other.pipeline.ledger.kept) == (2, 0), "the others are not its own"
    other.pipeline.close()
    again = SpoolRig(path)
    again.export()
    assert again.bodies == [payload(2, "a").body]


def test_what_another_process_removes_is_counted_as_dropped(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 9, **AWAY)
    rig.export(payload(2, "a"), payload(3, "b"), seconds=0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM payload WHERE points = 2")
        db.commit()
    rig.export(seconds=0)
    ledger = rig.pipeline.ledger
    assert (ledger.kept, ledger.dropped, ledger.balanced) == (3, 2, True)
    assert {reason.code for reason in ledger.reasons if reason.fate is Fate.DROPPED} == {"delivery.spool-removed"}


def test_why_they_wait_is_stored_without_secrets(path: Path) -> None:
    rig = SpoolRig(path, [Unavailable("x.away", "the key s3cret is wrong")] * 9, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    assert rows(path, "SELECT code, message FROM payload") == [("x.away", "the key *** is wrong")]
    assert all(b"s3cret" not in file.read_bytes() for file in path.parent.iterdir())
    kept = [reason for reason in rig.pipeline.ledger.reasons if reason.fate is Fate.KEPT]
    assert [(reason.code, reason.count) for reason in kept] == [("x.away", 2)]


def test_why_a_piece_waits_is_stored_without_secrets(path: Path) -> None:
    def some(sent: Payload, timeout: float) -> Outcome:
        return Partial(retry={0: ItemVerdict("x.busy", "s3cret is busy")})

    SpoolRig(path, [some, *[REFUSED] * 9], **AWAY).export(payload(2, "a"), seconds=0)
    assert rows(path, "SELECT code, message FROM payload") == [("x.busy", "*** is busy")]
    assert all(b"s3cret" not in file.read_bytes() for file in path.parent.iterdir())


def test_a_payload_that_always_fails_blocks_no_other(path: Path) -> None:
    def poison(sent: Payload, timeout: float) -> Outcome:
        return Unavailable("http.server-error", "500") if sent.body.startswith(b"a") else Delivered()

    rig = SpoolRig(path, [poison] * 999, backoff_initial=0.5)
    for name in "abcdefgh":
        rig.export(payload(1, name))
        rig.clock.pass_time(40)
    assert rig.pipeline.ledger.delivered >= 6
    assert counts(path)["kept"] <= 2


@pytest.mark.parametrize("in_flight", [1, 3])
def test_what_is_rejected_leaves_the_file(path: Path, in_flight: int) -> None:
    rig = SpoolRig(path, [Rejected("x.bad", "never"), Delivered(), Throttled("x.busy", "later")], in_flight=in_flight)
    rig.export(payload(2, "a"), payload(3, "b"), payload(4, "c"), seconds=0)
    fates = counts(path)
    assert (fates["sent"], fates["kept"]) == (9, rig.pipeline.ledger.kept)
    assert fates["delivered"] + fates["rejected"] == 9 - fates["kept"]
    assert {fate for (fate,) in rows(path, "SELECT DISTINCT fate FROM ledger")} == {"sent", "delivered", "rejected"}
    rig.pipeline.close()


def test_the_age_of_what_is_left_of_a_payload_is_that_of_the_payload(path: Path) -> None:
    def some(sent: Payload, timeout: float) -> Outcome:
        return Partial(retry={0: ItemVerdict("x.busy", "later")})

    rig = SpoolRig(path, [REFUSED, some, *[REFUSED] * 9], spool_age=100, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    rig.clock.pass_time(60)
    rig.export(seconds=0)
    assert counts(path) == {"sent": 2, "delivered": 1, "kept": 1}
    rig.clock.pass_time(60)
    rig.export(seconds=0)
    assert counts(path) == {"sent": 2, "delivered": 1, "dropped": 1, "kept": 0}


def test_new_points_have_a_turn_beside_what_waits_under_the_rate_limit(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 99, **AWAY)
    rig.export(*(payload(1, f"o{number:03}") for number in range(60)), seconds=0)
    rig.pipeline.close()
    after = SpoolRig(path, rate_limit=1.0)
    for export in range(3):
        after.export(payload(1, f"n{export}"), end=10.0)
    sent = [body[:4] for body in after.bodies]
    assert [name for name in sent if name.startswith(b"o")] == [b"o%03d" % number for number in range(len(sent) - 3)]
    assert [name for name in sent if name.startswith(b"n")] == [b"n00.", b"n10.", b"n20."]
    assert len(sent) <= after.clock.monotonic() + 2, "the rate limit holds for both"
    assert len(sent) > 9


def test_its_end_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = SpoolRig(path, [REFUSED] * 9, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    with caplog.at_level(logging.INFO, "magictel.spooled"):
        rig.pipeline.close()
    assert caplog.messages == [f"2 points are kept in {path}; the next process sends them"]
