"""Every known fault by three roads: diagnose, ladder and delivery give each row the same code, of the same retry class."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from magictel.catalogue.pages import explain
from magictel.clock import SystemClock
from magictel.conformance.stages import DatagramStage
from magictel.diagnose.diagnosis import STANDS_WITH
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.server import Server
from magictel.sandbox.statsd import StatsdEmulator
from magictel.sandbox.table import make
from tests.cli.running import magictel
from tests.diagnose.rows import (
    LOOK_ALIKES,
    NO_DELIVERY,
    NO_DIAGNOSIS,
    NO_LADDER,
    QUERIES,
    REFERENCE,
    ROUND_TRIP,
    SETTINGS,
    TIMES,
    Row,
    rows,
)
from tests.diagnose.scripted import answering, climbed, delivered, exporter_at, raw, refusing, round_tripped, speaking
from tests.emulators.otlp_grpc import METHOD, refusing_grpc, serving_grpc, silent_grpc
from tests.ladder.test_transport_faults import FAULTS, TOLD_BY_A_SECOND_PROBE, Faced, Fault
from tests.transports.servers import OK, Authority, answers, says, serving

ROWS = rows()
pytestmark = pytest.mark.skipif(not ROWS, reason=f"the fault catalogue is not here: {REFERENCE}")
INDEX = "magicapi-metrics"
BY_SANDBOX = ("datadog", "newrelic", "statsd")
"""The exporters whose rows are faults of the sandbox's backends."""


@dataclass(frozen=True)
class Road:
    """What one road said to a row: the code, and whether it said so outright or as an alternative."""

    code: str
    outright: bool = True


def by_diagnose(row: Row, folder: Path) -> Road:
    """The command line, as somebody would type it."""
    if row.config and row.code in SETTINGS:
        document = diagnosed(row.exporter, folder, *settings(row))
        assert document["outcome"] is None
        assert document["code"] == row.code, document
    if row.config and (row.transport or (not row.text and row.status is None)):
        return Road(document["code"])
    words: list[str] = []
    words += [word for key, value in row.options.items() for word in ("--set", f"{key}={value}")]
    if row.text:
        words += ["--text", row.text]
    else:
        (folder / "body").write_bytes(row.body)
        words += ["--status", str(row.status), "--body", str(folder / "body")]
        words += [word for name, value in row.headers.items() for word in ("--header", f"{name}: {value}")]
    during = {"auth": "auth", "permission": "write", "health": "health", "roundtrip": "read"}.get(row.phase)
    document = diagnosed(row.exporter, folder, *words, *(["--during", during] if during else []))
    assert document["outcome"] in STANDS_WITH[document["retry"]], document
    assert document["message"]
    assert document["remedy"]
    if document["code"] == row.code:
        return Road(document["code"])
    assert row.code in LOOK_ALIKES, document
    assert row.code in [alternative["code"] for alternative in document["alternatives"]], document
    return Road(row.code, outright=row.config)


def by_ladder(row: Row, authority: Authority, folder: Path) -> Road:
    if row.config:
        ran = magictel("check", row.exporter, "--format", "json", *settings(row), folder=folder)
        return Road(ran.document["targets"][0]["rungs"][0]["code"])
    if row.code in ROUND_TRIP and row.exporter in BY_SANDBOX:
        with faced(row, authority, folder, writing=True) as exporter:
            return Road(str(round_tripped(exporter)))
    if row.code in ROUND_TRIP:
        with serving(refusing(row.exporter, raw(row.status or 200, row.headers, row.body))) as server:
            return Road(str(round_tripped(exporter_at(row.exporter, server.http))))
    with faced(row, authority, folder, writing=False) as exporter:
        first, every = climbed(exporter, seconds=exporter.settings.timeout)
    return Road(row.code if row.code in every and row.phase == "health" else str(first))


def by_delivery(row: Row, authority: Authority, folder: Path) -> Road:
    if row.config:
        ran = magictel("send-sample", row.exporter, "--format", "json", *settings(row), folder=folder)
        return Road(ran.document["targets"][0]["code"])
    with faced(row, authority, folder, writing=True) as exporter:
        codes = delivered(exporter, ahead=3e6 if row.code in TIMES else 0.0)
    return Road(row.code if row.code in codes else " ".join(codes))


def by_read_back(row: Row, authority: Authority, folder: Path) -> Road:
    """The queries for a sample that was sent."""
    with faced(row, authority, folder, writing=False) as exporter:
        return Road(str(round_tripped(exporter)))


