"""Remote write 2.0 at real servers: what Prometheus 3 stores of it, and how older receivers are found out and get 1.0."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import Any

import cramjam
import httpx
import pytest

from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.http.wire import Request
from magictel.model.finding import Rung, SideEffect, Status
from magictel.sandbox.prometheus_protobuf import Request2
from magictel.sandbox.prometheus_write_2 import MEDIA_TYPE
from tests.emulators.prometheus import PrometheusRemoteWriteEmulator
from tests.exporters.prometheus_remote_write.test_version_2 import (
    collection,
    counter,
    exemplar,
    exponential,
    gauge,
    number,
    powers,
)
from tests.real.test_prometheus_real import climbed, sent, settings, variable

pytestmark = pytest.mark.real
OLD = pytest.mark.parametrize("old", ["MT_PROM_URL", "MT_VM_URL", "MT_VM3_URL"])


def prometheus_3() -> str:
    return variable("MT_PROM3_URL")


def now() -> int:
    return int(time.time() * 1000) * 1_000_000


def query(path: str, **parameters: str) -> Any:
    reply = httpx.get(f"{prometheus_3()}/api/v1/{path}", params=parameters, trust_env=False, timeout=20)
    return reply.json()["data"]


@pytest.mark.parametrize("protocol", ["auto", "2.0"])
@pytest.mark.parametrize("histograms", ["classic", "native"])
def test_the_whole_sample_is_verified_native_histograms_included(protocol: str, histograms: str) -> None:
    result = sent(f"{prometheus_3()}/api/v1/write", thorough=True, protocol=protocol, histograms=histograms)
    assert result.outcome == "verified", result.message
    assert (result.receipt.withheld, result.receipt.rejected, result.receipt.unnamed) == (0, 0, 0)
    assert result.verification.found == result.receipt.sent
    assert result.verification.altered == 0


@OLD
def test_an_older_receiver_gets_the_same_points_by_1_and_its_native_histograms_are_rejected_by_name(old: str) -> None:
    result = sent(f"{variable(old)}/api/v1/write", protocol="auto")
    assert result.outcome == "rejected", result.message
    assert {reason.code for reason in result.receipt.reasons} == {"prom.rw.exponential"}
    assert result.receipt.delivered == 10
    assert (result.verification.found, result.verification.altered) == (10, 0)


@OLD
def test_an_older_receiver_stores_nothing_of_2_and_where_only_2_is_chosen_that_is_no_success(old: str) -> None:
    result = sent(f"{variable(old)}/api/v1/write", protocol="2.0")
    assert (result.receipt.delivered, {reason.code for reason in result.receipt.reasons}) == (0, {"prom.rw.not-2.0"})


@pytest.mark.parametrize("name", ["MT_PROM_URL", "MT_VM_URL", "MT_PROM3_URL", "MT_VM3_URL"])
def test_an_empty_write_is_accepted_by_every_receiver_in_its_version(name: str) -> None:
    url = f"{variable(name)}/api/v1/write"
    assert climbed(url, SideEffect.EMPTY_WRITE, protocol="auto")[Rung.WRITE].outcome is Status.PASS
    only_2 = climbed(url, SideEffect.EMPTY_WRITE, protocol="2.0")[Rung.WRITE].outcome
    assert (only_2 is Status.PASS) is (name == "MT_PROM3_URL")


def test_samples_that_prometheus_refuses_are_rejected_by_name_and_the_others_are_stored() -> None:
    name = f"mt_{uuid.uuid4().hex[:10]}"
    exporter = PrometheusRemoteWriteExporter(settings(f"{prometheus_3()}/api/v1/write", protocol="2.0"))
    moment = now()
    refused: dict[int, str] = {}

    def refuse(positions: Any, verdict: Any) -> None:
        refused.update(dict.fromkeys(positions, verdict.code))

    first = [number(float(n), time=moment, n=str(n), quote='"\\\n') for n in range(3)]
    assert exporter.deliver(collection(gauge(*first, name=name, unit=""))).delivered == 3
    points = [
        number(9.0, time=moment - 10**9, n="0", quote='"\\\n'),
        number(9.0, time=moment, n="1", quote='"\\\n'),
        number(9.0, time=moment - 10**13, n="2", quote='"\\\n'),
        number(9.0, time=moment + 10**12, n="3"),
        number(9.0, time=moment, n="4"),
    ]
    receipt = exporter.deliver(collection(gauge(*points, name=name, unit="")), on_refused=refuse)
    exporter.shutdown(0)
    assert (receipt.delivered, receipt.rejected, receipt.unnamed, receipt.attempts) == (1, 4, 0, 1)
    assert refused == {
        0: "prom.rw.out-of-bounds",  # sorted by time: the oldest first
        1: "prom.rw.out-of-order",
        2: "prom.rw.duplicate",
        4: "prom.rw.future",
    }


def test_exemplars_and_start_times_arrive_and_stale_markers_end_the_series() -> None:
    name = f"mt_{uuid.uuid4().hex[:10]}"
    exporter = PrometheusRemoteWriteExporter(
        settings(f"{prometheus_3()}/api/v1/write", protocol="2.0", stale_markers=True)
    )
    moment = now()
    point = number(5.0, time=moment, start=moment - 10**10, exemplars=[exemplar(1.0, moment)])
    native = replace(powers(), start_time_unix_nano=moment - 10**10, time_unix_nano=moment)
    receipt = exporter.deliver(collection(counter(point, name=name), exponential(native, name=f"{name}_n")))
    assert receipt.delivered == 2, receipt
    exemplars = query(
        "query_exemplars", query=f"{name}_total", start=str(moment / 1e9 - 60), end=str(moment / 1e9 + 60)
    )
    assert [each["labels"]["trace_id"] for row in exemplars for each in row["exemplars"]] == [f"{0xDEF:032x}"]
    assert len(query("query", query=f"{name}_total")["result"]) == 1
    exporter.shutdown(5000)
    after = str(time.time() + 1)
    assert query("query", query=f"{name}_total", time=after)["result"] == []


def test_the_emulator_answers_a_request_of_2_as_prometheus_3_does() -> None:
    url = f"{prometheus_3()}/api/v1/write"
    emulator = PrometheusRemoteWriteEmulator(version="3.0.0")
    moment = now() // 1_000_000
    headers = {"Content-Encoding": "snappy", "Content-Type": MEDIA_TYPE, "X-Prometheus-Remote-Write-Version": "2.0.0"}
    for build in (good, unsorted_time, nameless, empty_series, bad_schema, bad_count, nothing):
        name = f"mt_{uuid.uuid4().hex[:10]}"
        replies = []
        body = bytes(cramjam.snappy.compress_raw(build(name, moment)))
        real = httpx.post(url, content=body, headers=headers, trust_env=False, timeout=20)
        emulated = emulator.handle(Request("POST", "http://p/api/v1/write", headers, body))
        for status, text, given in (
            (real.status_code, real.text, real.headers),
            (emulated.status, emulated.text, emulated.headers),
        ):
            counts = [
                given.get(f"x-prometheus-remote-write-{kind}-written")
                for kind in ("samples", "histograms", "exemplars")
            ]
            replies.append((status, text, counts))
        assert replies[1] == replies[0], build.__name__


def message(name: str, **fields: Any) -> bytes:
    symbols = ["", "__name__", name, "a", "b"]
    refs = fields.pop("refs", [1, 2, 3, 4])
    return Request2(symbols=symbols, timeseries=[{"labels_refs": refs, **fields}]).SerializeToString()  # type: ignore[no-any-return]


def good(name: str, moment: int) -> bytes:
    return message(name, samples=[{"value": 1.0, "timestamp": moment}])


def unsorted_time(name: str, moment: int) -> bytes:
    return message(name, samples=[{"value": 1.0, "timestamp": moment}, {"value": 2.0, "timestamp": moment - 10**8}])


def nameless(name: str, moment: int) -> bytes:
    return message(name, refs=[3, 4], samples=[{"value": 1.0, "timestamp": moment}])


def empty_series(name: str, moment: int) -> bytes:
    return message(name)


def bad_schema(name: str, moment: int) -> bytes:
    return message(name, histograms=[{"count_int": 0, "schema": 60, "timestamp": moment}])


def bad_count(name: str, moment: int) -> bytes:
    spans = [{"offset": 0, "length": 1}]
    return message(
        name,
        histograms=[
            {"count_int": 6, "schema": 1, "timestamp": moment, "positive_spans": spans, "positive_deltas": [7]}
        ],
    )


def nothing(name: str, moment: int) -> bytes:
    return Request2(symbols=[""]).SerializeToString()  # type: ignore[no-any-return]
