"""The page as an operator runs it: a real Prometheus scrapes it with a login, `check` asks it, and `send-sample` reads back from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider

from magictel.exporters.prometheus import PrometheusExporter, PrometheusSettings
from magictel.secrets.secret import Secret
from tests.cli.running import magictel, refused

pytestmark = pytest.mark.real
HOW = "bash ../shared/real/start_prom3.sh -- python -m pytest -m real tests/real/test_page_scraped_real.py"
PROGRAMS = {"prometheus2": shutil.which("prometheus"), "prometheus3": os.environ.get("MT_PROM3_BIN")}
JOB = """
global: {scrape_interval: 1s}
scrape_configs:
- job_name: app
  basic_auth: {username: scraper, password: p4ss}
  static_configs: [{targets: ['127.0.0.1:%d'], labels: {env: test}}]
  metric_relabel_configs: [{source_labels: [__name__], regex: unwanted_.*, action: drop}]
"""


class Scraper(NamedTuple):
    """A Prometheus at `url`, which scrapes `port`."""

    url: str
    port: int

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PROMETHEUS_URL": self.url,
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.port),
            "OTEL_EXPORTER_PROMETHEUS_USERNAME": "scraper",
            "OTEL_EXPORTER_PROMETHEUS_PASSWORD": "p4ss",
        }


@pytest.fixture(scope="module", params=PROGRAMS)
def scraper(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraper]:
    program = PROGRAMS[request.param]
    if not program:
        pytest.skip(f"{request.param} is not here; this runs it: {HOW}")
    folder = tmp_path_factory.mktemp(request.param)
    running = Scraper(f"http://127.0.0.1:{refused()}", refused())
    (folder / "prometheus.yml").write_text(JOB % running.port)
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={running.url.removeprefix('http://')}",
        "--log.level=error",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            for _ in range(600):
                if process.poll() is not None:
                    break
                try:
                    if httpx.get(f"{running.url}/-/ready").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            assert process.poll() is None, (folder / "log").read_text()
            for _ in range(100):  # it discovers a new target after some seconds
                if targets(running.url):
                    break
                time.sleep(0.1)
            yield running
        finally:
            process.kill()


def targets(url: str) -> list[dict[str, Any]]:
    return list(httpx.get(f"{url}/api/v1/targets").json()["data"]["activeTargets"])


def served(scraper: Scraper, password: str) -> tuple[PrometheusExporter, MeterProvider]:
    """An application with a page at the target's address."""
    options: dict[str, Any] = {"username": "scraper", "password": Secret(password)}
    exporter = PrometheusExporter(PrometheusSettings(host="127.0.0.1", port=scraper.port, **options))
    provider = MeterProvider(metric_readers=[exporter])
    provider.get_meter("app").create_counter("orders").add(3)
    provider.get_meter("app").create_counter("unwanted").add(1)
    assert exporter.port == scraper.port
    return exporter, provider


def write_rung(scraper: Scraper, folder: Path, code: str | None, **more: str) -> dict[str, Any]:
    """The rung that asks the Prometheus, as soon as its code is this one."""
    rung: dict[str, Any] = {}
    for _ in range(60):
        environment = {**scraper.environment, **more}
        ran = magictel("check", "prometheus", "--format", "json", folder=folder, environment=environment)
        rung = next(rung for rung in ran.document["targets"][0]["rungs"] if rung["rung"] == "write")
        if rung.get("code") == code and "samples" in str(rung.get("evidence")):
            break
        time.sleep(0.5)
    return rung


def test_a_sample_is_scraped_and_equal(scraper: Scraper, tmp_path: Path) -> None:
    """Its default form has no native histograms: count and sum of exponential ones arrive."""
    sent = magictel(
        "send-sample", "prometheus", "--thorough", "--format", "json", folder=tmp_path, environment=scraper.environment
    )
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["receipt"]["delivered"]) == (0, "verified", 17), target
    assert target["verification"]["found"] == 17


def test_check_asks_what_the_prometheus_scrapes_and_drops(scraper: Scraper, tmp_path: Path) -> None:
    _, provider = served(scraper, "p4ss")
    try:
        rung = write_rung(scraper, tmp_path, "prom.page.relabelled")
    finally:
        provider.shutdown()
    assert rung["code"] == "prom.page.relabelled", rung
    assert "2 of 5 samples are dropped" in rung["message"], "a counter has its value and its start time"


def test_a_login_that_the_scrape_job_does_not_have_is_named(scraper: Scraper, tmp_path: Path) -> None:
    _, provider = served(scraper, "other")
    try:
        for _ in range(60):
            if "401" in targets(scraper.url)[0]["lastError"]:
                break
            time.sleep(0.2)
        environment = {**scraper.environment, "OTEL_EXPORTER_PROMETHEUS_PASSWORD": "other"}
        ran = magictel("check", "prometheus", "--format", "json", folder=tmp_path, environment=environment)
    finally:
        provider.shutdown()
    rung = next(rung for rung in ran.document["targets"][0]["rungs"] if rung["rung"] == "write")
    assert (ran.code, rung["code"]) == (1, "prom.page.credentials"), rung
