"""Datadog's series and sketches against a real receiver: VictoriaMetrics' Datadog door, whose PromQL shows what it stores.

Run: `bash ../shared/real/start_prom3.sh --without prometheus -- python -m pytest -m real tests/real/test_datadog_real.py`
"""

from __future__ import annotations

import json
import math
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.model.metrics import groups
from magictel.model.verification import POINT
from magictel.secrets.secret import Secret
from magictel.sources.sample import sample
from tests.cli.running import magictel
from tests.real.losses import DAY, Case, Point, recording

HOW = "bash ../shared/real/start_prom3.sh --without prometheus -- python -m pytest -m real tests/real/test_datadog_real.py"
KEY = "0" * 32
pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def door(variable: str = "MT_VM3_DATADOG_URL") -> str:
    """Return the address of a receiver, or skip."""
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set; this runs it: {HOW}")
    return url


def stored(run: str) -> list[tuple[dict[str, str], list[float]]]:
    """Return the labels and values of each series with this tag `a_run`, by PromQL."""
    base = door("MT_VM3_URL")
    httpx.get(f"{base}/internal/force_flush", trust_env=False).raise_for_status()
    question = {"query": f'{{a_run="{run}"}}[5d]', "time": str(time.time() + 4 * DAY)}
    reply = httpx.get(f"{base}/api/v1/query", params=question, trust_env=False).raise_for_status()
    return [(row["metric"], [float(value) for _, value in row["values"]]) for row in reply.json()["data"]["result"]]


def new_run() -> str:
    return f"r{uuid.uuid4().hex[:10]}"


def deliver(data: MetricsData, **options: Any) -> Any:
    exporter = DatadogExporter(DatadogSettings(url=door(), api_key=Secret(KEY), **options))
    try:
        return exporter.deliver(data)
    finally:
        exporter.shutdown(0)


def numbers(data: MetricsData) -> dict[tuple[str, str], list[float]]:
    """Return the numbers of a collection by name and point: a histogram has four."""
    values: dict[tuple[str, str], list[float]] = {}
    for group in groups(data):
        for point in group.points:
            place = str((point.attributes or {})[POINT])
            if isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
                for part in ("count", "sum", "min", "max"):
                    values[f"{group.stream.name}.{part}", place] = [float(getattr(point, part))]
            else:
                values[group.stream.name, place] = [float(point.value)]
    return values


@pytest.mark.parametrize("histograms", ["distributions", "aggregates"])
@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_victoriametrics_stores_every_number_as_sent(encoding: str, compression: str, histograms: str) -> None:
    run = new_run()
    data = sample(run, time.time(), thorough=True, attributes={"a_run": run}).preferred(delta=True).data
    receipt = deliver(data, encoding=encoding, compression=compression, histograms=histograms)
    assert (receipt.sent, receipt.delivered) == (17, 17), receipt
    shown = {
        (labels["__name__"].replace("minus_zero", "minus-zero"), labels[POINT]): values
        for labels, values in stored(run)
        if "quantile" not in labels
    }
    assert shown == numbers(data)


def test_victoriametrics_stores_tags_and_hosts_as_labels() -> None:
    run = new_run()
    data = sample(run, time.time(), attributes={"a_run": run}).preferred(delta=True).data
    deliver(data, tags=["team:Core"], env="prod", hostname="node-1")
    for labels, _ in stored(run):
        got = {key: labels.get(key) for key in ("team", "env", "service", "host", "path", "zone")}
        zones = "eu-central-1a", "us-west-2-lax", "größe-ä-東京-α"
        zone = zones[int(labels["shard"]) % 3]
        wanted = {"team": "core", "env": "prod", "service": "magictel", "host": "node-1", "zone": zone}
        assert got == {**wanted, "path": "_first-step_second-step"}


def test_quantiles_of_a_distribution_are_those_of_its_values() -> None:
    dice, run, scale = random.Random(7), new_run(), 7
    values = sorted(round(dice.lognormvariate(0, 2), 6) for _ in range(2_000))
    indices = [math.ceil(math.log2(value) * (1 << scale)) - 1 for value in values]
    buckets = Buckets(indices[0], [indices.count(index) for index in range(indices[0], indices[-1] + 1)])
    now = time.time_ns()
    about = len(values), sum(values), scale, 0, buckets, Buckets(0, []), 0, values[0], values[-1]
    point = ExponentialHistogramDataPoint({"a_run": run}, now - 10**10, now, *about)
    latency = Metric("latency", "", "s", ExponentialHistogram([point], AggregationTemporality.DELTA))
    scope = ScopeMetrics(InstrumentationScope("t"), [latency], "")
    assert deliver(MetricsData([ResourceMetrics(Resource({}), [scope], "")])).delivered == 1
    shown = {float(labels["quantile"]): shown_values for labels, shown_values in stored(run) if "quantile" in labels}
    exact = {quantile: values[round(quantile * (len(values) - 1))] for quantile in (0.5, 0.75, 0.9, 0.95, 0.99)}
    assert shown == {quantile: [pytest.approx(value, rel=0.03)] for quantile, value in exact.items()}


# ---- what VictoriaMetrics drops or changes behind a 202 ---------------------------------------------------------------

WITHHELD = {
    "milliseconds for seconds": Point("silent.time", 1.5, time.time() / 1_000, epoch=True),
    "+3 days": Point("silent.ahead", 1.5, 3 * DAY),
    "no value": Point("silent.nan", "NaN"),
}


def command(*words: str, folder: Path, **environment: str) -> Any:
    given = {"DD_URL": door(), "DD_API_KEY": KEY, **environment}
    ran = magictel(*words, "--within", "2s", "--format", "json", folder=folder, environment=given)
    return ran.code, ran.document["targets"][0]


@pytest.mark.parametrize("app_key", ["", "0" * 40])
def test_a_sample_that_victoriametrics_drops_is_unverified(app_key: str, tmp_path: Path) -> None:
    """As every sample there, since it has none of Datadog's queries. It drops points with so many tags."""
    run = new_run()
    words = [f"--attribute=t{number}=1" for number in range(60)]
    environment = {"DD_APP_KEY": app_key} if app_key else {}
    code, target = command("send-sample", "datadog", f"--attribute=a_run={run}", *words, folder=tmp_path, **environment)
    assert (code, target["outcome"], target["receipt"]["delivered"]) == (3, "unverified", 12), target
    assert target["code"] == ("verify.unreadable" if app_key else "dd.no-app-key")
    assert stored(run) == []


def test_a_tag_that_victoriametrics_would_drop_is_sent_with_datadogs_length(tmp_path: Path) -> None:
    run = new_run()
    words = f"--attribute=a_run={run}", f"--attribute=long={'x' * 5000}"
    code, target = command("send-sample", "datadog", *words, folder=tmp_path)
    assert (code, target["outcome"]) == (3, "unverified"), target
    assert {labels["long"] for labels, _ in stored(run)} == {"x" * 195}


@pytest.mark.parametrize("name", WITHHELD)
def test_a_point_that_victoriametrics_would_drop_or_change_is_not_sent(name: str, tmp_path: Path) -> None:
    run = new_run()
    (tmp_path / "r.jsonl").write_text(recording(Case({}, (WITHHELD[name],)), run))
    code, target = command("replay", "r.jsonl", "--to", "datadog", "--shift", "keep", "--verify", folder=tmp_path)
    assert code != 0, target
    assert target["receipt"]["delivered"] == 0, json.dumps(target["receipt"])
    assert stored(run) == []
