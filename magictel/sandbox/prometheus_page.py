"""An emulator of a Prometheus that scrapes a page: it scrapes before it answers a query, and decodes with protobuf's own classes.

It has no clockwork: it scrapes when it is asked for targets or samples. Its own `/metrics` is the page of the application that
listens on the port in `environment`, or, while there is none, a small page of itself, so that `check` has one to read.
"""

from __future__ import annotations

import math
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import DecodeError

from magictel.clock import Clock
from magictel.http.wire import Reply, Request
from magictel.sandbox.prometheus_page_protobuf import families
from magictel.sandbox.prometheus_query import number
from magictel.sandbox.prometheus_remote_write import Parameters, PrometheusRemoteWriteEmulator, success
from magictel.sandbox.prometheus_store import NativeHistogram, RefusedError

_ACCEPT = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
_LONGEST = 64 * 1024 * 1024
_TIMEOUT = 5.0
_INTERVAL = "1s"
_NEVER = "0001-01-01T00:00:00Z"
_COUNTER, _GAUGE, _SUMMARY, _HISTOGRAM = 0, 1, 2, 4
Row = tuple[dict[str, str], float | NativeHistogram]


class PrometheusPageEmulator(PrometheusRemoteWriteEmulator):
    """A Prometheus with two targets: its own page, and the one on `port` of this machine."""

    name = "prometheus"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.port = _free_port()
        self.origin = ""
        self.error = ""
        """Why the latest scrape failed, or an empty text."""
        self._scraped: float | None = None
        self._latest = 0
        self._turn = threading.Lock()
        self.routes.on("GET", "/api/v1/targets")(self.targets)
        self.routes.on("GET", "/metrics")(self.page)

    def is_write(self, request: Request) -> bool:
        """False: nothing is written to it."""
        return False

    def environment(self, origin: str) -> dict[str, str]:
        """Return the variables that point the exporter here: its port, the page that check reads, and the Prometheus."""
        self.origin = origin
        return {
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.port),
            "OTEL_EXPORTER_PROMETHEUS_URL": f"{origin}/metrics",
            "PROMETHEUS_URL": origin,
        }

    def query(self, request: Request, parameters: Parameters) -> Reply:
        """Scrape, and answer."""
        self.scrape()
        return super().query(request, parameters)

    def targets(self, request: Request, parameters: Parameters) -> Reply:
        """Scrape, and show both targets."""
        self.scrape()
        now = datetime.fromtimestamp(self.clock.now(), UTC).isoformat()
        last = _NEVER if self._scraped is None and not self.error else now
        mine = _target(f"{self.origin}/metrics", "sandbox", "up", "", now)
        health = "down" if self.error else "unknown" if self._scraped is None else "up"
        other = _target(f"http://127.0.0.1:{self.port}/metrics", "magictel", health, self.error, last)
        return success({"activeTargets": [mine, other], "droppedTargets": []})

    def page(self, request: Request, parameters: Parameters) -> Reply:
        """Return the page of the application, or a small one of the sandbox."""
        try:
            content_type, body = self._fetched("text/plain;version=0.0.4")
        except OSError:
            text = (
                "# HELP magictel_sandbox_samples Samples that the sandbox stores.\n"
                f"# TYPE magictel_sandbox_samples gauge\nmagictel_sandbox_samples {self.stored}\n"
            )
            content_type, body = "text/plain; version=0.0.4; charset=utf-8", text.encode()
        return Reply(200, {"content-type": content_type}, body)

    def scrape(self) -> None:
        """Scrape the page on `port` once; `error` says why it failed."""
        with self._turn:
            time = max(int(self.clock.now() * 1000), self._latest + 1)
            try:
                _, body = self._fetched(_ACCEPT)
                around = {"job": "magictel", "instance": f"127.0.0.1:{self.port}"}
                rows = [row for family in families(body) for row in _rows(family)]
                series = [([*_joined(labels, around).items()], [(time, value)]) for labels, value in rows]
                self.store.append(series, int(self.clock.now() * 1000))
            except (OSError, DecodeError, IndexError, RefusedError) as failure:
                self.error = str(failure)
            else:
                self.error, self._scraped, self._latest = "", self.clock.now(), time

    def _fetched(self, accept: str) -> tuple[str, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"Accept": accept})  # http
        try:
            with _direct.open(request, timeout=_TIMEOUT) as reply:
                return reply.headers.get("Content-Type", ""), reply.read(_LONGEST)
        except urllib.error.HTTPError as failure:
            raise OSError(f"server returned HTTP status {failure.code} {failure.reason}") from None
        except urllib.error.URLError as failure:
            why = "connection refused" if isinstance(failure.reason, ConnectionRefusedError) else str(failure.reason)
            raise OSError(f'Get "http://127.0.0.1:{self.port}/metrics": {why}') from None


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _joined(labels: dict[str, str], around: dict[str, str]) -> dict[str, str]:
    """Return a series' labels with those of its target; a label that both have becomes `exported_…`."""
    return {**{f"exported_{name}" if name in around else name: value for name, value in labels.items()}, **around}


