"""How a replay that ended early is gone on with: by a command to copy, in which no secret stands."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from magictel import sandbox
from magictel.cli.resume import again
from tests.cli.running import refused, started

SETS = (
    "api_key=abc:SECRETKEY",
    "elasticsearch.headers=x-a=SECRETHEADER",
    "headers.X-Token=SECRETENTRY",
    "url=http://me:SECRETLOGIN@127.0.0.1:{port}",
)


def ended(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """A command as a process of its own, since it names its own arguments: code, output, errors."""
    with started(*arguments, folder=folder) as running:
        stdout, stderr = running.communicate(timeout=300)
    return running.returncode, stdout, stderr


@pytest.mark.parametrize("joined", [False, True], ids=["--set X", "--set=X"])
@pytest.mark.parametrize("given", SETS)
def test_the_command_that_goes_on_shows_no_secret(tmp_path: Path, given: str, joined: bool) -> None:
    port = refused()
    given = given.format(port=port)
    sets = [f"--set={given}"] if joined else ["--set", given]
    if not given.startswith("url="):
        sets += ["--set", f"url=http://127.0.0.1:{port}"]
    code, stdout, stderr = ended("replay", "@node", "--to", "elasticsearch", *sets, folder=tmp_path)
    assert code == 1, stderr
    assert "continue:  magictel replay @node --to elasticsearch " in stderr
    assert "SECRET" not in stdout + stderr
    assert "replace *** with the secret" in stderr


@pytest.mark.parametrize("others", [(), ("--to", "console")], ids=["alone", "with a usable one"])
def test_a_secret_of_an_unusable_target_is_not_shown_either(tmp_path: Path, others: tuple[str, ...]) -> None:
    """A command in which no target is usable can only fail again, so it is not suggested."""
    sets = [f"--set=elasticsearch.{value}" for value in ("password=SECRET", "username=", "url=nonsense://")]
    _, stdout, stderr = ended("replay", "@node", "--to", "elasticsearch", *others, *sets, folder=tmp_path)
    assert ("continue:" in stderr) is bool(others)
    assert "SECRET" not in stdout + stderr


def test_what_only_says_where_a_secret_is_stays() -> None:
    arguments = [
        "replay",
        "r",
        "--shift",
        "now",
        "--set",
        "api_key=file:/run/key",
        "--from-point=3",
        "--set",
        "index=a",
    ]
    command = again(arguments, 8, 1.5, ())
    assert command == "replay r --set api_key=file:/run/key --set index=a --shift=1.500s --from-point=8"


def test_a_wait_for_our_own_rate_limit_ends_with_the_interrupt_and_is_not_blamed(tmp_path: Path) -> None:
    with sandbox.start(["elasticsearch"]) as room:
        options = ["--set", "rate_limit=2", "--set", "max_batch_points=5", "--format", "json"]
        with started(
            "replay", "@gateway", "--to", "elasticsearch", *options, folder=tmp_path, **room.environment()
        ) as run:
            assert run.stderr is not None
            run.stderr.readline()  # the shift: it is about to send
            backend = room.servers["elasticsearch"].emulator
            while not backend.documents() and run.poll() is None:  # something arrived, and most of the 39 requests wait
                time.sleep(0.01)
            run.send_signal(signal.SIGINT)
            stdout, stderr = run.communicate(timeout=300)
    assert run.returncode == 130, stderr
    assert '"delivery.shutdown"' in stdout
    assert "delivery.rate-limit" not in stdout
    (target,) = json.loads(stdout)["targets"]
    assert target["receipt"]["delivered"] > 0
    assert f"elasticsearch will receive {target['receipt']['delivered']} points again" in stderr
    assert "--from-point=0" in stderr
