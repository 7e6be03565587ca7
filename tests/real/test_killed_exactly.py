"""A replay into VictoriaMetrics that was killed, counted exactly: what it had accepted when the sender died, and all of the second replay.

VictoriaMetrics shows what it accepted a second or more later: a count right after the kill is too small. Its own counter of inserted
rows and, once it was made to flush, its export tell the same number.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

import httpx
import pytest

from tests.cli.running import magictel, started
from tests.real.test_replay_real import recording

HOW = "bash ../shared/real/start_real.sh --without rotel -- python -m pytest -m real tests/real/test_killed_exactly.py"
LINES, A_LINE = 300, 200
pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]


@pytest.mark.parametrize("variable", ["MT_VM_URL", "MT_VM3_URL"])
def test_what_was_accepted_before_the_kill_and_all_of_the_second_replay_is_there(tmp_path: Path, variable: str) -> None:
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set; {HOW}")
    run = f"r{uuid.uuid4().hex[:10]}"
    (tmp_path / "r").write_text(recording(run, LINES))
    options = ("--to", "prometheus-remote-write", "--set", f"url={url}/api/v1/write", "--shift", "keep")
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:

        def stored_values() -> int:
            http.get("/internal/force_flush")
            exported = http.get("/api/v1/export", params={"match[]": f'{{run="{run}"}}', "start": "1"}).text
            return sum(len(json.loads(line)["values"]) for line in exported.splitlines())

        with started("replay", "r", *options, "--speed", "60", folder=tmp_path) as running:
            until = time.monotonic() + 30
            while stored_values() == 0:
                assert time.monotonic() < until
                time.sleep(0.1)
            running.kill()
            running.wait(10)
        time.sleep(0.5)  # a request that was under way may still be taken
        before = stored_values()
        assert 0 < before < LINES * A_LINE
        assert before % A_LINE == 0  # whole requests: nothing of one is kept without the rest
        ran = magictel("replay", "r", *options, "--format", "json", folder=tmp_path)
        (target,) = ran.document["targets"]
        assert (ran.code, target["receipt"]["delivered"]) == (0, LINES * A_LINE)
        assert stored_values() == before + LINES * A_LINE
