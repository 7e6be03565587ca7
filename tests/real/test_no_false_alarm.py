"""Healthy servers raise no alarm: `send-sample`, again and again, half of the runs into an index that did not exist, is verified each time.

Run: `MAGICTEL_HEALTHY_RUNS=50 bash ../shared/real/start_search.sh --with es7,es8,es9,os2,os3 -- bash ../shared/real/start_real.sh
--without rotel,nginx -- python -m pytest -m real tests/real/test_no_false_alarm.py -s`; without the variable four runs an engine.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.cli.running import magictel

HOW = "bash ../shared/real/start_search.sh --with es7,es8,es9,os2,os3 -- python -m pytest -m real tests/real/test_no_false_alarm.py"
RUNS = int(os.environ.get("MAGICTEL_HEALTHY_RUNS", "4"))
pytestmark = [pytest.mark.real, pytest.mark.timeout(120 + 12 * RUNS)]
SEARCH = {
    "es7": ("elasticsearch", ("MT_ES7_URL",)),
    "es8": ("elasticsearch", ("MT_ES8_URL", "MT_ES_URL")),
    "es9": ("elasticsearch", ("MT_ES9_URL",)),
    "os2": ("opensearch", ("MT_OS2_URL", "MT_OS_URL")),
    "os3": ("opensearch", ("MT_OS3_URL",)),
}
SERIES = {
    "prometheus2": "MT_PROM_URL",
    "prometheus3": "MT_PROM3_URL",
    "victoriametrics-1.79": "MT_VM_URL",
    "victoriametrics-1.151": "MT_VM3_URL",
}


@dataclass(frozen=True)
class Healthy:
    """An engine's name, its exporter and address, and a client for what is made there."""

    name: str
    exporter: str
    url: str
    http: httpx.Client

    def options(self, place: str) -> list[str]:
        """What aims a run at `place`: an index, or, where there are none, a label that its series alone have."""
        if self.exporter == "prometheus-remote-write":
            return ["--set", f"url={self.url}/api/v1/write", "--attribute", f"place_{place}=here"]
        return ["--set", f"url={self.url}", "--set", f"index={place}"]


@pytest.fixture(params=[*SEARCH, *SERIES])
def healthy(request: pytest.FixtureRequest) -> Iterator[Healthy]:
    exporter, variables = SEARCH.get(request.param) or ("prometheus-remote-write", (SERIES[request.param],))
    url = next((os.environ[name] for name in variables if os.environ.get(name)), None)
    if url is None:
        pytest.skip(f"no real {request.param}: {variables[0]} is not set; {HOW}")
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        yield Healthy(request.param, exporter, url, http)


def test_every_run_on_a_healthy_server_is_verified(
    tmp_path: Path, healthy: Healthy, capsys: pytest.CaptureFixture[str]
) -> None:
    old = f"h{uuid.uuid4().hex[:10]}"
    alarms, seconds = [], []
    for number in range(RUNS):
        place = f"{old}-{number}".replace("-", "_") if number % 2 else old
        # --force: half of the indices do not exist, and none has a template.
        options = (*healthy.options(place), "--force", "--format", "json")
        ran = magictel("send-sample", healthy.exporter, *options, folder=tmp_path)
        (target,) = ran.document["targets"]
        if ran.code != 0 or target["outcome"] != "verified":
            alarms.append((number, ran.code, target["outcome"], target["code"], target["message"], target))
        else:
            seconds.append(target["verification"]["time_to_visible"])
        if place != old:
            healthy.http.delete(f"/{place}")
    healthy.http.delete(f"/{old}")
    with capsys.disabled():
        slowest = max(seconds, default=float("nan"))
        print(f"\n{healthy.name}: {RUNS} runs, {len(seconds)} verified, slowest visible after {slowest:.2f} s")
    assert not alarms