def _rows(family: Any) -> Iterator[Row]:
    for metric in family.metric:
        labels = {label.name: label.value for label in metric.label}
        for suffix, more, value in _samples(family, metric):
            yield {**labels, **more, "__name__": family.name + suffix}, value


def _samples(family: Any, metric: Any) -> Iterator[tuple[str, dict[str, str], float | NativeHistogram]]:
    if family.type == _HISTOGRAM:
        histogram = metric.histogram
        if histogram.positive_span or histogram.negative_span or histogram.zero_threshold:
            yield "", {}, _native(histogram)
            return
        bounds = [(bucket.upper_bound, bucket.cumulative_count) for bucket in histogram.bucket]
        if not bounds or bounds[-1][0] != math.inf:
            bounds.append((math.inf, histogram.sample_count))
        for bound, count in bounds:
            yield "_bucket", {"le": _bound(bound)}, float(count)
        yield "_sum", {}, histogram.sample_sum
        yield "_count", {}, float(histogram.sample_count)
    elif family.type == _SUMMARY:
        for quantile in metric.summary.quantile:
            yield "", {"quantile": _bound(quantile.quantile)}, quantile.value
        yield "_sum", {}, metric.summary.sample_sum
        yield "_count", {}, float(metric.summary.sample_count)
    else:
        kinds = {_COUNTER: metric.counter, _GAUGE: metric.gauge}
        yield "", {}, kinds.get(family.type, metric.untyped).value


def _bound(value: float) -> str:
    """Return a bound as Prometheus stores it from a page: `1.0`."""
    text = number(value)
    return f"{text}.0" if text.lstrip("-").isdigit() else text


def _native(histogram: Any) -> NativeHistogram:
    base = 2.0 ** (2.0**-histogram.schema)
    buckets: list[tuple[float, float, int]] = []
    for sign, spans, deltas in (
        (-1, histogram.negative_span, histogram.negative_delta),
        (1, histogram.positive_span, histogram.positive_delta),
    ):
        index = count = at = 0
        for span in spans:
            index += span.offset
            for _ in range(span.length):
                count += deltas[at]
                at += 1
                low, high = base ** (index - 1), base**index
                buckets.append((*sorted((sign * low, sign * high)), count))
                index += 1
    buckets.append((-histogram.zero_threshold, histogram.zero_threshold, histogram.zero_count))
    filled = sorted(bucket for bucket in buckets if bucket[2])
    return NativeHistogram(histogram.sample_count, histogram.sample_sum, tuple(filled))


def _target(url: str, job: str, health: str, error: str, last: str) -> dict[str, Any]:
    instance = url.split("/")[2]
    return {
        "discoveredLabels": {"__address__": instance, "__metrics_path__": "/metrics", "__scheme__": "http", "job": job},
        "labels": {"instance": instance, "job": job},
        "scrapePool": job,
        "scrapeUrl": url,
        "globalUrl": url,
        "lastError": error,
        "lastScrape": last,
        "lastScrapeDuration": 0.01,
        "health": health,
        "scrapeInterval": _INTERVAL,
        "scrapeTimeout": _INTERVAL,
    }


def _free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
