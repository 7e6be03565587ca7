"""SIGTERM and SIGINT at any moment of a command mean 143 and 130: while it imports, runs, and ends."""

from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from magictel.cli import signals
from tests.cli.running import process, refused

AT_THE_NTH_CALL = """
import atexit, os, sys
from magictel.cli.main import main

at, number, calls = int(sys.argv.pop(1)), int(sys.argv.pop(1)), 0

def hook(frame, event, argument):
    global calls
    if event in ("call", "c_call"):
        calls += 1
        if calls == at:
            os.kill(os.getpid(), number)

atexit.register(lambda: at or os.write(3, str(calls).encode()))
if at < 0:
    atexit.register(os.kill, os.getpid(), number)
sys.setprofile(hook)
main()
"""
"""The signal comes at the n-th call of a function since `main` began; 0: never, and their number is written to descriptor 3.
Below 0: while the interpreter ends."""
COMMANDS = {
    "list": ("list",),
    "check": ("check", "elasticsearch", "--format", "json"),
    "send-sample": ("send-sample", "elasticsearch"),
}
_DEAF = 300
"""Calls until the process listens to signals: what is imported for that."""


def run(
    folder: Path, at: int, number: int, *arguments: str, count: Path | None = None
) -> subprocess.CompletedProcess[str]:
    _, environment = process(ELASTICSEARCH_URL=f"http://127.0.0.1:{refused()}")
    command = [sys.executable, "-c", AT_THE_NTH_CALL, str(at), str(number), *arguments]
    if count is not None:
        command = ["/bin/sh", "-c", 'exec "$@" 3>"$0"', str(count), *command]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@functools.cache
def calls(folder: Path, *arguments: str) -> int:
    run(folder, 0, 0, *arguments, count=folder / "calls")
    return int((folder / "calls").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals")


@pytest.mark.parametrize("step", [*range(8), "end"])
@pytest.mark.parametrize(
    ("command", "number"), [("list", signal.SIGTERM), ("check", signal.SIGTERM), ("send-sample", signal.SIGINT)]
)
def test_a_signal_at_any_moment_is_its_exit_code(command: str, number: int, step: int | str, folder: Path) -> None:
    arguments = COMMANDS[command]
    total = calls(folder, *arguments)
    # The first imports matter as much as all that follows.
    at = -1 if isinstance(step, str) else int(_DEAF * (total / _DEAF) ** (step / 8))
    ran = run(folder, at, number, *arguments)
    assert ran.returncode == 128 + number, (at, ran.stdout, ran.stderr)
    for word in ("Traceback", "mistake", "ignored", "Error"):
        assert word not in ran.stderr, (at, ran.stderr)
    if "json" in arguments and ran.stdout:
        json.loads(ran.stdout)


def test_a_signal_during_the_imports_says_what_happened(tmp_path: Path) -> None:
    text = run(tmp_path, 5_000, signal.SIGTERM, "list")
    assert text.stderr.splitlines()[0] == "terminated"
    document = json.loads(run(tmp_path, 5_000, signal.SIGINT, "list", "--format", "json").stdout)
    assert (document["schema"], document["code"]) == ("magictel.error/1", "run.interrupted")
    assert set(document) == {"schema", "code", "message", "remedy", "origin"}


IN_AN_IMPORT = """
import os, sys
from magictel.cli import signals

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "colorsys":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Finder())
try:
    with signals.raising():
        import colorsys
        print("imported", colorsys.hsv_to_rgb.__name__)
        while True:
            pass
except signals.Terminated:
    print("terminated")
except KeyboardInterrupt:
    print("interrupted")
"""

IN_A_FINALIZER = """
import os, sys
from magictel.cli import signals

class Ending:
    def __del__(self):
        os.kill(os.getpid(), {number})
        for _ in range(1000):
            pass

signals.end_at_once()
try:
    with signals.raising():
        Ending()
        while True:
            pass
except signals.Terminated:
    print("terminated")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(("number", "word"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
@pytest.mark.parametrize(("script", "before"), [(IN_AN_IMPORT, "imported hsv_to_rgb\n"), (IN_A_FINALIZER, "")])
def test_no_signal_breaks_an_import_or_is_lost_in_a_finalizer(
    script: str, before: str, number: int, word: str, tmp_path: Path
) -> None:
    _, environment = process()
    command = [sys.executable, "-c", script.format(number=int(number))]
    ran = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert (ran.stdout, ran.stderr) == (f"{before}{word}\n", "")


def test_a_signal_that_comes_twice_at_once_is_one_and_a_later_one_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, ended = [5.0], list[int]()
    monkeypatch.setattr(signals, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(signals, "os", SimpleNamespace(_exit=ended.append))
    monkeypatch.setattr(signals._Process, "came", None)
    assert signals.first(signal.SIGINT, None)
    assert not signals.first(signal.SIGINT, None)
    assert ended == []
    now[0] += 1
    signals.first(signal.SIGTERM, None)
    assert ended == [143]
