"""`magictel run` from a page to a real Prometheus: every scrape arrives, with Prometheus' own labels, values equal."""

from __future__ import annotations

import json
import math
import os
import signal
import time
import uuid
from pathlib import Path

import httpx
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.cli.running import started

pytestmark = pytest.mark.real
HOW = "bash ../shared/real/start_real.sh --without rotel,victoria,nginx -- python -m pytest -m real tests/real/test_run_real.py"
PAGE = """\
# TYPE hits counter
hits_total{{path="/",quote="a\\"b"}} {n}
# TYPE temperature gauge
temperature -0.1
broken NaN
far +Inf
# TYPE latency histogram
latency_bucket{{le="0.5"}} {n}
latency_bucket{{le="1"}} {n}
latency_bucket{{le="+Inf"}} {n}
latency_sum 0.3
latency_count {n}
# TYPE rpc summary
rpc{{quantile="0.9"}} 0.25
rpc_sum 4
rpc_count {n}
mine{{job="theirs",instance="elsewhere"}} 1
"""


@pytest.fixture
def url() -> str:
    value = os.environ.get("MT_PROM_URL")
    if not value:
        pytest.skip(f"MT_PROM_URL is not set; this runs it: {HOW}")
    return value


def test_every_scrape_is_in_prometheus_with_its_values(tmp_path: Path, httpserver: HTTPServer, url: str) -> None:
    scrapes: list[int] = []

    def page(_: Request) -> Response:
        scrapes.append(len(scrapes) + 1)
        return Response(PAGE.format(n=scrapes[-1]), content_type="text/plain; version=0.0.4")

    httpserver.expect_request("/metrics").respond_with_handler(page)
    job = f"run-{uuid.uuid4().hex[:8]}"
    command = ("run", "--from", httpserver.url_for("/metrics"), "--to", "prometheus-remote-write", "--every", "200ms")
    environment = {"PROMETHEUS_REMOTE_WRITE_URL": f"{url}/api/v1/write"}
    with started(*command, "--job", job, "--format", "json", folder=tmp_path, **environment) as running:
        until = time.monotonic() + 60
        while len(scrapes) < 8 and time.monotonic() < until:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, (out, err)
    (target,) = json.loads(out)["targets"]
    receipt = target["receipt"]
    assert (receipt["delivered"], receipt["dropped"], receipt["rejected"]) == (receipt["sent"], 0, 0)

    with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        reply = client.get("/api/v1/query", params={"query": f'{{job="{job}"}}[5m]'}).json()
    instance = f"{httpserver.host}:{httpserver.port}"
    values: dict[str, list[float]] = {}
    times: set[float] = set()
    for row in reply["data"]["result"]:
        labels = row["metric"]
        assert labels.pop("instance") == instance
        assert labels.pop("job") == job
        values[json.dumps(labels, sort_keys=True)] = [float(value) for _, value in row["values"]]
        times |= {at for at, _ in row["values"]}

    def of(name: str, **labels: str) -> list[float]:
        return values.pop(json.dumps({"__name__": name, **labels}, sort_keys=True))

    counts = [float(number) for number in scrapes]
    assert of("up") == [1.0] * len(scrapes)
    assert len(times) == len(scrapes)
    assert of("hits_total", path="/", quote='a"b') == counts
    assert of("temperature") == [-0.1] * len(scrapes)
    assert all(map(math.isnan, of("broken")))
    assert of("far") == [math.inf] * len(scrapes)
    for bound in ("0.5", "1.0", "+Inf"):
        assert of("latency_bucket", le=bound) == counts
    assert of("latency_sum") == [0.3] * len(scrapes)
    assert of("latency_count") == counts
    assert of("rpc", quantile="0.9") == [0.25] * len(scrapes)
    assert of("rpc_sum") == [4.0] * len(scrapes)
    assert of("rpc_count") == counts
    assert of("mine", exported_job="theirs", exported_instance="elsewhere") == [1.0] * len(scrapes)
    assert values == {}


@pytest.mark.parametrize(
    ("variable", "protocol"), [("MT_PROM_URL", "1.0"), ("MT_PROM3_URL", "1.0"), ("MT_PROM3_URL", "2.0")]
)
def test_a_series_that_leaves_the_page_ends_at_once(
    variable: str, protocol: str, tmp_path: Path, httpserver: HTTPServer
) -> None:
    if not (url := os.environ.get(variable)):
        pytest.skip(f"{variable} is not set; {HOW}")
    scrapes: list[int] = []

    def page(_: Request) -> Response:
        scrapes.append(len(scrapes) + 1)
        leaving = 'leaving 1\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
        return Response(("" if scrapes[-1] > 3 else leaving) + "staying 1\n", content_type="text/plain; version=0.0.4")

    httpserver.expect_request("/metrics").respond_with_handler(page)
    job = f"run-{uuid.uuid4().hex[:8]}"
    command = ("run", "--from", httpserver.url_for("/metrics"), "--to", "prometheus-remote-write", "--every", "200ms")
    environment = {
        "PROMETHEUS_REMOTE_WRITE_URL": f"{url}/api/v1/write",
        "PROMETHEUS_REMOTE_WRITE_PROTOCOL": protocol,
    }
    with started(*command, "--job", job, "--format", "json", folder=tmp_path, **environment) as running:
        until = time.monotonic() + 60
        while len(scrapes) < 6 and time.monotonic() < until:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, (out, err)
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:

        def names(query: str) -> set[str]:
            rows = client.get("/api/v1/query", params={"query": query}).json()["data"]["result"]
            return {row["metric"]["__name__"] for row in rows}

        assert names(f'{{job="{job}"}}') == {"up", "staying"}
        assert names(f'{{job="{job}"}}[1m]') == {"up", "staying", "leaving", "h_bucket", "h_sum", "h_count"}
