"""No code: `opentelemetry-distro` makes our exporter by its name, in an application that knows nothing of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.clean_environment import clean_environment

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
APPLICATION = """
from opentelemetry import metrics, trace

metrics.get_meter("app").create_counter("orders").add(3, {"shop": "a"})
with trace.get_tracer("app").start_as_current_span("a-piece-of-work"):
    pass
print("the application ran")
"""

pytestmark = pytest.mark.skipif(
    not INSTRUMENT.exists() and shutil.which("opentelemetry-instrument") is None,
    reason="opentelemetry-distro is not installed: pip install '.[test]'",
)


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator(), record=True).start() as server:
        yield server


def instrumented(folder: Path, application: str = APPLICATION, **environment: str) -> subprocess.CompletedProcess[str]:
    script = folder / "app.py"
    script.write_text(application)
    return subprocess.run(
        [str(INSTRUMENT) if INSTRUMENT.exists() else "opentelemetry-instrument", sys.executable, str(script)],
        env={
            **clean_environment(),
            "OTEL_METRICS_EXPORTER": "magictel_elasticsearch",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **environment,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def documents(server: Server) -> list[dict[str, object]]:
    assert isinstance(server.emulator, ElasticsearchEmulator)
    return server.emulator.documents()


def test_the_application_s_metrics_arrive(backend: Server, tmp_path: Path) -> None:
    done = instrumented(tmp_path, ELASTICSEARCH_URL=backend.origin)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the application ran\n", "")
    assert sum("orders" in str(document) for document in documents(backend)) == 1


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("ELASTICSEARCH_URL", "http://localhost:99999", "config.url.bad-port"),
        ("ELASTICSEARCH_URL", "", "config.url.empty"),
        ("ELASTICSEARCH_IN_FLIGHT", "many", "config.value"),
        ("ELASTICSEARCH_API_KEY", "file:/nowhere/key", "config."),
        ("ELASTICSEARCH_CA_FILE", "/nowhere/ca.pem", "tls."),
    ],
)
def test_unusable_settings_cost_the_metrics_and_nothing_else(
    variable: str, value: str, code: str, backend: Server, tmp_path: Path
) -> None:
    given = {"ELASTICSEARCH_URL": backend.origin, "OTEL_TRACES_EXPORTER": "console", variable: value}
    done = instrumented(tmp_path, **given)
    assert done.returncode == 0
    assert "the application ran" in done.stdout
    assert "a-piece-of-work" in done.stdout, "traces live"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) >= 1, done.stderr
    assert lines[0].count(code) == 1, done.stderr
    assert variable in lines[0] or code == "tls."
    assert "Traceback" not in done.stderr
    if code.startswith("config"):
        assert len(lines) == 1, done.stderr
    assert documents(backend) == []


def test_what_is_dropped_is_counted(tmp_path: Path) -> None:
    logs = "import logging\nlogging.basicConfig(level=logging.INFO)\n"
    done = instrumented(tmp_path, logs + APPLICATION, ELASTICSEARCH_URL="http://localhost:99999")
    assert "shut down; in all: sent 1, delivered 0, dropped 1" in done.stderr


def test_a_file_that_lies_in_the_folder_takes_nothing_away(backend: Server, tmp_path: Path) -> None:
    with Server(ElasticsearchEmulator(), record=True).start() as hostile:
        (tmp_path / "magictel.toml").write_text(f'[targets.elasticsearch]\nurl = "{hostile.origin}"\n')
        done = instrumented(tmp_path, ELASTICSEARCH_URL=backend.origin, ELASTICSEARCH_API_KEY="id:s3cr3t")
        assert (done.returncode, list(hostile.requests)) == (0, [])
    assert backend.requests
