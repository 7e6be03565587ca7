"""Replays into real engines: the ledger is what the backend's own count says, and a replay that was killed is made whole by another.

Run: `bash ../shared/real/start_search.sh --with es8,os2 -- bash ../shared/real/start_real.sh --without rotel -- python -m pytest
tests/real/test_replay_real.py`
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import Ran, magictel, started

pytestmark = pytest.mark.real
SHARED = Path(__file__).parents[3] / "shared" / "data"
HOW = "bash ../shared/real/start_search.sh --with es8,os2 -- python -m pytest -m real tests/real/test_replay_real.py"
SEARCH = {"es8": ("elasticsearch", ("MT_ES8_URL", "MT_ES_URL")), "os2": ("opensearch", ("MT_OS2_URL", "MT_OS_URL"))}
PROMETHEUS = {"prometheus": "MT_PROM_URL", "victoria": "MT_VM_URL"}


@dataclass(frozen=True)
class Backend:
    """One engine: the options that aim at it, and its own count of what a run stored."""

    options: tuple[str, ...]
    count: Callable[[], int]
    run: str
    search: bool
    doubles: bool = False
    """True where the backend keeps a sample as often as it was sent: VictoriaMetrics, as long as nobody asks it to deduplicate."""


@pytest.fixture(params=[*SEARCH, *PROMETHEUS])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    run = f"r{uuid.uuid4().hex[:10]}"
    if request.param in SEARCH:
        exporter, variables = SEARCH[request.param]
        url = url_of(*variables)
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:

            def documents() -> int:
                http.post(f"/{run}/_refresh")
                return int(http.get(f"/{run}/_count").json().get("count", 0))

            yield Backend(("--to", exporter, "--set", f"url={url}", "--set", f"index={run}"), documents, run, True)
            http.delete(f"/_data_stream/{run}")
            http.delete(f"/{run}")
        return
    url = url_of(PROMETHEUS[request.param])
    doubles = request.param == "victoria"
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:

        def samples() -> int:
            selector = f'{{run="{run}",poll!="{uuid.uuid4().hex}"}}[1h]'
            # Prometheus has no sum over metrics of several names, VictoriaMetrics shows a range without its doubles.
            query = f"sum(count_over_time({selector}))" if doubles else selector
            document = http.get("/api/v1/query", params={"query": query, "time": f"{time.time() + 5:.3f}"}).json()
            result = document["data"]["result"]
            return sum(int(float(row["value"][1])) if doubles else len(row["values"]) for row in result)

        url = f"{url}/api/v1/write"
        yield Backend(
            ("--to", "prometheus-remote-write", "--set", f"url={url}"), samples, run, False, request.param == "victoria"
        )


def url_of(*names: str) -> str:
    url = next((os.environ[name] for name in names if os.environ.get(name)), None)
    if url is None:
        pytest.skip(f"{names[0]} is not set; {HOW}")
    return url


def replayed(folder: Path, file: str, backend: Backend, *more: str) -> Ran:
    return magictel("replay", file, *backend.options, *more, "--format", "json", folder=folder)


def settles(count: Callable[[], int], wanted: int) -> int:
    """The count once it is what is wanted, or what it is after a while."""
    until = time.monotonic() + 20
    while (counted := count()) != wanted and time.monotonic() < until:
        time.sleep(0.3)
    time.sleep(0.5)
    return count() if counted == wanted else counted


def marked(line: str, run: str) -> str:
    """A sample of a page, with the run as a label."""
    if not line or line.startswith("#"):
        return line
    name, brace, rest = line.partition("{") if "{" in line.split(" ")[0] else (line.split(" ")[0], "", "")
    if brace:
        return f'{name}{{run="{run}",{rest}'
    return f'{name}{{run="{run}"}} {line.split(" ", 1)[1]}'


def recording(run: str, lines: int) -> str:
    """`lines` collections of 200 gauges, a second apart, the newest a moment ago."""
    now = time.time_ns() // 1_000_000_000 * 1_000_000_000
    collections = []
    for number in range(lines):
        points = [
            {
                "attributes": [
                    {"key": "run", "value": {"stringValue": run}},
                    {"key": "series", "value": {"intValue": str(series)}},
                ],
                "timeUnixNano": str(now - (lines - number) * 1_000_000_000),
                "asDouble": number + series / 8,
            }
            for series in range(200)
        ]
        metric = {"name": "replay_real", "gauge": {"dataPoints": points}}
        collections.append(json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}))
    return "\n".join(collections) + "\n"


def ledger(ran: Ran) -> Any:
    (target,) = ran.document["targets"]
    receipt = target["receipt"]
    fates = ("delivered", "unconfirmed", "rejected", "withheld", "kept", "dropped")
    assert receipt["sent"] == sum(receipt[fate] for fate in fates) == ran.document["source"]["points"]
    return receipt


def test_the_page_of_a_node_exporter_is_all_there(tmp_path: Path, backend: Backend) -> None:
    page = SHARED / "node_exporter" / "e2e-output.txt"
    if not page.exists():
        pytest.skip("the recorded page is not here")
    text = "\n".join(marked(line, backend.run) for line in page.read_text().split("\n"))
    (tmp_path / "page").write_text(text)
    prepared(tmp_path, backend)
    ran = replayed(tmp_path, "page", backend, "--verify")
    receipt = ledger(ran)
    seen = verification(ran)
    assert seen["expected"] == seen["found"] == receipt["delivered"], seen
    samples = len(re.findall(rf'run="{backend.run}"', text))
    wanted = receipt["delivered"] if backend.search else samples
    assert (ran.code, ran.document["outcome"], seen["altered"]) == (0, "verified", 0), ran
    assert settles(backend.count, wanted) == wanted


def test_what_the_collectors_file_exporter_wrote_is_all_there(tmp_path: Path, backend: Backend) -> None:
    file = SHARED / "otlp-file-exporter" / "metrics.jsonl"
    if not file.exists():
        pytest.skip("the recording is not here")
    mark = f'"attributes":[{{"key":"run","value":{{"stringValue":"{backend.run}"}}}},{{"key":"label-'
    (tmp_path / "r").write_text(file.read_text().replace('"attributes":[{"key":"label-', mark))
    prepared(tmp_path, backend)
    ran = replayed(tmp_path, "r", backend, "--verify")
    receipt = ledger(ran)
    seen = verification(ran)
    assert seen["altered"] == 0, seen
    # The recording holds points twice: same series, same time. A backend with ids holds each once and says so in the ledger.
    if backend.search:
        assert receipt["rejected"] == 0
        wanted = receipt["delivered"] - sum(why["count"] for why in receipt["reasons"])
        assert wanted < receipt["delivered"]
        assert (seen["expected"], ran.code, ran.document["outcome"]) == (wanted, 0, "verified"), ran
    else:  # 123, 120, 121 and 125 in one millisecond: one is sent, and the three others are rejected beforehand, by name
        wanted = receipt["delivered"] if backend.doubles else distinct_points((tmp_path / "r").read_text())
        assert [(why["code"], why["count"]) for why in receipt["reasons"]] == [("prom.rw.collision", 3)], receipt
        assert (ran.code, ran.document["outcome"], seen["missing"]) == (1, "rejected", 0), ran
    assert settles(backend.count, wanted) == wanted


def prepared(folder: Path, backend: Backend) -> None:
    """An index without a mapping of its own keeps decimals in 32 bits: every value would be altered, and found so."""
    if backend.search:
        exporter, *options = backend.options[1:]
        ran = magictel("prepare", exporter, *options, "--apply", folder=folder)
        assert ran.code == 0, ran


def verification(ran: Ran) -> Any:
    (target,) = ran.document["targets"]
    seen = target["verification"]
    assert seen["identity"] == "point"
    return seen


def distinct_points(text: str) -> int:
    """Series and times, in milliseconds."""
    values = set()
    for line in text.splitlines():
        for resource in json.loads(line)["resourceMetrics"]:
            for scope in resource["scopeMetrics"]:
                for metric in scope["metrics"]:
                    for point in metric["sum"]["dataPoints"]:
                        moment = int(point["timeUnixNano"]) // 1_000_000
                        values.add((metric["name"], json.dumps(point["attributes"]), moment))
    return len(values)


def test_killed_in_the_middle_and_replayed_again_nothing_is_lost_and_nothing_doubled(
    tmp_path: Path, backend: Backend
) -> None:
    lines = 300
    (tmp_path / "r").write_text(recording(backend.run, lines))
    arguments = ["replay", "r", *backend.options, "--shift", "keep"]
    with started(*arguments, "--speed", "60", folder=tmp_path) as running:
        until = time.monotonic() + 20
        while backend.count() == 0:
            assert time.monotonic() < until
            time.sleep(0.05)
        running.kill()
        running.wait(10)
    before = backend.count()
    assert 0 < before < lines * 200
    ran = replayed(tmp_path, "r", backend, "--shift", "keep")
    receipt = ledger(ran)
    assert (ran.code, receipt["delivered"]) == (0, lines * 200), ran
    if backend.doubles:
        assert (
            settles(backend.count, lines * 200 + before) >= lines * 200
        )  # nothing is lost; what was sent twice is there twice
    else:
        assert settles(backend.count, lines * 200) == lines * 200


def test_a_time_series_index_makes_its_own_ids_so_points_are_counted(tmp_path: Path) -> None:
    url, index = url_of("MT_ES8_URL", "MT_ES_URL"), f"r{uuid.uuid4().hex[:10]}"
    dimension = {"time_series_dimension": True}
    properties = {"run": {"type": "keyword", **dimension}, "series": {"type": "long", **dimension}}
    mappings = {"@timestamp": {"type": "date"}, "name": {"type": "keyword", **dimension}}
    template = {
        "settings": {"index.mode": "time_series", "index.routing_path": ["name"]},
        "mappings": {"properties": {**mappings, "attributes": {"properties": properties}}},
    }
    lines = recording(index, 3)
    (tmp_path / "r").write_text(lines)
    (tmp_path / "clash").write_text(lines.replace('{"key": "series"', '{"key": "host"'))
    to = ("--to", "elasticsearch", "--set", f"url={url}", "--set", f"index={index}", "--verify", "--format", "json")
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
        body = {"index_patterns": [index], "priority": 400, "data_stream": {}, "template": template}
        assert http.put(f"/_index_template/{index}", json=body).status_code == 200
        try:
            for _ in range(2):  # the second time each already exists, and none is there twice
                ran = magictel("replay", "r", *to, "--shift", "keep", folder=tmp_path)
                assert (ran.code, ran.document["outcome"]) == (0, "verified"), ran
                (target,) = ran.document["targets"]
                seen = target["verification"]
                assert seen["identity"] == "metric"
                assert seen["counted"] == [{"metric": "replay_real", "expected": 600, "shown": 600}]
                assert http.get(f"/{index}/_count").json()["count"] == 600
            # Without the dimension 200 points a time are one to Elasticsearch: the others are refused before they are sent.
            ran = magictel("replay", "clash", *to, folder=tmp_path)
            (target,) = ran.document["targets"]
            receipt = target["receipt"]
            assert (ran.code, ran.document["outcome"], target["code"]) == (1, "rejected", "es.write.tsdb-collision"), (
                ran
            )
            assert (receipt["delivered"], receipt["rejected"], receipt["unconfirmed"]) == (3, 597, 0)
            assert "attributes.host, which is not a dimension" in receipt["reasons"][0]["example"]
            assert http.get(f"/{index}/_count").json()["count"] == 603
        finally:
            http.delete(f"/_data_stream/{index}")
            http.delete(f"/_index_template/{index}")
