"""Pages made at random, scraped by a real Prometheus 3 and read by us: taken or refused, names, labels, values and times."""

from __future__ import annotations

import json
import math
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from magictel.formats.prometheus.numbers import open_metrics
from magictel.model.metrics import Kind
from magictel.sources.errors import SourceError
from magictel.sources.prometheus_text import PrometheusText
from tests.sources.pages_at_random import RandomPage, random_page

pytestmark = pytest.mark.real
HOW = "bash ../shared/real/start_prom3.sh --without victoria -- python -m pytest -m real tests/real/test_pages_real.py"
PAGES = 200
UNTIMED = 1
"""The time that we give samples without one, to tell them: Prometheus gives them that of its scrape."""

Series = tuple[str, frozenset[tuple[str, Any]]]


def variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"{name} is not set; this runs it: {HOW}")
    return value


@contextmanager
def served(pages: list[RandomPage]) -> Iterator[str]:
    """Serve the pages, each under its number."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages[int(self.path.strip("/"))]
            self.send_response(200)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            with suppress(OSError):  # a scrape that was given up
                self.wfile.write(page.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def ours(page: RandomPage) -> dict[Series, tuple[float, int]] | str:
    """The series that we read, each with its value and its time in milliseconds; or why we refuse the page."""

    def refuse(error: SourceError) -> None:
        raise error

    series: dict[Series, tuple[float, int]] = {}

    def put(name: str, labels: dict[str, Any], value: float, moment: int) -> None:
        series.setdefault(identity(name, labels), (value, moment))

    try:
        batches = list(PrometheusText("p", UNTIMED * 1_000_000, openmetrics=page.openmetrics).read([page.body], refuse))
    except SourceError as error:
        return error.message
    for part in (part for batch in batches for part in batch):
        name = part.head.name
        for point in part.points:
            any_point: Any = point
            labels, moment = dict(any_point.attributes), any_point.time_unix_nano // 1_000_000
            if part.head.kind is Kind.HISTOGRAM:
                count = 0
                for bound, more in zip((*any_point.explicit_bounds, math.inf), any_point.bucket_counts, strict=True):
                    count += more
                    put(f"{name}_bucket", {**labels, "le": open_metrics(bound)}, count, moment)
                put(f"{name}_count", labels, any_point.count, moment)
                put(f"{name}_sum", labels, any_point.sum, moment)
            else:
                put(name, labels, any_point.value, moment)
            if any_point.start_time_unix_nano:
                created = any_point.start_time_unix_nano / 1_000_000_000
                put(f"{name.removesuffix('_total')}_created", labels, created, moment)
    return series


def identity(name: str, labels: dict[str, Any]) -> Series:
    """A series; bounds and quantiles as numbers, since Prometheus writes them its way only behind their TYPE line."""
    return name, frozenset((key, float(text) if key in ("le", "quantile") else text) for key, text in labels.items())


@pytest.fixture(scope="module")
def judged() -> tuple[list[RandomPage], dict[int, str], dict[int, dict[Series, tuple[float, int]]]]:
    """The pages, why Prometheus refused some (empty: it did not), and the series that it stored of each."""
    url, folder = variable("MT_PROM3_URL"), Path(variable("MT_PROM3_TARGETS_DIR"))
    run = uuid.uuid4().hex[:8]
    now = int(time.time()) - 2
    pages = [random_page(seed, now) for seed in range(PAGES)]
    targets = folder / f"{run}.json"
    with served(pages) as address, httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        groups = [
            {"targets": [address], "labels": {"__metrics_path__": f"/{number}", "run": run, "page": str(number)}}
            for number in range(PAGES)
        ]
        try:
            targets.write_text(json.dumps(groups))
            errors = scraped(client, run)
            time.sleep(2)  # for what came late to be stored: each page is scraped every second
            rows = client.get("/api/v1/query", params={"query": f'{{run="{run}"}}[2m]'}).json()["data"]["result"]
        finally:
            targets.unlink(missing_ok=True)
    stored: dict[int, dict[Series, tuple[float, int]]] = {number: {} for number in range(PAGES)}
    for row in rows:
        labels = row["metric"]
        number = int(labels.pop("page"))
        for key in ("run", "instance", "job"):
            del labels[key]
        if "exported_job" in labels:
            labels["job"] = labels.pop("exported_job")
        name = labels.pop("__name__")
        if name == "up" or name.startswith("scrape_"):
            continue
        moment, value = row["values"][0]
        stored[number][identity(name, labels)] = float(value), round(moment * 1000)
    return pages, errors, stored


def scraped(client: httpx.Client, run: str) -> dict[int, str]:
    """Each page's error (empty: none), once all were scraped."""
    for _ in range(240):
        active = client.get("/api/v1/targets", params={"state": "active"}).json()["data"]["activeTargets"]
        targets = [target for target in active if target["labels"].get("run") == run]
        late = ("deadline exceeded", "connection re")  # a machine with other work to do: it is asked again each second
        if len(targets) == PAGES and not any(
            target["health"] == "unknown" or any(text in target["lastError"] for text in late) for target in targets
        ):
            return {int(target["labels"]["page"]): target["lastError"] for target in targets}
        time.sleep(0.5)
    pytest.skip("Prometheus did not scrape all pages within two minutes")


def test_pages_that_prometheus_refuses_are_refused_and_those_it_takes_are_taken(judged: Any) -> None:
    pages, errors, _ = judged
    differences = []
    for number, page in enumerate(pages):
        read = ours(page)
        if bool(errors[number]) != isinstance(read, str):
            differences.append((number, page.body, errors[number], read))
    assert not differences
    assert 30 < sum(map(bool, errors.values())) < PAGES - 30


def test_names_labels_values_and_times_are_those_that_prometheus_stores(judged: Any) -> None:
    pages, errors, stored = judged
    differences = []
    for number, page in enumerate(pages):
        read = ours(page)
        if errors[number] or isinstance(read, str):
            continue
        timed = any(moment != UNTIMED for _, moment in read.values())
        if read.keys() != stored[number].keys():
            differences.append((number, page.body, read.keys() ^ stored[number].keys()))
        for series, (value, moment) in read.items() if read.keys() == stored[number].keys() else ():
            seen, seen_at = stored[number][series]
            same = value == seen or (value != value and seen != seen)
            # where others have a time, a sample without one has the newest with us, and the scrape's with Prometheus
            if not same or (timed and moment != seen_at and seen_at % 1000 == 0):
                differences.append((number, page.body, (series, value, moment, seen, seen_at)))
    assert not differences
