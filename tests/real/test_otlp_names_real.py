"""The same OTLP request to Prometheus 3's own OTLP receiver and by our remote write: the same series, labels and values."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.sources.batching import Gathering
from magictel.sources.otlp_json import OtlpJsonReader
from tests.real.otlp_cases import cases

pytestmark = pytest.mark.real
COUNT = int(os.environ.get("MT_OTLP_CASES", "400"))
SEED = int(os.environ.get("MT_OTLP_SEED", "3"))
_HOW = "bash ../shared/real/start_prom3.sh -- python -m pytest -m real tests/real/test_otlp_names_real.py"
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "defaults": ("{}", {"scope_labels": False}),
    "specification": (
        "{label_name_preserve_multiple_underscores: false, label_name_underscore_sanitization: false, promote_scope_metadata: true}",
        {"label_names": "specification"},
    ),
    "no-suffixes": (
        "{translation_strategy: UnderscoreEscapingWithoutSuffixes}",
        {"name_suffixes": False, "scope_labels": False},
    ),
}


@pytest.fixture(scope="module", params=CONFIGS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    program = os.environ.get("MT_PROM3_BIN")
    if not program:
        pytest.skip(f"MT_PROM3_BIN is not set; this runs it: {_HOW}")
    otlp, options = CONFIGS[request.param]
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(f"otlp: {otlp}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
        "--web.enable-otlp-receiver",
        "--log.level=error",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(f"http://{address}/-/ready")
            yield f"http://{address}", options
        finally:
            process.terminate()


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{url} is not there after 30 s")


def test_remote_write_gives_the_series_that_prometheus_own_otlp_receiver_gives(server: tuple[str, Any]) -> None:
    url, options = server
    run, now = uuid.uuid4().hex[:8], int(time.time()) * 10**9
    ours = PrometheusRemoteWriteExporter(
        PrometheusRemoteWriteSettings(url=f"{url}/api/v1/write", trust_env=False, **options)
    )
    refused: set[int] = set()
    with httpx.Client(base_url=url, trust_env=False) as client:
        for number, case in enumerate(cases(COUNT, SEED, f"otlp-{run}", now)):
            reply = client.post("/api/v1/otlp/v1/metrics", json=case)
            if reply.status_code != 200:
                refused.add(number)
        left_out: set[int] = set()
        for number, case in enumerate(cases(COUNT, SEED, f"ours-{run}", now)):
            line = json.dumps(case).encode()
            for piece in Gathering().slices([OtlpJsonReader("case").line(line, 1)]):
                if ours.deliver(piece.data).delivered < piece.points:
                    left_out.add(number)
        theirs, mine = (_series(client, f"{side}-{run}", now) for side in ("otlp", "ours"))
    ours.shutdown(0)
    differing = {
        number: (theirs.get(number), mine.get(number))
        for number in range(COUNT)
        if number not in refused and theirs.get(number) != _as_prometheus(mine.get(number))
    }
    message = "\n".join(map(_difference, differing, differing.values()))
    print(
        f"{COUNT} cases, {len(refused)} refused by Prometheus, {len(left_out)} left out by us, {len(differing)} differ"
    )
    assert not differing, message[:9000]
    assert left_out <= refused


def _as_prometheus(rows: list[Any] | None) -> list[Any] | None:
    """Our rows without what we keep and Prometheus drops: an attribute that is named as a label of the scope is."""
    return rows and [
        [[label for label in labels if not label[0].startswith("exported_")], values] for labels, values in rows
    ]


def _difference(number: int, sides: tuple[list[Any] | None, list[Any] | None]) -> str:
    theirs, mine = (set(map(str, side or [])) for side in sides)
    return f"case {number}\n  only Prometheus: {sorted(theirs - mine)}\n  only ours: {sorted(mine - theirs)}"


def _series(client: httpx.Client, job: str, now: int) -> dict[int, list[Any]]:
    """What is stored of a run, by case: names and labels, without job and case, with values and times."""
    query = {"query": f'{{job=~"(.*/)?{job}"}}[1h]', "time": str(now // 10**9 + 1)}
    points: dict[int, list[Any]] = {}
    for row in client.get("/api/v1/query", params=query).json()["data"]["result"]:
        labels = row["metric"]
        number = int(labels.pop("instance").removeprefix("case-"))
        labels["job"] = labels["job"].replace(job, "JOB")
        points.setdefault(number, []).append([sorted(labels.items()), row["values"]])
    return {number: sorted(rows, key=str) for number, rows in points.items()}
