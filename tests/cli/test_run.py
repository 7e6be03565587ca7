"""`magictel run` as a process: a signal flushes, sums up, and is exit 0."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from magictel import sandbox
from tests.cli.running import magictel, started

PAGE = "# TYPE hits counter\nhits_total 3\n"
RW = "prometheus-remote-write"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_exit_0_and_the_ledger(tmp_path: Path, httpserver: HTTPServer, number: int) -> None:
    httpserver.expect_request("/metrics").respond_with_data(PAGE, content_type="text/plain; version=0.0.4")
    with sandbox.start([RW]) as room:
        command = ("run", "--from", httpserver.url_for("/metrics"), "--to", RW, "--every", "50ms", "--format", "json")
        with started(*command, folder=tmp_path, **room.environment(RW)) as running:
            until = time.monotonic() + 60
            while room.emulators[RW].stored < 4 and time.monotonic() < until:
                time.sleep(0.02)
            running.send_signal(number)
            out, err = running.communicate(timeout=60)
        stored = room.emulators[RW].stored
    assert running.returncode == 0, (out, err)
    (target,) = json.loads(out)["targets"]
    assert target["receipt"]["delivered"] == target["receipt"]["sent"] == stored
    assert err == ""


def test_what_is_no_url_and_a_target_that_is_unusable(tmp_path: Path) -> None:
    ran = magictel("run", "--from", "page.txt", "--to", RW, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "magictel replay FILE --to TARGET" in ran.err
    ran = magictel("run", "--from", "http://127.0.0.1:1/metrics", "--to", RW, folder=tmp_path)
    assert ran.code == 78, ran
