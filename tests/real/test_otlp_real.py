"""OTLP against real receivers: Prometheus 3 and VictoriaMetrics show every point, and the Collector's file what passed each of its doors.

Run: `bash ../shared/real/start_prom3.sh -- bash ../shared/real/start_collector.sh -- python -m pytest -m real
tests/real/test_otlp_real.py`
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import magictel

HOW = (
    "bash ../shared/real/start_prom3.sh -- bash ../shared/real/start_collector.sh --"
    " python -m pytest -m real tests/real/test_otlp_real.py"
)
RUNS = int(os.environ.get("MAGICTEL_HEALTHY_RUNS", "4"))
pytestmark = [pytest.mark.real, pytest.mark.timeout(180 + 12 * RUNS)]


def door(variable: str) -> str:
    """Return the address of a receiver, or skip."""
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set; this runs it: {HOW}")
    return url


def sent(url: str, folder: Path, *options: str) -> Any:
    ran = magictel("send-sample", "otlp", "--set", f"url={url}", *options, "--format", "json", folder=folder)
    (target,) = ran.document["targets"]
    return ran.code, target


@pytest.mark.parametrize("variable", ["MT_PROM3_OTLP_URL", "MT_VM3_OTLP_URL"])
@pytest.mark.parametrize("run", range(RUNS))
def test_a_server_shows_every_point_as_sent(variable: str, run: int, tmp_path: Path) -> None:
    code, target = sent(door(variable), tmp_path, "--set", f"compression={('none', 'gzip')[run % 2]}")
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12), target


def test_victoriametrics_shows_extreme_values_too(tmp_path: Path) -> None:
    code, target = sent(door("MT_VM3_OTLP_URL"), tmp_path, "--thorough")
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 17), target


@pytest.mark.parametrize(("variable", "code"), [("MT_PROM3_OTLP_URL", 0), ("MT_VM3_OTLP_URL", 0)])
def test_the_ladder(variable: str, code: int, tmp_path: Path) -> None:
    ran = magictel("check", "otlp", "--set", f"url={door(variable)}", "--allow", "empty-write", folder=tmp_path)
    assert ran.code == code, ran.out


def test_deltas_are_refused_by_name_and_neighbours_arrive(tmp_path: Path) -> None:
    (tmp_path / "mixed.jsonl").write_text(json.dumps(mixed(time.time_ns())) + "\n")
    url = door("MT_PROM3_OTLP_URL")
    ran = magictel("replay", "mixed.jsonl", "--to", "otlp", "--set", f"url={url}", "--format", "json", folder=tmp_path)
    (target,) = ran.document["targets"]
    receipt = target["receipt"]
    assert (receipt["sent"], receipt["delivered"], receipt["rejected"]) == (2, 1, 1), target
    assert [reason["code"] for reason in receipt["reasons"]] == ["prom.otlp.delta"]


def mixed(now: int) -> dict[str, Any]:
    """Return a request with a gauge and a delta sum."""
    point = {"timeUnixNano": str(now), "asDouble": 1.5, "attributes": []}
    metrics = [
        {"name": "room.temperature", "gauge": {"dataPoints": [point]}},
        {"name": "requests", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}},
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": f"mixed-{now}"}}]}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": {"name": "t"}, "metrics": metrics}]}]}


# ---- the Collector: what its file shows decides -------------------------------------------------------------------------

TOKEN = ("bearer_token", "MT_OTELCOL_TOKEN")
MUTUAL = (("client_cert_file", "MT_OTELCOL_CLIENT_CERT"), ("client_key_file", "MT_OTELCOL_CLIENT_KEY"))
DOORS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "plain": ("MT_OTELCOL_OTLP_HTTP_URL", ()),
    "bearer": ("MT_OTELCOL_BEARER_URL", (TOKEN,)),
    "basic": ("MT_OTELCOL_BASIC_URL", (("username", "=mt"), ("password", "=s3cret"))),
    "api key": ("MT_OTELCOL_APIKEY_URL", (("api_key", "MT_OTELCOL_TOKEN"), ("api_key_header", "=api-key"))),
    "tls": ("MT_OTELCOL_TLS_URL", (("ca_file", "MT_OTELCOL_CA"),)),
    "mutual tls": ("MT_OTELCOL_MTLS_URL", (("ca_file", "MT_OTELCOL_CA"), *MUTUAL)),
    "small": ("MT_OTELCOL_SMALL_URL", ()),
}
"""Variable of the address, and options: a value, or the variable that has it."""


def collector(folder: Path, name: str, file: str = "MT_OTELCOL_FILE") -> None:
    """Write a file with a target for a door of the Collector, verified with what its file exporter wrote."""
    variable, options = DOORS[name]
    values = {key: value[1:] if value.startswith("=") else door(value) for key, value in options}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    (folder / "magictel.toml").write_text(
        f'[targets.collector]\nexporter = "otlp"\nurl = "{door(variable)}"\nverify = {{ target = "collector-file" }}\n'
        + "\n".join(lines)
        + f'\n[targets.collector-file]\nexporter = "file"\npath = "{door(file)}"\n'
    )


def through(folder: Path, *options: str) -> Any:
    ran = magictel("send-sample", "collector", "--config", "magictel.toml", *options, "--format", "json", folder=folder)
    return ran.code, ran.document["targets"][0]


@pytest.mark.parametrize("name", DOORS)
def test_every_point_that_a_door_of_the_collector_accepts_is_in_its_file(name: str, tmp_path: Path) -> None:
    collector(tmp_path, name)
    code, target = through(tmp_path, "--thorough", "--attribute", f"long={'x' * 300}")
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 17), target
    assert target["receipt"]["attempts"] == 1 or name == "small"


@pytest.mark.parametrize("run", range(RUNS))
def test_a_healthy_collector_raises_no_alarm(run: int, tmp_path: Path) -> None:
    collector(tmp_path, list(DOORS)[run % len(DOORS)])
    code, target = through(tmp_path)
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12), target


@pytest.mark.parametrize(
    ("name", "options", "stopped"),
    [
        ("bearer", ("bearer_token=wrong",), "http.unauthorized"),
        ("basic", ("password=wrong",), "http.unauthorized"),
        ("api key", ("api_key=wrong",), "http.unauthorized"),
        ("tls", ("ca_file=",), "tls.unknown-ca"),
        ("mutual tls", ("client_cert_file=", "client_key_file="), "tls.client-cert-required"),
    ],
)
def test_wrong_credentials_stop_at_a_rung_before_anything_is_sent(
    name: str, options: tuple[str, ...], stopped: str, tmp_path: Path
) -> None:
    collector(tmp_path, name)
    code, target = through(tmp_path, *[word for text in options for word in ("--set", f"collector.{text}")])
    assert (code, target["outcome"], target["code"]) == (1, "undelivered", stopped), target


@pytest.mark.parametrize("variable", ["MT_OTELCOL_REFUSE_URL", "MT_OTELCOL_DOWN_URL"])
def test_what_the_collector_cannot_take_or_pass_on_is_undelivered(variable: str, tmp_path: Path) -> None:
    code, target = sent(door(variable), tmp_path, "--deadline", "2s")
    assert (code, target["outcome"]) == (1, "undelivered"), target
    assert target["receipt"]["dropped"] == 12


def test_a_point_over_the_receivers_limit_is_rejected(tmp_path: Path) -> None:
    code, target = sent(door("MT_OTELCOL_SMALL_URL"), tmp_path, "--attribute", f"long={'x' * 5000}")
    assert (code, target["outcome"], target["receipt"]["rejected"]) == (1, "rejected", 12), target
    assert target["code"] == "otlp.too-large"


@pytest.mark.parametrize(
    ("variable", "file", "outcomes"),
    [
        ("MT_OTELCOL_QUEUE_URL", "MT_OTELCOL_FILE", {"lost"}),  # 200, and on disk until somebody listens
        ("MT_OTELCOL_TODELTA_URL", "MT_OTELCOL_TODELTA_FILE", {"lost", "altered"}),
    ],
)
def test_accepted_is_no_success_where_something_behind_the_door_keeps_or_changes_points(
    variable: str, file: str, outcomes: set[str], tmp_path: Path
) -> None:
    collector(tmp_path, "plain", file)
    code, target = through(tmp_path, "--within", "1s", "--set", f"collector.url={door(variable)}")
    assert target["receipt"]["delivered"] == 12
    assert (code, target["outcome"] in outcomes) == (1, True), target


def test_without_a_file_the_delivery_stays_unverified(tmp_path: Path) -> None:
    code, target = sent(door("MT_OTELCOL_OTLP_HTTP_URL"), tmp_path, "--set", "compression=gzip")
    assert (code, target["outcome"], target["receipt"]["delivered"]) == (3, "unverified", 12), target
    assert "--verify-with" in target["remedy"]


FORWARDED = (
    "bash ../shared/real/start_prom3.sh --without victoria -- bash -c 'bash ../shared/real/start_collector.sh --forward-rw"
    " $MT_PROM3_RW_URL -- env MT_OTELCOL_FORWARDS_TO=$MT_PROM3_RW_URL python -m pytest -m real tests/real/test_otlp_real.py'"
)


def test_a_prometheus_behind_the_collector_verifies_what_it_was_sent(tmp_path: Path) -> None:
    behind = os.environ.get("MT_OTELCOL_FORWARDS_TO")
    if not behind:
        pytest.skip(f"MT_OTELCOL_FORWARDS_TO is not set; this runs it: {FORWARDED}")
    (tmp_path / "magictel.toml").write_text(
        f'[targets.collector]\nexporter = "otlp"\nurl = "{door("MT_OTELCOL_OTLP_HTTP_URL")}"\nverify_with = "prom"\n'
        f'[targets.prom]\nexporter = "prometheus-remote-write"\nurl = "{behind}"\nprotocol = "auto"\n'
    )
    code, target = through(tmp_path, "--within", "20s")
    assert (code, target["outcome"], target["read_from"]["target"]) == (0, "verified", "prom"), target


# ---- losses behind a 200, by the engine's own list (real_servers.md 6.3) -------------------------------------------------


def recording(now: int, run: str, metrics: list[dict[str, Any]]) -> str:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": run}}]}
    scope = {"scope": {"name": "losses"}, "metrics": metrics}
    return json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}) + "\n"


def gauge(name: str, now: int, value: Any = 1.5, **attributes: str) -> dict[str, Any]:
    return {"name": name, "gauge": {"dataPoints": [point(now, asDouble=value, **attributes)]}}


def point(now: int, asDouble: Any = None, more: Mapping[str, Any] | None = None, **attributes: str) -> dict[str, Any]:  # noqa: N803
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    value = {} if asDouble is None else {"asDouble": asDouble}
    return {
        "attributes": pairs,
        "startTimeUnixNano": str(now - 10**9),
        "timeUnixNano": str(now),
        **value,
        **(more or {}),
    }


BUCKETS = {"count": "6", "sum": 9.5, "bucketCounts": ["1", "2", "3"], "explicitBounds": [1, 2]}
NO_BUCKETS = {"count": "6", "sum": 9.5}
EXPONENTIAL = {
    "count": "3",
    "sum": 4.5,
    "scale": 3,
    "zeroCount": "0",
    "positive": {"offset": 1, "bucketCounts": ["1", "2"]},
}
DAY = 86_400 * 10**9


def replayed(url: str, folder: Path, metrics: list[dict[str, Any]], *options: str) -> Any:
    (folder / "r.jsonl").write_text(recording(time.time_ns(), f"run-{time.time_ns()}", metrics))
    ran = magictel(
        *("replay", "r.jsonl", "--to", "otlp", "--set", f"url={url}", "--verify", "--shift", "keep", *options),
        *("--format", "json"),
        folder=folder,
    )
    return ran.code, ran.document["targets"][0]


def named(points: list[str]) -> set[str]:
    return {text.split("{")[0].split(" ")[0] for text in points}


def test_every_silent_loss_of_victoriametrics_is_lost_or_altered_by_name(tmp_path: Path) -> None:
    now = time.time_ns() // 10**6 * 10**6
    delta = {"aggregationTemporality": 1}
    metrics = [
        gauge("loss.good", now),
        gauge("loss.old", now - 400 * DAY),
        gauge("loss.ahead", now + 3 * DAY),
        gauge("loss.long", now, text="x" * 5000),
        gauge("loss.wide", now, **{f"label_{number}": "v" for number in range(50)}),
        gauge("loss.nan", now, "NaN"),
        {"name": "loss.counter", "sum": {**delta, "isMonotonic": True, "dataPoints": [point(now, 1.5)]}},
        {"name": "loss.histogram", "histogram": {**delta, "dataPoints": [point(now, more=BUCKETS)]}},
        {"name": "loss.exponential", "exponentialHistogram": {**delta, "dataPoints": [point(now, more=EXPONENTIAL)]}},
        {
            "name": "loss.bucketless",
            "histogram": {"aggregationTemporality": 2, "dataPoints": [point(now, more=NO_BUCKETS)]},
        },
    ]
    code, target = replayed(door("MT_VM3_OTLP_URL"), tmp_path, metrics)
    seen = target["verification"]
    altered = {difference["point"] for difference in seen["differences"] if difference["declared"] is None}
    assert (code, target["receipt"]["delivered"]) == (1, 10), target
    assert named(seen["missing_points"]) == {"loss.old", "loss.ahead", "loss.long", "loss.wide", "loss.bucketless"}
    assert named(list(altered)) == {"loss.counter", "loss.histogram", "loss.exponential"}
    assert (seen["found"], seen["altered"]) == (5, 3)
    assert "VictoriaMetrics stores no NaN" in json.dumps(seen["differences"])


def prometheus_losses(now: int) -> list[dict[str, Any]]:
    """Return metrics of which Prometheus keeps the first one and loses or alters of each other name."""
    now = now // 10**6 * 10**6
    return [
        gauge("loss.good", now),
        {"name": "loss.twice", "gauge": {"dataPoints": [point(now, 1), point(now, 2)]}},
        {"name": "loss.descending", "gauge": {"dataPoints": [point(now, 2), point(now - 10**9, 1)]}},
        gauge("loss.same.name", now, 1),
        gauge("loss.same_name", now, 2),
        gauge("loss.job", now, 1.5, job="J", instance="I"),
    ]


def accused(code: int, target: Any) -> None:
    """Hold a replay of these metrics, all of which were accepted, to what became of them."""
    seen = target["verification"]
    altered = {difference["point"] for difference in seen["differences"] if difference["declared"] is None}
    assert (code, target["receipt"]["delivered"]) == (1, 8), target
    wrong = named(seen["missing_points"]) | named(list(altered))
    assert {"loss.twice", "loss.descending", "loss.job"} <= wrong
    assert any(name.startswith("loss") and "same" in name for name in wrong)
    assert "loss.good" not in wrong


def test_every_silent_loss_of_prometheus_is_lost_or_altered_by_name(tmp_path: Path) -> None:
    accused(*replayed(door("MT_PROM3_OTLP_URL"), tmp_path, prometheus_losses(time.time_ns()), "--within", "2s"))


def neighbours_arrive(url: str, folder: Path) -> None:
    """Replay metrics of which Prometheus cannot store two, and hold the replay to it."""
    now = time.time_ns()
    exponential = point(now, more={"count": "1", "scale": -5, "positive": {"bucketCounts": ["1"]}})
    metrics = [
        *(gauge(f"good.{number}", now) for number in range(3)),
        {"name": "coarse", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [exponential]}},
        gauge("…", now),
    ]
    code, target = replayed(url, folder, metrics)
    receipt = target["receipt"]
    assert (code, receipt["delivered"], receipt["rejected"]) == (1, 3, 2), target
    assert {reason["code"] for reason in receipt["reasons"]} == {"prom.otlp.unstorable"}


def test_a_metric_that_prometheus_cannot_store_costs_no_other(tmp_path: Path) -> None:
    neighbours_arrive(door("MT_PROM3_OTLP_URL"), tmp_path)
