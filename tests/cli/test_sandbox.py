"""`magictel sandbox`: addresses for a shell, until it is stopped."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from magictel import sandbox
from tests.cli.running import magictel, started


def test_it_prints_export_lines_and_ends_by_itself(tmp_path: Path) -> None:
    ran = magictel("sandbox", "--for", "10ms", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.rstrip("\n").split("\n")
    assert len(lines) == len(sandbox.names())
    assert all(re.fullmatch(r"export [A-Z_]+=http://127\.0\.0\.1:\d+[a-z0-9/]*", line) for line in lines), lines


def test_only_some_and_as_a_document(tmp_path: Path) -> None:
    ran = magictel(
        "sandbox", "--only", "opensearch,elasticsearch", "--for", "10ms", "--format", "json", folder=tmp_path
    )
    assert ran.code == 0
    assert ran.document["schema"] == "magictel.sandbox/1"
    assert set(ran.document["environment"]) == {"OPENSEARCH_URL", "ELASTICSEARCH_URL"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "nonsense"], "no emulator for 'nonsense'"),
        (["--fault", "429"], "does not say whose it is"),
        (["--fault", "elasticsearch: frobnicate"], "frobnicate"),
        (["--for", "ever"], "is no duration"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, tmp_path: Path) -> None:
    ran = magictel("sandbox", *arguments, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_stays_with_its_faults_until_a_signal_comes(number: int, code: int, tmp_path: Path) -> None:
    script = "elasticsearch: partial 50% document_parsing_exception"
    arguments = ["--only", "elasticsearch", "--fault", script, "--format", "json"]
    with started("sandbox", *arguments, folder=tmp_path) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(6)]
        ran = magictel(
            "send-sample",
            "elasticsearch",
            "--no-verify",
            folder=tmp_path,
            environment=json.loads("".join(lines))["environment"],
        )
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert ran.last.startswith("FAILED: 6 rejected"), ran
    assert (running.returncode, out) == (code, "")
    assert "Traceback" not in err
