"""`explain` says how to see a finding again without the server that it was met at: each of these commands is run, and shows it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from magictel.catalogue import pages as catalogue
from magictel.cli import commands
from tests.cli.running import magictel

PAGES = [page for code in catalogue.codes() if (page := catalogue.explain(code)) is not None]
HERE = [page for page in PAGES if page.here]
REPRODUCED_BY_THEMSELVES = [page for page in PAGES if page.code.startswith(("sandbox.", "usage."))]
"""A mistake on the command line is seen again by making it."""
EXIT_CODES = {"usage": {2, 78}, "sandbox": {2}}
NEEDS_MORE = {"usage.run", "usage.file-exists", "usage.target-exists", "usage.guard", "usage.emulator", "usage.record"}
"""Their commands need something of the reader's own: a file, a target, a module."""


@pytest.mark.parametrize("page", HERE, ids=lambda page: page.code)
def test_the_command_shows_the_finding(page: catalogue.Page, tmp_path: Path) -> None:
    assert page.here is not None
    words = shlex.split(page.here.removeprefix("$ magictel "))
    ran = magictel(*words, *(["--format", "json"] if words[0] in ("diagnose", "check") else []), folder=tmp_path)
    if words[0] != "diagnose":
        assert re.search(rf"(?<![\w.-]){re.escape(page.code)}(?![\w.-])", ran.out + ran.err), ran
        return
    document: dict[str, Any] = ran.document
    assert page.code in [document["code"], *(alternative["code"] for alternative in document["alternatives"])], document
    assert "***" not in (document["remedy"] or "")
    if document["code"] == page.code:
        assert document["retry"] == (None if page.retry == "unknown" else page.retry)


def test_most_findings_of_an_answer_or_a_connection_can_be_seen_without_a_server() -> None:
    families = ("es.auth", "es.write", "http", "net", "tls", "prom.rw", "mimir", "os")
    families += ("dd.auth", "dd.write", "dd.loss", "dd.query", "nr.auth", "nr.write", "nr.read")
    of_answers = [page for page in PAGES if page.code.startswith(tuple(f"{family}." for family in families))]
    without = {page.code for page in of_answers if not page.here}
    assert len(HERE) >= 165
    assert without == {
        "dd.auth.unknown",  # as the next one
        "es.auth.unknown",  # the ladder's own question, and what it means that it is not answered
        "es.write.unprovable",
        "es.write.warning",  # a header beside a success
        "es.write.tsdb-collision",  # a rule for points of one collection
        "es.write.elsewhere",  # only beside the request: where were the documents sent?
        "os.write.unprovable",
        "http.protocol",  # what has no name cannot be named
        "http.malformed-reply",  # what an exporter's own code trips over; those of this house read whatever comes
        "http.reply-too-large",
        "prom.rw.exponential",  # rules for points, not answers: --dry-run shows them
        "prom.rw.scale",
        "prom.rw.not-2.0",  # only beside the request: which version was sent?
        "prom.rw.exemplars",
        "prom.rw.collision",
        "prom.rw.delta",
        "prom.rw.name",
        "prom.rw.number",
        "prom.rw.buckets",
        "prom.rw.path",  # the ladder's
        "http.write-path",
        "tls.expires-soon",
        "tls.pin-mismatch",
        "tls.unverified",
    }


@pytest.mark.parametrize(
    "page", [page for page in REPRODUCED_BY_THEMSELVES if page.code not in NEEDS_MORE], ids=lambda page: page.code
)
def test_a_mistake_on_the_command_line_is_seen_again(page: catalogue.Page, tmp_path: Path) -> None:
    words = shlex.split(page.again.removeprefix("$ magictel "))
    named = [word.replace("TARGET", "file").replace("EXPORTER", "file").replace("FILE", "@gateway") for word in words]
    if named in (["list"], ["--help"], ["conformance"], ["explain", "--list"]):  # shows what there is, in place of it
        assert magictel(*named, folder=tmp_path).code == 0
        return
    ran = magictel(*named, folder=tmp_path)
    if page.code.startswith("sandbox.") or named[-1] in ("name", "soon", "fast", "ignore"):
        assert ran.code in EXIT_CODES[page.code.partition(".")[0]], ran


def test_every_magictel_line_parses_as_the_command_line_itself_parses_it(tmp_path: Path, monkeypatch: Any) -> None:
    """Types and bounds of values too, not only the names of options."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    by_name = {command.name: command for command in commands.COMMANDS}
    wrong = []
    for page in PAGES:
        for line in page.commands:
            words = shlex.split(line.partition(" # ")[0])
            if words[0] != "magictel" or words[1].startswith("-"):
                continue
            command: Any = commands.load(by_name[words[1]])
            rest = words[2:]
            while getattr(command, "commands", None) and rest and rest[0] in command.commands:
                command, rest = command.commands[rest[0]], rest[1:]
            try:
                command.make_context(words[1], list(rest))
            except SystemExit as ended:  # --help
                if ended.code:
                    wrong.append(f"{page.code}: {line}")
            except Exception as failure:
                if "Exit" not in type(failure).__name__:
                    wrong.append(f"{page.code}: {line}: {failure!r}")
    assert wrong == []
