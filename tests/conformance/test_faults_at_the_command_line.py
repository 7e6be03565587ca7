"""What the system refuses `file` and `console`, as a shell sees it: exit code 1, every point counted with a reason, no traceback."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Ran, magictel, process

_HERE = {
    "a full disk": ("/dev/full", "file.full"),
    "a missing folder": ("missing/m.jsonl", "file.no-directory"),
    "a folder at its place": (".", "file.is-directory"),
    "no write permission": ("/sys/kernel/notes", "file.permission"),
    "a pipe that no process reads": ("pipe", "file.failed"),
    "a name that is too long": ("x" * 300, "file.failed"),
}


def sent(folder: Path, *words: str, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command, environment = process("send-sample", *words, "--format", "json")
    return subprocess.run(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=300, check=False
    )


def undelivered(done: subprocess.CompletedProcess[str] | Ran, code: str) -> None:
    ran = done if isinstance(done, Ran) else Ran(done.returncode, done.stdout, done.stderr or "")
    (target,) = ran.document["targets"]
    assert ran.code == 1
    assert (target["outcome"], target["code"]) == ("undelivered", code)
    assert (target["receipt"]["delivered"], target["receipt"]["dropped"]) == (0, 12)
    assert [(reason["code"], reason["count"]) for reason in target["receipt"]["reasons"]] == [(code, 12)]
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("name", _HERE)
def test_a_file_that_takes_nothing(name: str, tmp_path: Path) -> None:
    path, code = _HERE[name]
    if path == "pipe":
        os.mkfifo(tmp_path / path)
    elif path.startswith("/") and not Path(path).exists():
        pytest.skip(f"this system has no {path}")
    undelivered(magictel("send-sample", "file", "--set", f"path={path}", "--format", "json", folder=tmp_path), code)


def test_a_stream_on_a_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        undelivered(sent(tmp_path, "console", stderr=full.fileno()), "console.closed")


def test_a_pipe_whose_reader_is_gone(tmp_path: Path) -> None:
    read, written = os.pipe()
    os.close(read)
    try:
        undelivered(sent(tmp_path, "console", stderr=written), "console.closed")
    finally:
        os.close(written)


def test_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    read, written = os.pipe()
    os.set_blocking(written, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(written, b"\n" * 4096)
    try:
        undelivered(sent(tmp_path, "console", "--deadline", "2s", stderr=written), "console.stuck")
    finally:
        os.close(read)
        os.close(written)
