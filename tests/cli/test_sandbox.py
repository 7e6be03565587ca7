"""`magictel sandbox`: addresses for a shell, until it is stopped."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
from pathlib import Path
from typing import get_args

import pytest

from magictel import sandbox
from magictel.sandbox.faults import FaultKind
from tests.cli.running import magictel, started


def test_it_prints_export_lines_and_ends_by_itself(tmp_path: Path) -> None:
    ran = magictel("sandbox", "--for", "10ms", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.rstrip("\n").split("\n")
    *variables, enabled, over_grpc = lines
    addresses = [line for line in variables if re.fullmatch(r"export [A-Z_]+=http://127\.0\.0\.1:\d+[a-z0-9/]*", line)]
    others = [line.partition("=")[0] for line in variables if line not in addresses]
    by_host_and_port = {"prometheus", "statsd"}
    assert len(addresses) >= len(sandbox.names()) - len(by_host_and_port), lines
    assert others == [
        *("export OTEL_EXPORTER_PROMETHEUS_HOST", "export OTEL_EXPORTER_PROMETHEUS_PORT"),
        *("export DD_API_KEY", "export DD_APP_KEY"),
        *("export NEW_RELIC_LICENSE_KEY", "export NEW_RELIC_USER_KEY", "export NEW_RELIC_ACCOUNT_ID"),
        *("export STATSD_HOST", "export STATSD_PORT"),
    ]
    assert enabled == f"export ENABLED_EXPORTERS={','.join(sandbox.names())}"
    assert over_grpc.startswith("# OTLP over gRPC: export OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:")


def test_only_some_and_as_a_document(tmp_path: Path) -> None:
    ran = magictel(
        "sandbox", "--only", "opensearch,elasticsearch", "--for", "10ms", "--format", "json", folder=tmp_path
    )
    assert ran.code == 0
    assert ran.document["schema"] == "magictel.sandbox/1"
    assert set(ran.document["environment"]) == {"OPENSEARCH_URL", "ELASTICSEARCH_URL", "ENABLED_EXPORTERS"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nonsense"], "no emulator for 'nonsense'"),
        (["--fault", "429"], "does not name its emulator"),
        (["--fault", "elasticsearch: frobnicate"], "frobnicate"),
        (["--for", "ever"], "is not a duration"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, tmp_path: Path) -> None:
    ran = magictel("sandbox", *arguments, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_otlp_is_served_over_grpc_as_well(tmp_path: Path) -> None:
    with started(
        "sandbox", "--only", "otlp", "--fault", "429 retry-after=0.1", "--format", "json", folder=tmp_path
    ) as running:
        assert running.stdout is not None
        document = ""
        while not document.endswith("}\n}\n"):
            document += running.stdout.readline()
        environment = {"ENABLED_EXPORTERS": "otlp", **json.loads(document)["grpc"]}
        sent = magictel("send-sample", "otlp", "--format", "json", folder=tmp_path, environment=environment)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=300)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["receipt"]["attempts"]) == (0, "verified", 2), target
    assert "1 answered 429" in err
    assert "27 stored" in err


def test_the_port_of_grpc_follows_the_others_and_a_taken_one_is_named(tmp_path: Path) -> None:
    port = _two_free_ports()
    ran = magictel("sandbox", "--only", "otlp", "--port", str(port), "--for", "10ms", folder=tmp_path)
    assert f"=http://127.0.0.1:{port + 1} " in ran.out, ran
    with socket.create_server(("127.0.0.1", port + 1)):
        ran = magictel("sandbox", "--only", "otlp", "--port", str(port), "--for", "10ms", folder=tmp_path)
    assert (ran.code, f"cannot listen on port {port + 1} for OTLP over gRPC" in ran.err) == (2, True), ran


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_stays_with_its_faults_until_a_signal_comes(number: int, code: int, tmp_path: Path) -> None:
    script = "elasticsearch: partial 50% document_parsing_exception"
    arguments = ["--only", "elasticsearch", "--fault", script, "--format", "json"]
    with started("sandbox", *arguments, folder=tmp_path) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(7)]
        ran = magictel(
            "send-sample",
            "elasticsearch",
            "--no-verify",
            folder=tmp_path,
            environment=json.loads("".join(lines))["environment"],
        )
        running.send_signal(number)
        out, err = running.communicate(timeout=300)
    assert ran.last.startswith("FAILED: 6 rejected"), ran
    assert (running.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert re.search(r"elasticsearch  1 write, \d+ bytes: 1 answered 200; 6 stored", err), err


@pytest.mark.parametrize(
    ("script", "rung", "code"),
    [
        ("elasticsearch: expired-certificate", "tls", "tls.expired"),
        ("elasticsearch: any 401 forever", "auth", "http.unauthorized"),
        ("elasticsearch: probe reset forever", "http", "net.tcp.reset"),
    ],
)
def test_faults_strike_probes_too(script: str, rung: str, code: str, tmp_path: Path) -> None:
    with sandbox.start(["elasticsearch"], faults=[script]) as running:
        ran = magictel("check", "elasticsearch", folder=tmp_path, environment=running.environment())
    assert ran.code == 1
    assert ran.last.startswith(f"elasticsearch FAILED at {rung}: ")
    assert f"({code})" in ran.last


def test_ports_follow_the_one_that_is_given_and_a_taken_one_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = magictel("sandbox", "--port", str(port), "--for", "10ms", folder=tmp_path)
        assert ran.code == 2
        assert f"cannot listen on port {port}: Address already in use" in ran.err
    with sandbox.start(["elasticsearch", "opensearch"], port=_two_free_ports()) as running:
        first, second = (server.port for server in running.servers.values())
    assert second == first + 1


def _two_free_ports() -> int:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
                return port


def test_help_shows_the_grammar(tmp_path: Path) -> None:
    shown = magictel("sandbox", "--help", folder=tmp_path).out
    for word in (
        *(kind for kind in get_args(FaultKind) if kind != "status"),
        "STATUS",
        "probe|any",
        "expired-certificate",
    ):
        assert word in shown
    lines = [line.strip() for line in shown.splitlines()]
    assert "reset         store nothing, reset the connection" in lines
    assert "magictel sandbox --fault 'opensearch: any 401 forever'" in lines
    assert "\\b" not in shown
