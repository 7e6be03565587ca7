"""The page in each of its forms, scraped by a real Prometheus: the same values, whatever the form, and native histograms by protobuf."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics import Exemplar

from magictel.exporters.prometheus.encoding import PageEncoding
from magictel.exporters.prometheus.negotiation import Form
from magictel.formats.prometheus.native import seen_numbers, sent_numbers
from magictel.model.metrics import groups
from magictel.sources.sample import sample
from tests.exporters.prometheus.pages import collection, counter, number

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"),
]
FORMS = {"text": Form(), "openmetrics": Form("openmetrics", "1.0.0"), "protobuf": Form("protobuf", "")}
DATA = sample("abc", 1_764_000_000.0, thorough=True).data


@pytest.fixture(scope="module")
def pages() -> Iterator[int]:
    """Serve each form under its name, whatever the scraper asks for."""
    exemplar = Exemplar({"user": "u"}, 1.0, time.time_ns(), 0xCD, 0xAB)
    (resource,) = DATA.resource_metrics
    traced = collection(counter("traced", number(3, exemplars=[exemplar])), resource=resource.resource)
    given = [*groups(DATA), *groups(traced)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            form = FORMS[self.path.strip("/")]
            parts = list(PageEncoding().page(given, form))
            body = b"".join(part for part in parts if isinstance(part, bytes))
            assert len(b"".join(parts)) == len(body), "no point is left out"  # type: ignore[arg-type]
            self.send_response(200)
            self.send_header("Content-Type", form.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def prometheus(pages: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes each form as a job of its name, and has done so."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    jobs = "".join(
        f"- {{job_name: {form}, metrics_path: /{form}, static_configs: [{{targets: ['127.0.0.1:{pages}']}}]}}\n"
        for form in FORMS
    )
    (folder / "prometheus.yml").write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    features = "--enable-feature=native-histograms,exemplar-storage"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}", features], stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=10) as client:
                wait_for_scrapes(client)
                yield client
        finally:
            process.terminate()
            process.wait(20)


def wait_for_scrapes(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            targets = client.get("/api/v1/targets").json()["data"]["activeTargets"]
        except (httpx.HTTPError, ValueError):  # it is not ready, and says so in a text
            targets = []
        if len(targets) == len(FORMS) and all(target["health"] != "unknown" for target in targets):
            assert {target["lastError"] for target in targets} == {""}
            return
        time.sleep(0.2)
    pytest.fail("Prometheus did not scrape all pages in a minute")


def rows(client: httpx.Client, query: str) -> list[Any]:
    reply = client.get("/api/v1/query", params={"query": query}).json()
    assert reply["status"] == "success", reply
    result: list[Any] = reply["data"]["result"]
    return result


def stored(client: httpx.Client, job: str) -> dict[frozenset[tuple[str, str]], str]:
    """The numbers of a form by their series, without what only some forms carry."""
    ours = f'{{job="{job}",__name__!~"up|scrape_.*|.*_created|magictel_sample_size_bytes.*"}}'
    return {
        frozenset((name, value) for name, value in row["metric"].items() if name != "job"): row["value"][1]
        for row in rows(client, ours)
    }


def test_each_form_gives_the_same_numbers(prometheus: httpx.Client) -> None:
    text, openmetrics, protobuf = (stored(prometheus, job) for job in FORMS)
    assert len(text) > 20
    assert openmetrics == text
    assert protobuf == text


def test_an_exponential_histogram_is_native_by_protobuf_and_count_and_sum_otherwise(prometheus: httpx.Client) -> None:
    (group,) = (group for group in groups(DATA) if group.stream.name == "magictel.sample.size")
    native = {row["metric"]["magictel_sample_point"]: row for row in rows(prometheus, "magictel_sample_size_bytes")}
    for point in group.points:
        row = native[point.attributes["magictel.sample.point"]]
        assert row["metric"]["job"] == "protobuf"
        assert seen_numbers(row["histogram"][1]) == sent_numbers(point)
    for suffix in ("count", "sum"):
        shown = rows(prometheus, f"magictel_sample_size_bytes_{suffix}")
        numbers = sorted((row["metric"]["job"], float(row["value"][1])) for row in shown)
        sent = [float(getattr(point, suffix)) for point in group.points]
        assert numbers == sorted((job, value) for job in ("openmetrics", "text") for value in sent)


@pytest.mark.parametrize("form", ["openmetrics", "protobuf"])
def test_an_exemplar_arrives(prometheus: httpx.Client, form: str) -> None:
    now = time.time()
    parameters = {"query": f'traced_total{{job="{form}"}}', "start": str(now - 600), "end": str(now + 600)}
    (series,) = prometheus.get("/api/v1/query_exemplars", params=parameters).json()["data"]
    (exemplar, *_) = series["exemplars"]
    assert exemplar["labels"] == {"trace_id": f"{0xAB:032x}", "span_id": f"{0xCD:016x}", "user": "u"}


def test_metadata_arrives(prometheus: httpx.Client) -> None:
    metadata = prometheus.get("/api/v1/metadata").json()["data"]
    shown = {(entry["type"], entry["help"]) for entry in metadata["magictel_sample_latency_seconds"]}
    assert shown == {("histogram", "Of a request.")}
