"""`magictel spool`: what waits on disk is listed, previewed, sent, removed and written to a file."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.exporters.elasticsearch import ElasticsearchExporter, ElasticsearchSettings
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import Faults, parse_faults
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from tests.cli.running import Ran, magictel
from tests.cli.test_list_describe import golden
from tests.delivery.points import collection
from tests.delivery.spools import counts

KEY = "s3cret-Id:s3cret-Key"
FILE = """
[targets.prod-es]
exporter = "elasticsearch"
url = ["{origin}"]
api_key = "{key}"
spool = "spool"

[targets.plain]
exporter = "elasticsearch"
url = ["{origin}"]
"""


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator(), faults=parse_faults("503 forever")).start() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, backend: Server) -> Path:
    (tmp_path / "magictel.toml").write_text(FILE.format(origin=backend.origin, key=KEY))
    return tmp_path


def application(folder: Path, backend: Server, **options: Any) -> ElasticsearchExporter:
    """An application that has exported twelve points in two payloads, in vain."""
    settings = ElasticsearchSettings(
        url=[backend.origin],
        api_key=Secret(KEY),
        spool=str(folder / "spool"),
        retry_budget=0,
        max_batch_points=8,
        **options,
    )
    exporter = ElasticsearchExporter(settings, target="prod-es")
    exporter.export(collection(range(12)))
    return exporter


def spool(folder: Path, *arguments: str) -> Ran:
    ran = magictel("spool", *arguments, folder=folder)
    assert not any(part in ran.out + ran.err for part in KEY.split(":"))
    return ran


def spool_check(folder: Path) -> Ran:
    return magictel("check", "prod-es", "--until", "config", folder=folder)


def shown(text: str) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9200", text)
    return re.sub(r" +(<1|\d+(\.\d+)?) (ms|s|min)\b", " AGE", text)


def test_what_people_see(folder: Path, backend: Server) -> None:
    application(folder, backend).shutdown(0)
    ran = [spool(folder, *words.split()) for words in ("ls", "show prod-es", "show prod-es 2", "purge prod-es 1")]
    assert [(each.code, each.err) for each in ran] == [(0, "")] * 4
    backend.faults = Faults([])
    ran += [spool(folder, *words.split()) for words in ("retry prod-es", "ls prod-es", "show prod-es", "retry prod-es")]
    assert [each.code for each in ran[4:]] == [0] * 4
    golden("spool.txt", shown("\n".join(each.out for each in ran)))


def test_the_document(folder: Path, backend: Server) -> None:
    application(folder, backend).shutdown(0)
    document = spool(folder, "ls", "--format", "json").document
    assert document["schema"] == "magictel.spool/1"
    listed, plain = document["targets"]
    assert (plain["target"], plain["path"], plain["waiting"]) == ("plain", None, [])
    assert (listed["target"], listed["points"], listed["counts"]) == ("prod-es", 12, {"sent": 12})
    assert [(row["number"], row["points"], row["state"]) for row in listed["waiting"]] == [
        (1, 8, "waiting"),
        (2, 4, "waiting"),
    ]
    (target,) = spool(folder, "show", "prod-es", "2", "--format", "json").document["targets"]
    (payload,) = target["payloads"]
    assert (payload["number"], payload["points"], len(payload["items"])) == (2, 4, 4)
    assert '"latency"' in payload["items"][-1]


def test_retry_sends_and_says_what_is_left(folder: Path, backend: Server) -> None:
    application(folder, backend).shutdown(0)
    ran = spool(folder, "retry", "prod-es", "--within", "300ms")
    assert ran.code == 1
    assert "sent 12 points: 12 kept" in ran.out
    backend.faults = Faults([])
    (target,) = spool(folder, "retry", "prod-es", "--format", "json").document["targets"]
    assert target["receipt"]["delivered"] == 12
    assert counts(folder / "spool" / "prod-es.spool") == {"sent": 12, "delivered": 12, "kept": 0}
    assert isinstance(backend.emulator, ElasticsearchEmulator)
    assert len(backend.emulator.documents()) == 12


def test_a_running_process_sends_its_own(folder: Path, backend: Server) -> None:
    exporter = application(folder, backend)
    assert "a running process sends them" in spool(folder, "ls", "prod-es").out
    backend.faults = Faults([])
    ran = spool(folder, "retry", "prod-es")
    assert (ran.code, ran.last) == (
        0, "  12 points not sent: they belong to a running process, or were stored for other settings",
    )  # fmt: skip
    assert exporter.force_flush()
    exporter.shutdown()


def test_purge_is_shown_first_and_counts(folder: Path, backend: Server) -> None:
    exporter = application(folder, backend)
    assert spool(folder, "purge", "prod-es").last == "  would remove 12 points in 2 payloads (add --apply)"
    assert spool(folder, "purge", "prod-es", "2", "--apply").last == "  removed 4 points; they count as dropped"
    exporter.export(collection(()))
    ledger = exporter.ledger
    assert (ledger.kept, ledger.dropped, ledger.balanced) == (8, 4, True)
    assert spool(folder, "purge", "prod-es", "--apply").code == 0
    assert counts(folder / "spool" / "prod-es.spool") == {"sent": 12, "dropped": 12, "kept": 0}
    exporter.shutdown(0)


def test_export_writes_all_of_it_for_its_user_only(folder: Path, backend: Server) -> None:
    application(folder, backend).shutdown(0)
    ran = spool(folder, "export", "prod-es", "points.jsonl")
    assert (ran.code, ran.last) == (0, "  wrote 2 payloads with 12 points to points.jsonl")
    path = folder / "points.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["points"] for line in lines] == [8, 4]
    assert b"".join(b64decode(line["body"]) for line in lines).count(b'"create"') == 12
    piped = spool(folder, "export", "prod-es", "-")
    assert piped.out == path.read_text()
    assert spool(folder, "export", "prod-es", "points.jsonl").code == 2
    assert spool(folder, "ls", "prod-es").out.count("12 points") == 2


def test_other_settings_are_named(folder: Path, backend: Server) -> None:
    application(folder, backend, index="elsewhere").shutdown(0)
    out = spool(folder, "ls", "prod-es").out
    assert "12 points  delivery.fingerprint: stored for other settings" in out
    out = spool(folder, "retry", "prod-es").out
    assert "nothing to send" in out
    assert "12 points not sent" in out


@pytest.mark.parametrize("command", ["ls", "show", "retry", "purge", "purge --apply", "export -"])
def test_a_spool_that_is_not_there(folder: Path, command: str) -> None:
    word, *more = command.split()
    assert spool(folder, word, "prod-es", *more).code == 0
    assert not (folder / "spool").exists() or word == "retry"
    ran = spool(folder, word, "plain", *more)
    assert (ran.code, ran.last) == (0, "  no spool: points wait in memory (set spool to a directory)")


def test_a_spool_that_cannot_be_read(folder: Path, backend: Server) -> None:
    (folder / "spool").write_text("a file")
    ran = spool(folder, "ls", "prod-es")
    assert ran.code == 1
    assert "more:  magictel explain delivery.spool-unwritable" in ran.out
    assert "delivery.spool-unwritable" in spool_check(folder).out
    (folder / "spool").unlink()
    application(folder, backend).shutdown(0)
    file = folder / "spool" / "prod-es.spool"
    file.write_bytes(b"no database " * 900)
    ran = spool(folder, "ls", "prod-es")
    assert ran.code == 1
    assert "more:  magictel explain delivery.spool-corrupt" in ran.out
    assert file.exists(), "to look does not rename it"
    checked = spool_check(folder)
    assert "delivery.spool-corrupt" in checked.out


def test_check_warns_of_points_that_were_stored_for_other_settings(folder: Path, backend: Server) -> None:
    assert "delivery.fingerprint" not in spool_check(folder).out
    application(folder, backend, index="elsewhere").shutdown(0)
    checked = spool_check(folder)
    assert checked.code == 0
    assert "delivery.fingerprint" in checked.out
    assert "12 points in spool/prod-es.spool were stored for other settings" in checked.out
    assert magictel("check", "prod-es", "--until", "config", "--strict", folder=folder).code == 3
    assert counts(folder / "spool" / "prod-es.spool") == {"sent": 12, "kept": 12}


def test_a_payload_that_is_not_there(folder: Path, backend: Server) -> None:
    application(folder, backend).shutdown(0)
    for words in ("show prod-es 9", "purge prod-es 9", "purge prod-es 9 --apply"):
        ran = spool(folder, *words.split())
        assert ran.code == 2
        assert "the spool of prod-es has no payload 9" in ran.err
