"""TAP 13, read by a parser of our own and, where Perl's is at hand, by `prove`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.reporters.cases import CASES
from tests.reporters.reporting import failed, nasty_check, nasty_send, report

GRAMMAR = re.compile(r"(not )?ok (\d+) - ((?:\\.|[^#\\])*?)(?: # (SKIP) (.*))?")


@dataclass
class Line:
    ok: bool
    name: str
    skipped: bool
    details: dict[str, str] = field(default_factory=dict)


def parsed(text: str) -> list[Line]:
    """By the specification's grammar: version, plan, then test lines, each with at most one YAML block."""
    version, plan, *lines = text.removesuffix("\n").split("\n")
    assert version == "TAP version 13"
    tests: list[Line] = []
    inside = False
    for line in lines:
        if inside:
            inside = line != "  ..."
            key, _, value = line.strip().partition(": ")
            if value.startswith('"'):
                tests[-1].details[key] = json.loads(value)
            continue
        if line == "  ---":
            inside = True
            continue
        match = GRAMMAR.fullmatch(line)
        assert match, line
        tests.append(Line(not match[1], match[3], bool(match[4])))
        assert int(match[2]) == len(tests)
    assert not inside
    assert plan == f"1..{len(tests)}"
    return tests


@pytest.mark.parametrize("case", CASES)
def test_every_report_is_tap(case: str) -> None:
    assert parsed(report("tap", CASES[case])[0])


def test_a_failed_rung_is_not_ok_what_it_blocks_is_skipped_and_a_warning_is_ok() -> None:
    tests = parsed(report("tap", CASES["check-several"])[0])
    assert len(tests) == 30
    assert [test.name for test in tests if not test.ok] == ["prod-es tls"]
    (tls,) = [test for test in tests if not test.ok]
    assert (tls.details["code"], tls.details["remedy"]) == (
        "tls.expired",
        "renew the certificate on the server",
    )
    assert {test.name for test in tests if test.skipped} >= {"prod-es http", "prod-es round-trip", "elasticsearch tls"}
    assert next(test for test in tests if test.name == "elasticsearch write").details["code"] == "es.mapping.unprepared"


def test_what_nobody_could_verify_is_skipped_and_what_was_never_asked_fails() -> None:
    unverified = parsed(report("tap", CASES["send-unverified"])[0])
    assert [(test.name, test.ok, test.skipped) for test in unverified] == [
        ("write-only clock", True, False),
        ("write-only accepted", True, False),
        ("write-only verified", True, True),
    ]
    broken_off = parsed(report("tap", CASES["check-interrupted"])[0])
    assert [test.name for test in broken_off if not test.ok] == ["elasticsearch asked", "prod-es asked"]


def test_a_run_that_never_began_bails_out() -> None:
    assert failed("tap")[0] == "TAP version 13\nBail out! usage.unknown-target: there is | no <such> target\n"


def test_odd_text_stays_in_its_line() -> None:
    for events in (nasty_check(), nasty_send()):
        assert len(parsed(report("tap", events)[0])) >= 2


@pytest.mark.skipif(shutil.which("prove") is None, reason="needs prove, of the package perl")
def test_perls_own_parser_reads_it(tmp_path: Path) -> None:
    expected = {"good": ("check-good", 0), "bad": ("send-several", 1)}
    for name, (case, code) in expected.items():
        file = tmp_path / f"{name}.tap"
        file.write_text(report("tap", CASES[case])[0], "utf-8")
        ran = subprocess.run(
            ["prove", "--exec", "cat", str(file)], capture_output=True, text=True, timeout=300, check=False
        )
        assert (ran.returncode, "Parse errors" in ran.stdout) == (code, False), ran.stdout