@contextmanager
def faced(row: Row, authority: Authority, folder: Path, *, writing: bool) -> Iterator[Any]:
    """An exporter in front of a backend that behaves like the row."""
    with ExitStack() as stack:
        fault = transport_fault(row)
        if row.exporter == "statsd":
            yield exporter_at("statsd", "", **stack.enter_context(agent(row, folder)))
        elif row.exporter in BY_SANDBOX and writing:
            script = f"{row.status} body='{row.body.decode()}' forever"
            server = Server(
                make(row.exporter, SystemClock()), faults=parse_faults(script if row.code not in TIMES else "ok")
            )
            yield exporter_at(row.exporter, stack.enter_context(server).origin)
        elif row.grpc:
            url, given = stack.enter_context(faced_by_grpc(row, authority))
            yield exporter_at(row.exporter, url, **row.options, **given)
        elif row.code == "es.tls.http-on-https-port":
            yield exporter_at(row.exporter, stack.enter_context(speaking(authority.context())))
        elif row.code == "otlp.localhost-bind":
            port = stack.enter_context(serving(answers(OK))).port
            yield exporter_at(row.exporter, f"http://127.0.0.2:{port}")
        elif row.code == "es.http.wrong-port":
            yield exporter_at(
                row.exporter, stack.enter_context(serving(says(row.body or b"This is not an HTTP port"))).http
            )
        elif fault is not None:
            met: Faced = stack.enter_context(fault.situation(authority, folder))
            tls = {
                key: value
                for key in ("ca_file", "client_cert_file", "client_key_file")
                if (value := getattr(met.tls, key))
            }
            limits = {"timeout": met.timeout, **met.options}
            # remote write asks nothing before it writes, so the very first exchange is the one that fails
            yield exporter_at("prometheus-remote-write" if writing else row.exporter, met.url, **tls, **limits)
        else:
            answer = raw(row.status or 200, row.headers, row.body)
            states = {"POST": answer} if writing else ladder_states(row, answer)
            yield exporter_at(row.exporter, stack.enter_context(answering(row.exporter, states)))


@contextmanager
def agent(row: Row, folder: Path) -> Iterator[dict[str, Any]]:
    """The settings of StatsD for an agent that behaves like the row."""
    if row.code == "statsd.uds":
        yield {"socket": str(folder / "dsd.socket")}
        return
    stage = DatagramStage(StatsdEmulator(clock=SystemClock()), SystemClock())
    try:
        stage.script("too-large forever" if row.code == "statsd.mtu" else "ok")
        yield {"port": int(stage.origin.rpartition(":")[2])}
    finally:
        stage.stop()


@contextmanager
def faced_by_grpc(row: Row, authority: Authority) -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of a server that behaves like a row about gRPC, and options of the exporter."""
    with ExitStack() as stack:
        match row.code.rpartition(".")[2]:
            case "tls-to-plain":
                yield f"https://localhost:{stack.enter_context(serving_grpc(accept))}", {}
            case "plain-to-tls":
                yield stack.enter_context(serving(answers(OK), authority.context())).http, {}
            case "unknown-ca":
                yield stack.enter_context(serving(answers(OK), authority.context())).https, {}
            case "http-port":
                yield stack.enter_context(serving(answers(OK))).http, {}
            case "no-service":
                yield f"http://127.0.0.1:{stack.enter_context(serving_grpc(accept, '/no.Such/Method'))}", {}
            case "deadline":
                yield f"http://127.0.0.1:{stack.enter_context(silent_grpc())}", {"timeout": 2.0}
            case _:
                only = METHOD if row.phase == "write" else None
                server = refusing_grpc(getattr(grpc.StatusCode, row.grpc), row.body.decode(), only=only)
                yield f"http://127.0.0.1:{stack.enter_context(server)}", {}


def accept(body: bytes, context: grpc.ServicerContext) -> bytes:
    return b""


def transport_fault(row: Row) -> Fault | None:
    """The socket of the transport's own tests that behaves like the row."""
    if row.status is not None and not row.transport:
        return None
    if row.name == "tls.plaintext-server (any)":  # its words are those of a server that speaks at once
        return next(fault for fault in FAULTS if fault.row == "https client on a plaintext gRPC port")
    same = [fault for fault in FAULTS if fault.row == row.transport]
    return next(iter(same or [fault for fault in FAULTS if fault.code == row.code]), None)


