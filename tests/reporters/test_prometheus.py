"""What node_exporter's textfile collector reads: judged by promtool where it is at hand, and by prometheus_client's strict reading."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.reporters.cases import CASES, EXPIRED, check_events
from tests.reporters.reporting import failed, nasty_check, nasty_send, replay, report

PROMTOOL = shutil.which("promtool")
SAMPLE = re.compile(r'(\w+)\{((?:\w+="(?:\\["\\n]|[^"\\\n])*",?)+)\} (-?[0-9.e+-]+)')
LABEL = re.compile(r'(\w+)="((?:\\["\\n]|[^"\\])*)"')

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """By the format's grammar: HELP and TYPE once before a family, families together, no series twice."""
    samples: Samples = {}
    helped: list[str] = []
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            helped.append(line.split()[2])
            assert lines[number + 1] == f"# TYPE {helped[-1]} gauge"
        elif not line.startswith("# TYPE "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == helped[-1]
            key = (match[1], frozenset(LABEL.findall(match[2])))
            assert key not in samples
            samples[key] = float(match[3])
    assert len(set(helped)) == len(helped)
    return samples


def value(samples: Samples, name: str, **labels: str) -> float:
    (only,) = [
        sample
        for (family, sample_labels), sample in samples.items()
        if family == name and labels.items() <= dict(sample_labels).items()
    ]
    return only


@pytest.mark.parametrize("case", CASES)
def test_every_report_is_the_text_format(case: str) -> None:
    assert parsed(report("prometheus", CASES[case])[0])


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool, of the Debian package prometheus")
@pytest.mark.parametrize("case", [*CASES, "nasty-check", "nasty-send", "failed"])
def test_promtool_finds_nothing_to_say(case: str) -> None:
    more = {
        "nasty-check": lambda: report("prometheus", nasty_check())[0],
        "nasty-send": lambda: report("prometheus", nasty_send())[0],
        "failed": lambda: failed("prometheus")[0],
    }
    text = more[case]() if case in more else report("prometheus", CASES[case])[0]
    assert PROMTOOL is not None
    ran = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text.encode(), capture_output=True, timeout=300, check=False
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, b""), ran.stderr


def test_a_ladder_shows_what_holds_how_long_it_took_and_why_not() -> None:
    samples = parsed(report("prometheus", check_events(EXPIRED))[0])
    assert value(samples, "magictel_run_complete", command="check") == 1
    assert value(samples, "magictel_target_holds", target="prod-es") == 0
    assert value(samples, "magictel_check_rung_holds", rung="tcp") == 1
    assert value(samples, "magictel_check_rung_holds", rung="tls") == 0
    assert not [
        labels for name, labels in samples if name == "magictel_check_rung_holds" and ("rung", "http") in labels
    ]
    assert value(samples, "magictel_problem_info", step="tls", code="tls.expired", outcome="fail") == 1
    assert value(samples, "magictel_check_certificate_left_seconds") == pytest.approx(-3.2 * 86_400)


def test_a_send_shows_the_whole_ledger_and_what_came_back() -> None:
    samples = parsed(report("prometheus", CASES["send-lost"], "nightly")[0])
    fates = ("delivered", "rejected", "withheld", "kept", "dropped")
    points = [value(samples, "magictel_send_points", fate=fate, command="nightly") for fate in fates]
    assert (points, sum(points)) == ([10, 0, 2, 0, 0], 12)
    assert value(samples, "magictel_send_verified_points", state="missing") == 3
    assert value(samples, "magictel_send_verified_points", state="repeats") == 0
    assert value(samples, "magictel_target_holds") == 0


def test_an_interrupted_run_is_not_complete_and_one_that_never_began_says_why() -> None:
    assert value(parsed(report("prometheus", CASES["check-interrupted"])[0]), "magictel_run_complete") == 0
    samples = parsed(failed("prometheus")[0])
    assert value(samples, "magictel_run_complete", command="check") == 0
    assert value(samples, "magictel_run_error_info", code="usage.unknown-target") == 1


def test_labels_with_odd_characters_are_escaped() -> None:
    names = {dict(labels).get("target") for _, labels in parsed(report("prometheus", nasty_check())[0])}
    (nasty,) = names - {None}
    assert '\\"' in str(nasty)
    assert "\\n::error" in str(nasty)


def test_a_replay_shows_what_was_read_and_what_was_skipped() -> None:
    samples = parsed(report("prometheus", replay(skipped=3))[0])
    assert value(samples, "magictel_recording_points") == 192
    assert value(samples, "magictel_recording_skipped", reason="broken-line", unit="line") == 3
