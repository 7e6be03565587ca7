"""`magictel conformance`: what it prints, writes and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magictel.conformance import LAWS
from magictel.reporters.formats import KINDS
from tests.cli.running import Ran, magictel
from tests.reporters.junit_schema import judged

GIVEN = ("json", "junit")
FULL = ("/dev/full",)


def run(*words: str) -> Ran:
    return magictel(*words, folder=Path.cwd())


def test_a_law_that_holds_ends_with_0() -> None:
    done = run("conformance", "elasticsearch", "--law", "retry.throttled", "--law", "split.single")
    assert done.code == 0
    assert "elasticsearch OK: all 2 laws passed" in done.out


def test_the_document_names_every_law_once() -> None:
    done = run("conformance", "file", "--format", "json")
    shown = json.loads(done.out)
    assert done.code == 0
    assert (shown["schema"], shown["outcome"], shown["exporter"]) == ("magictel.conformance/1", "pass", "file")
    assert [law["law"] for law in shown["laws"]] == [law.id for law in LAWS]
    assert set(shown["laws"][0]) == {"law", "sentence", "level", "outcome", "message", "reproduce", "seconds"}
    assert sum(shown["counts"].values()) == len(LAWS)


def test_a_broken_law_ends_with_1_and_says_how_it_is_shown_again(tmp_path: Path) -> None:
    report, junit = tmp_path / "r.json", tmp_path / "r.xml"
    # This emulator never keeps anything.
    done = run(
        *("conformance", "elasticsearch", "--emulator", "tests.conformance.forgetful:Forgetful", "--seed", "3"),
        *("--law", "read-back.true", "--report", f"json={report}", "--report", f"junit={junit}"),
    )
    again = "magictel conformance elasticsearch --emulator tests.conformance.forgetful:Forgetful --law read-back.true --seed 3"
    assert done.code == 1
    assert again in done.out
    (law,) = json.loads(report.read_text())["laws"]
    assert (law["outcome"], law["reproduce"]) == ("broken", again)
    pasted = run(*again.split()[1:], "--format", "json")
    (shown,) = json.loads(pasted.out)["laws"]
    assert (pasted.code, shown["message"]) == (1, law["message"])
    suites = judged(junit)
    assert (suites.get("tests"), suites.get("failures")) == ("1", "1")
    assert suites.find("testsuite/testcase[@name='read-back.true']/failure") is not None


def test_held_and_skipped_laws_are_a_junit_that_the_checker_takes(tmp_path: Path) -> None:
    junit = tmp_path / "r.xml"
    done = run("conformance", "console", "--report", f"junit={junit}", "--report", f"json={tmp_path / 'r.json'}")
    (suite,) = judged(junit)
    shown = json.loads((tmp_path / "r.json").read_text())
    assert done.code == 0
    assert suite.get("tests") == str(len(LAWS))
    assert suite.get("skipped") == str(shown["counts"]["skipped"])
    skipped = {case.get("name"): case.find("skipped") for case in suite}
    (reason,) = {
        finding.get("message")
        for law, finding in skipped.items()
        if law and law.startswith("retry.") and finding is not None
    }
    assert reason == "needs a backend that replies, but its destination sends no replies"


def test_without_a_name_the_laws_are_listed() -> None:
    done = run("conformance")
    assert [line.split()[0] for line in done.out.splitlines()] == [law.id for law in LAWS]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("elastcsearch",), "elasticsearch"),
        (("file", "--law", "life.nothing"), "life.export"),
        (("file", "--report", "json"), "KIND=PATH"),
        (("file", "--report", "pdf=x"), "KIND=PATH"),
        *((("file", "--report", f"{kind}=x"), "reported as json or junit") for kind in KINDS if kind not in GIVEN),
        (("file", "--report", "github"), "reported as json or junit"),
        (("file", "--report", "json=nowhere/x"), "nowhere/x cannot be written: No such file or directory"),
        *((("file", "--report", f"json={full}"), "No space left on device") for full in FULL if Path(full).exists()),
        (("elasticsearch", "--emulator", "nowhere:Nobody"), "MODULE:NAME"),
        (("elasticsearch", "--emulator", "json:dumps"), "accepts clock="),
        (("elasticsearch", "--emulator", "json:__name__"), "accepts clock="),
    ],
)
def test_wrong_words_end_with_2_and_name_what_is_meant(words: tuple[str, ...], message: str) -> None:
    done = run("conformance", *words)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""
    assert len(done.err.splitlines()) <= 3  # the sentence, what to do, where to read on
