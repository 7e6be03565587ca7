"""Places that are not what they should be, and what is said of them."""

from __future__ import annotations

import json
import os
import signal
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
        timeout=300,
        check=False,
    )
    assert ended.returncode == 78
    document = json.loads(ended.stdout)
    assert document["code"] == "config.file.unwritable"


def test_the_lines_of_a_remedy_stand_without_their_indent_in_json(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "magictel", "check", "--format", "json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        timeout=300,
        check=False,
    )
    assert ended.returncode == 78
    remedy = json.loads(ended.stdout)["remedy"].split("\n")
    assert len(remedy) == 3
    assert [line.strip() for line in remedy] == remedy


def test_what_was_written_does_not_steer_the_terminal(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "magictel", "check", "a\x1b[31mb"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        timeout=300,
        check=False,
    )
    assert ended.returncode == 2
    assert "\x1b" not in ended.stderr
    assert "a\\x1b[31mb" in ended.stderr


def test_a_sandbox_that_a_shell_put_into_the_background_can_be_interrupted(tmp_path: Path) -> None:
    """A shell without job control has SIGINT ignored in what it starts with &."""
    with subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$0" -m magictel sandbox --only elasticsearch --for 60s', sys.executable],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("export ELASTICSEARCH_URL=")
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=300) == 130
