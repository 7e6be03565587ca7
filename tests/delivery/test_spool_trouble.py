"""A spool that cannot be used: the application goes on, points wait in memory, and the code says why."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from magictel.delivery import spool_file
from magictel.delivery.spool import spool_path
from magictel.delivery.spool_contents import contents, stored
from magictel.delivery.spool_file import SpoolError
from magictel.delivery.spool_owner import lives
from magictel.encoding.payload import Payload
from magictel.model.outcome import Delivered, Fate, ItemVerdict, Outcome, Partial
from tests.delivery.rig import REFUSED, payload
from tests.delivery.spools import SpoolRig, counts, rows

AWAY = {"retry_budget": 0, "breaker_failures": 99}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.spool"


@pytest.fixture
def pragma(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make SQLite itself fail as with a full disk or a read-only one."""
    connect = spool_file._connect

    def use(statement: str) -> None:
        def limited(path: Path) -> sqlite3.Connection:
            db = connect(path)
            db.execute(statement)
            return db

        monkeypatch.setattr(spool_file, "_connect", limited)

    return use


@pytest.mark.parametrize(
    ("statement", "code"),
    [("PRAGMA max_page_count = 1", "delivery.spool-disk-full"), ("PRAGMA query_only = 1", "delivery.spool-unwritable")],
)
def test_a_disk_that_is_full_or_read_only(
    path: Path, pragma: Callable[[str], None], caplog: pytest.LogCaptureFixture, statement: str, code: str
) -> None:
    rig = SpoolRig(path, [REFUSED] * 8, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    rig.spool._file.close()
    pragma(statement)
    for _ in range(2):
        rig.export(payload(1, "s"), payload(4_000, "b"), seconds=0)
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.kept, ledger.dropped, ledger.balanced) == (8_004, 8_004, 0, True)
    waiting = [pending.payload.points for pending in rig.pipeline.outbox.waiting]
    assert [points for points in waiting if points > 1] == [4_000, 4_000]
    (message,) = [record.message for record in caplog.records if code in record.message]
    assert message.endswith("; points wait in memory")
    pragma("PRAGMA max_page_count = 100000")
    rig.spool._file.close()
    rig.clock.pass_time(60)
    rig.export(payload(1, "c"))
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.delivered, ledger.balanced) == (8_005, 8_005, True)
    assert rig.stored == 0


def test_what_waits_in_memory_is_stored_as_soon_as_the_file_can_be_used(
    path: Path, pragma: Callable[[str], None]
) -> None:
    rig = SpoolRig(path, [REFUSED] * 9, **AWAY)
    pragma("PRAGMA query_only = 1")
    rig.export(payload(2, "a"), seconds=0)
    assert rig.pipeline.ledger.kept == 2
    pragma("PRAGMA query_only = 0")
    rig.spool._file.close()
    assert rig.pipeline.close().dropped == 0
    assert counts(path) == {"sent": 2, "kept": 2}


def test_what_is_left_of_a_payload_is_sent_when_the_file_could_not_record_it(
    path: Path, pragma: Callable[[str], None]
) -> None:
    def fill_up(sent: Payload, timeout: float) -> Outcome:
        pragma("PRAGMA query_only = 1")
        rig.spool._file.close()
        return Partial(retry={1: ItemVerdict("x.busy", "later")})

    rig = SpoolRig(path, [fill_up, REFUSED, REFUSED], **AWAY)
    assert rig.export(payload(2, "a"), seconds=0).kept == 1
    pragma("PRAGMA query_only = 0")
    rig.spool._file.close()
    rig.clock.pass_time(60)
    rig.export(seconds=5)
    assert rig.bodies[-1] == payload(2, "a").body[8:]
    assert (rig.pipeline.ledger.delivered, rig.pipeline.ledger.balanced) == (2, True)
    assert counts(path)["kept"] == 0


def test_order_is_kept_across_a_time_when_the_file_could_not_be_used(path: Path, pragma: Callable[[str], None]) -> None:
    rig = SpoolRig(path, [REFUSED] * 3, in_order=True, **AWAY)
    rig.export(payload(1, "a"), seconds=0)
    pragma("PRAGMA query_only = 1")
    rig.spool._file.close()
    for name in "bc":
        rig.export(payload(1, name), seconds=0)
    assert [pending.payload.body[:1] for pending in rig.pipeline.outbox.waiting] == [b"b", b"c"]
    pragma("PRAGMA query_only = 0")
    rig.spool._file.close()
    rig.clock.pass_time(60)
    rig.export(payload(1, "d"), seconds=5)
    assert [body[:1] for body in rig.bodies[3:]] == [b"a", b"b", b"c", b"d"]
    assert counts(path) == {"sent": 4, "delivered": 4, "kept": 0}


