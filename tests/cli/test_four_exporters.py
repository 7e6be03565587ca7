"""Four exporters enabled as the guide does it, on a terminal of 80 columns: from the list to the application, then each kind of fault."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from magictel import sandbox
from magictel.cli.sandbox_targets import prepare_all
from magictel.sandbox.sandbox import Sandbox
from tests.clean_environment import clean_environment
from tests.documents import text
from tests.picture import ran_on_terminal

ENABLED = "prometheus,elasticsearch,datadog,newrelic"
SENT = ENABLED.replace("prometheus,", "")
APPLICATION = """
from opentelemetry import metrics
from magictel import runtime

running = runtime.start()
metrics.get_meter("gateway").create_counter("gateway.requests").add(3, {"route": "/v1/chat"})
print("running", flush=True)
input()
"""
_ESCAPES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
_PROGRESS = re.compile(r".*\r(?!\n)")
pytestmark = pytest.mark.slow


class Terminal:
    """Commands on a terminal of 80 columns, in the environment of a sandbox and a folder of their own."""

    def __init__(self, room: Sandbox, folder: Path, enabled: str) -> None:
        self.environment = {"ENABLED_EXPORTERS": enabled, "NO_COLOR": "1", **room.environment()}
        self._folder = folder

    def run(self, *words: str, code: int = 0, **changes: str) -> str:
        """Return what a command shows; it ends with this code, and no line is wider than the terminal."""
        environment = self.environment | changes
        ended, shown = ran_on_terminal(*words, errors=subprocess.STDOUT, folder=self._folder, **environment)
        shown = _PROGRESS.sub("", _ESCAPES.sub("", shown))
        assert ended == code, shown
        assert "Traceback" not in shown
        assert [line for line in shown.splitlines() if len(line) > 80] == []
        return shown


@contextmanager
def terminal(folder: Path, enabled: str = ENABLED, faults: Sequence[str] = ()) -> Iterator[tuple[Sandbox, Terminal]]:
    with sandbox.start(enabled.split(","), faults=faults) as room:
        prepare_all(room)
        yield room, Terminal(room, folder, enabled)


def test_from_the_list_to_the_metrics_of_an_application(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    with terminal(tmp_path) as (room, shell):
        listed = shell.run("list")
        for name in ENABLED.split(","):
            assert re.search(rf"^  {name} +configured ", listed, re.MULTILINE)
            assert re.search(rf"^  {name} +{name} +enabled +ENABLED_EXPORTERS$", listed, re.MULTILINE)
        sample = shell.run("send-sample")
        assert sample.count("√ sent 12 → accepted 12 → found 12, equal 12") == 4
        assert "all 4 targets verified" in sample
        before = {name: emulator.stored for name, emulator in room.emulators.items()}
        application = subprocess.run(
            [sys.executable, "app.py"],
            input="\n",
            cwd=tmp_path,
            env={**clean_environment(), **shell.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (application.returncode, application.stdout) == (0, "running\n"), application.stderr
        assert room.settle()
        for name in SENT.split(","):
            assert room.emulators[name].stored > before[name], name
        assert "all 4 targets OK" in shell.run("check")


def test_the_page_of_the_running_application_is_scraped(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    with terminal(tmp_path) as (_, shell):
        command, environment = [sys.executable, "app.py"], {**clean_environment(), **shell.environment}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as application:
            assert application.stdout is not None
            assert application.stdout.readline() == "running\n"
            url = f"http://127.0.0.1:{shell.environment['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics"
            shown = shell.run(
                "check", "prometheus", "--until", "health", OTEL_EXPORTER_PROMETHEUS_URL=url, PROMETHEUS_URL=""
            )
            application.communicate("\n", timeout=60)
        assert "√ health" in shown
        assert application.returncode == 0
        gone = shell.run("check", "prometheus", code=1, OTEL_EXPORTER_PROMETHEUS_URL=url, PROMETHEUS_URL="")
        assert "prom.page.not-served" in gone


REFUSED = {
    "ELASTICSEARCH_URL": "http://127.0.0.1:9",
    "DD_DD_URL": "http://127.0.0.1:9",
    "NEW_RELIC_URL": "http://127.0.0.1:9",
}
UNKNOWN = dict.fromkeys(REFUSED, "http://no-such-host.invalid")


@pytest.mark.parametrize(("changes", "code"), [(REFUSED, "net.tcp.refused"), (UNKNOWN, "net.dns.not-found")])
def test_connection_faults_are_named_for_each_exporter(changes: dict[str, str], code: str, tmp_path: Path) -> None:
    with terminal(tmp_path, SENT) as (_, shell):
        for words in (("check",), ("send-sample",)):
            shown = shell.run(*words, code=1, **changes)
            assert shown.count(f"more:  magictel explain {code}") == 3, shown
            assert "3 of 3 targets FAILED" in shown
    assert f"`{code}`" in text("troubleshooting")


CREDENTIALS = {"elasticsearch": "http.unauthorized", "datadog": "dd.auth.invalid", "newrelic": "nr.auth.invalid"}


def test_authentication_faults_are_named_for_each_exporter(tmp_path: Path) -> None:
    faults = ("elasticsearch: any 401 forever", "datadog: any 403 forever", "newrelic: any 403 forever")
    with terminal(tmp_path, SENT, faults) as (room, shell):
        for words in (("check",), ("send-sample",)):
            shown = shell.run(*words, code=1)
            for code in CREDENTIALS.values():
                assert f"more:  magictel explain {code}" in shown, shown
                assert f"`{code}`" in text("troubleshooting")
        assert {emulator.stored for emulator in room.emulators.values()} == {0}


def test_performance_faults_are_measured_and_explained_for_each_exporter(tmp_path: Path) -> None:
    faults = ("elasticsearch: 429 x2 retry-after=0", "datadog: 429", "newrelic: slow 2")
    with terminal(tmp_path, SENT, faults) as (_, shell):
        shown = shell.run("send-sample", "--timing", "--within", "60s")
        assert "all 3 targets verified" in shown
        parts = dict(zip(SENT.split(","), shown.split("\n\n")[-4:-1], strict=True))
        assert "failed (2× 429)" in parts["elasticsearch"]
        assert "failed (1× 429)" in parts["datadog"]
        assert re.search(r"first byte is \d+ % of", parts["newrelic"])
    for symptom in ("*first byte* dominates", "*queue* dominates", "`http.throttled`"):
        assert symptom in text("troubleshooting")


def test_a_missing_key_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    with terminal(tmp_path, SENT) as (room, shell):
        del shell.environment["DD_API_KEY"], shell.environment["NEW_RELIC_LICENSE_KEY"]
        listed = shell.run("list")
        assert "needs DD_API_KEY" in listed
        assert "needs NEW_RELIC_LICENSE_KEY" in listed
        shown = shell.run("check", code=78)
        assert "elasticsearch OK" in shown
        assert (room.emulators["datadog"].stored, room.emulators["newrelic"].stored) == (0, 0)
