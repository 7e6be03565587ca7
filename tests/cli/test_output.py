"""Where standard output takes nothing: said in a sentence, never a traceback, never an exit code that looks good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_FULL = Path("/dev/full")
_ENVIRONMENT = {
    key: value for key, value in os.environ.items() if not key.startswith(("MAGICTEL", "ELASTIC", "ENABLED"))
}


@pytest.mark.skipif(not _FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list"], 1),
        (["list", "--format", "json"], 1),
        (["--help"], 1),
        (["--version"], 1),
        (["check", "console"], 1),
        (["check", "console", "--format", "json"], 1),
        (["send-sample", "console", "--dry-run"], 1),
        (["prepare", "console"], 1),
        (["check", "elasticsearch", "--set", "api_key=${NOT_SET}"], 78),
    ],
    ids=str,
)
def test_a_full_disk_under_standard_output_is_one_sentence(arguments: list[str], code: int, tmp_path: Path) -> None:
    with _FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "magictel", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=_ENVIRONMENT,
            timeout=300,
            check=False,
        )
    assert ended.returncode == code
    assert "standard output cannot be written: no space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "mistake" not in ended.stderr


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_a_stream_that_was_closed_before_is_no_mistake(closed: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m magictel list {closed}', sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=_ENVIRONMENT,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0
    assert ended.stderr == ""