def test_what_was_delivered_is_not_sent_again_when_the_file_could_not_record_it(
    path: Path, pragma: Callable[[str], None]
) -> None:
    def fill_up(sent: Payload, timeout: float) -> Outcome:
        pragma("PRAGMA query_only = 1")
        rig.spool._file.close()
        return Delivered()

    rig = SpoolRig(path, [fill_up])
    assert rig.export(payload(2, "a")).delivered == 2
    pragma("PRAGMA query_only = 0")
    assert counts(path)["kept"] == 2
    rig.spool._file.close()
    rig.export(payload(1, "b"))
    assert rig.bodies == [payload(2, "a").body, payload(1, "b").body]
    assert counts(path) == {"sent": 3, "delivered": 3, "kept": 0}


@pytest.mark.parametrize(
    "damage", [lambda old: b"no database at all " * 400, lambda old: old[:100] + b"\xff" * (len(old) - 100)]
)
def test_a_corrupt_file_is_renamed_and_a_new_one_begun(
    path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    first = SpoolRig(path, [REFUSED] * 9, **AWAY)
    first.export(payload(2, "a"), seconds=0)
    first.pipeline.close()
    corrupt = damage(path.read_bytes())
    path.write_bytes(corrupt)
    rig = SpoolRig(path, [REFUSED] * 9, **AWAY)
    rig.export(payload(3, "b"), seconds=0)
    assert rig.pipeline.ledger.kept == 3
    assert any(record.message.startswith("delivery.spool-corrupt: ") for record in caplog.records)
    assert path.with_name("t.spool.corrupt").read_bytes() == corrupt
    rig.export(payload(1, "c"), seconds=0)
    assert counts(path)["kept"] >= 1
    rig.pipeline.close()
    assert counts(path) == {"sent": 4, "kept": 4}


def test_bytes_that_do_not_match_their_checksum_are_dropped_and_counted(path: Path) -> None:
    first = SpoolRig(path, [REFUSED] * 9, **AWAY)
    first.export(payload(2, "a"), payload(3, "b"), seconds=0)
    first.pipeline.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE body SET bytes = ? WHERE id = 1", (payload(2, "x").body,))
        db.commit()
    rig = SpoolRig(path)
    rig.export(payload(1, "c"))
    assert rig.bodies == [payload(3, "b").body, payload(1, "c").body]
    rig.export()
    ledger = rig.pipeline.ledger
    assert (ledger.delivered, ledger.dropped, ledger.balanced) == (4, 2, True)
    assert {reason.code for reason in ledger.reasons if reason.fate is Fate.DROPPED} == {"delivery.spool-corrupt"}
    assert rows(path, "SELECT points FROM ledger WHERE code = 'delivery.spool-corrupt'") == [(2,)]


def test_a_file_of_another_format_is_left_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    rig = SpoolRig(path, [REFUSED] * 9, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    assert rig.pipeline.ledger.kept == 2
    assert any("delivery.spool-format" in record.message for record in caplog.records)
    assert path.read_bytes() == before


def test_a_directory_that_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    rig = SpoolRig(tmp_path / "file" / "t.spool", [REFUSED] * 9, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    assert rig.pipeline.ledger.kept == 2
    assert any("delivery.spool-unwritable" in record.message for record in caplog.records)
    assert rig.pipeline.close().dropped == 2


def test_a_file_that_another_process_locks(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool_file, "_BUSY", 0.01)
    rig = SpoolRig(path)
    rig.export()
    rig.spool._file.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert rig.export(payload(2, "a")).delivered == 2
    assert any("delivery.spool-busy" in record.message for record in caplog.records)
    rig.export(payload(2, "b"))
    assert counts(path) == {"sent": 2, "delivered": 2, "kept": 0}


def test_a_file_that_is_removed_is_made_anew(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 9, **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    for file in path.parent.glob("t.spool*"):
        if file.suffix != ".lock":
            file.unlink()
    rig.export(payload(3, "b"), seconds=0)
    ledger = rig.pipeline.ledger
    assert (ledger.kept, ledger.dropped, ledger.balanced) == (3, 2, True)
    assert counts(path) == {"sent": 3, "kept": 3}


@pytest.mark.parametrize("kind", ["link", "link to nothing", "directory"])
def test_what_is_no_regular_file_is_not_touched(path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    other = path.with_name("other")
    if kind == "link":
        other.write_text("of another program")
        other.chmod(0o644)
    if kind == "directory":
        path.mkdir(mode=0o755)
    else:
        path.symlink_to(other)
    before = path.lstat().st_mode
    rig = SpoolRig(path, [REFUSED], **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    assert rig.pipeline.ledger.kept == 2
    assert f"delivery.spool-unwritable: {path} is not a regular file; points wait in memory" in caplog.text
    with pytest.raises(SpoolError, match="not a regular file"):
        contents(path, "f")
    assert path.lstat().st_mode == before
    assert other.exists() is (kind == "link")
    if kind == "link":
        assert (other.read_text(), other.stat().st_mode & 0o777) == ("of another program", 0o644)


def test_a_lock_file_that_is_a_link_is_not_followed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = path.with_name("other")
    path.with_name("t.spool.lock").symlink_to(other)
    rig = SpoolRig(path, [REFUSED], **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    assert (rig.pipeline.ledger.kept, other.exists()) == (2, False)
    assert "delivery.spool-unwritable" in caplog.text


def test_a_directory_that_cannot_be_read_is_trouble(path: Path) -> None:
    path.parent.joinpath("file").touch()
    with pytest.raises(SpoolError) as raised:
        contents(path.parent / "file" / "t.spool", "f")
    assert raised.value.code == "delivery.spool-unwritable"


def test_a_home_directory_that_is_unknown_is_no_error() -> None:
    assert str(spool_path("~nobody-has-this-name/x", "t")) == "~nobody-has-this-name/x/t.spool"


_OWNER = """
import sys
from pathlib import Path
from magictel.delivery.spool_owner import Owner

owner = Owner(Path(sys.argv[1]))
print(owner.number, flush=True)
for _ in sys.stdin:
    owner.renew()
    print("renewed", flush=True)
"""


def test_an_owner_lives_although_its_file_was_removed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        number = int(process.stdout.readline())
        assert lives(path, number)
        path.unlink()
        print("renew", file=process.stdin, flush=True)
        assert process.stdout.readline() == "renewed\n"
        assert lives(path, number)
        process.stdin.close()
        process.wait()
    assert not lives(path, number)


def test_a_process_locks_its_owners_in_a_new_file(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED] * 2, **AWAY)
    rig.export(payload(1, "a"), seconds=0)
    locks = path.with_name("t.spool.lock")
    locks.unlink()
    rig.export(payload(1, "b"), seconds=0)
    assert locks.exists()


_LIMITED = """
import resource, sys
from pathlib import Path
from magictel.delivery.spool_file import SpoolError, SpoolFile

resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    with SpoolFile(Path(sys.argv[1])).transaction():
        pass
except SpoolError as trouble:
    print(trouble.code)
"""


def test_a_file_that_cannot_be_created_for_want_of_room_leaves_nothing(path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout == "delivery.spool-unwritable\n"
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        "document = '[]'",
        "document = json_set(document, '$.runs', 5)",
        "document = json_set(document, '$.at', 5)",
        "document = json_set(document, '$.points', 'many')",
        "document = json_remove(document, '$.points')",
        "bytes = 'text'",
    ],
)
def test_a_payload_whose_description_is_damaged_is_dropped_and_named(path: Path, damage: str) -> None:
    rig = SpoolRig(path, [REFUSED], **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE body SET {damage}")
        db.commit()
    with pytest.raises(ValueError, match=r"damaged|checksum"):
        list(stored(path))
    assert rig.spool.take() == []
    assert counts(path)["dropped"] == 2


def test_a_damaged_payload_is_in_the_ledger_of_the_export_that_found_it(path: Path) -> None:
    rig = SpoolRig(path, [REFUSED], **AWAY)
    rig.export(payload(2, "a"), seconds=0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE body SET document = '[]'")
        db.commit()
    rig.export(payload(3, "b"), seconds=0)
    ledger = rig.pipeline.ledger
    assert (ledger.sent, ledger.dropped, ledger.balanced) == (5, 2, True)
