"""Places that are not what they should be, and what is said of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    ended = subprocess.run(
        ["/bin/sh", "-c", 'rmdir ../gone && exec "$0" -m magictel init --format json', sys.executable],
        capture_output=True,
        text=True,
        cwd=gone,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    said = json.loads(ended.stdout)
    assert said["code"] == "config.file.unwritable"


def test_the_lines_of_a_remedy_stand_without_their_indent_in_json(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "magictel", "check", "--format", "json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    remedy = json.loads(ended.stdout)["remedy"].split("\n")
    assert len(remedy) == 3
    assert [line.strip() for line in remedy] == remedy