def ladder_states(row: Row, answer: bytes) -> Mapping[str, bytes]:
    """What the backend answers to which requests, so that the ladder's own questions meet the row."""
    rights = {"create_doc": True, "auto_configure": False, "read": True}
    missing = raw(
        404, {}, b'{"error": {"type": "index_not_found_exception", "reason": "no such index"}, "status": 404}'
    )

    def value(body: Any) -> bytes:
        return raw(200, {}, json.dumps(body).encode())

    if (
        row.exporter == "otlp" and row.phase == "write" and row.status != 404
    ):  # only Prometheus' switch answers a GET as well
        return {"POST": answer}
    match row.code:
        case "es.authz.bulk":
            return {"_has_privileges": value({"index": {INDEX: dict.fromkeys(rights, False)}})}
        case "es.authz.auto-create":
            return {"_has_privileges": value({"index": {INDEX: rights}}), f"/{INDEX}": missing, "_field_caps": missing}
        case "os.authz.denied":
            return {"perform_permission_check": answer}
        case "es.write.flood-stage":
            block = {INDEX: {"settings": {"index.blocks.read_only_allow_delete": "true"}}}
            return {"_has_privileges": raw(400, {}, b"{}"), f"/{INDEX}/_settings": value(block)}
        case "es.write.no-auto-create":
            rule = value({"persistent": {"action": {"auto_create_index": "false"}}})
            return {"_has_privileges": raw(400, {}, b"{}"), "/_cluster/settings": rule, f"/{INDEX}": missing}
        case "dd.auth.app-key":
            return {"/api/v1/query": answer}
        case "nr.read.graphql-error":
            return {"/graphql": answer}
        case "es.authz.monitor" | "es.health.serverless" | "es.health.no-master":
            return {"/_cluster/health": answer}
    return {"": answer}


def settings(row: Row) -> list[str]:
    return [word for key, value in SETTINGS[row.code].items() for word in ("--set", f"{key}={value}")]


def diagnosed(exporter: str, folder: Path, *words: str) -> dict[str, Any]:
    given = [] if exporter != "prometheus-remote-write" else ["--set", "url=http://localhost:9090/api/v1/write"]
    ran = magictel("diagnose", exporter, "--format", "json", *given, *words, folder=folder)
    assert ran.code == 0, ran
    document: dict[str, Any] = ran.document
    assert document["schema"] == "magictel.diagnose/1"
    assert document["exporter"] == exporter
    return document


def retry_of(code: str) -> str | None:
    page = explain(code)
    return page.retry if page else None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_is_the_same_on_every_road(
    row: Row, authority: Authority, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if row.code in TOLD_BY_A_SECOND_PROBE:
        request.getfixturevalue("patient_second_probes")
    roads: dict[str, Road] = {}
    if row.without(NO_DIAGNOSIS) is None:
        roads["diagnose"] = by_diagnose(row, tmp_path)
    if row.without(NO_LADDER) is None:
        roads["ladder"] = by_ladder(row, authority, tmp_path)
    if row.without(NO_DELIVERY) is None:
        roads["delivery"] = by_delivery(row, authority, tmp_path)
    if row.code in QUERIES:
        roads["read-back"] = by_read_back(row, authority, tmp_path)
    assert {road: diagnosis.code for road, diagnosis in roads.items()} == dict.fromkeys(roads, row.code)
    assert retry_of(row.code) == row.retry
    assert row.code in magictel("explain", row.code, folder=tmp_path).out


def test_the_table_counts_its_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rows given, and rows that each road meets; the test above demands every one of them right."""
    given = len(ROWS)
    pasted = [row for row in ROWS if row.without(NO_DIAGNOSIS) is None]
    outright = sum(by_diagnose(row, tmp_path).outright for row in pasted)
    ladder = sum(row.without(NO_LADDER) is None for row in ROWS)
    delivery = sum(row.without(NO_DELIVERY) is None for row in ROWS)
    with capsys.disabled():
        print(
            f"\nfault table: {given} rows given; right by diagnose {len(pasted)} ({outright} outright, "
            f"{len(pasted) - outright} as an alternative), by the ladder {ladder}, by delivery {delivery}"
        )
    assert len(pasted) >= given - 1
    assert outright >= given - 15
    assert given >= 132
    assert ladder >= given - 12
    assert delivery >= given - 17
    assert {*NO_DIAGNOSIS, *NO_LADDER, *NO_DELIVERY} <= {row.code for row in ROWS} | {row.name for row in ROWS}
    assert all(NO_LADDER.values())
    assert all(NO_DELIVERY.values())


def test_a_healthy_backend_gets_none_of_the_codes(authority: Authority, tmp_path: Path) -> None:
    """The counter-test: the scripted backend alone does not make the ladder or delivery fail."""
    stored = raw(200, {}, b'{"errors": false, "items": [{"create": {"status": 201}}]}')
    with answering("elasticsearch", {"POST": stored}) as url:
        assert delivered(exporter_at("elasticsearch", url)) == []
    with serving(answers(OK)) as server:
        assert "es.write.flood-stage" not in climbed(exporter_at("elasticsearch", server.http))[1]
