"""Faults of the sandbox strike Datadog's and New Relic's probes and queries as well as writes, and each is named for what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magictel import sandbox
from tests.cli.running import magictel

REFUSED = '{"errors":[{"message":"Access denied."}]}'
PROBES = [
    ("datadog", "403 forever", "dd.auth.invalid"),
    ("datadog", "429 forever", "http.throttled"),
    ("datadog", "503 forever", "http.server-error"),
    ("datadog", "404 forever", "http.not-a-backend"),
    ("datadog", "wrong-json forever", "http.not-a-backend"),
    ("datadog", "reset forever", "net.tcp.reset"),
    ("datadog", "truncated forever", "http.truncated"),
    ("datadog", "ok x3, then probe 403", "dd.auth.app-key"),
    ("datadog", "ok x3, then probe 429", "dd.query.rate"),
    ("newrelic", "403 forever", "nr.auth.invalid"),
    ("newrelic", "ok, then probe 403", "nr.auth.user-key"),
    ("newrelic", "404 forever", "http.not-a-backend"),
    ("newrelic", "429 forever", "http.throttled"),
    ("newrelic", "wrong-json forever", "http.not-a-backend"),
    ("newrelic", "reset forever", "net.tcp.reset"),
    ("newrelic", f"ok, then probe 200 body='{REFUSED}'", "nr.read.graphql-error"),
]
WRITES = [
    ("datadog", "403 forever", "dd.auth.invalid"),
    ("datadog", "413 forever", "dd.write.too-large-text"),
    ("datadog", "408 forever", "dd.write.timeout"),
    ("datadog", "429 forever", "dd.write.rate"),
    ("datadog", "wrong-json forever", "http.unconfirmed"),
    ("newrelic", "403 forever", "nr.auth.invalid"),
    ("newrelic", "too-large forever", "nr.write.too-large"),
    ("newrelic", "429 forever", "nr.write.rate"),
    ("newrelic", "wrong-json forever", "http.unconfirmed"),
]


@pytest.mark.parametrize(("name", "fault", "code"), PROBES)
def test_a_fault_of_probes_is_seen_by_a_check(name: str, fault: str, code: str, tmp_path: Path) -> None:
    with sandbox.start([name], faults=[f"{name}: probe {fault}"]) as room:
        checked = magictel("check", name, "--format", "json", folder=tmp_path, environment=room.environment())
    codes = [rung.get("code") for rung in checked.document["targets"][0]["rungs"]]
    assert next(filter(None, codes), None) == code


@pytest.mark.parametrize(("name", "fault", "code"), WRITES)
def test_a_fault_of_writes_is_seen_by_a_sample(name: str, fault: str, code: str, tmp_path: Path) -> None:
    with sandbox.start([name], faults=[f"{name}: {fault}"]) as room:
        given = ("send-sample", name, "--format", "json", "--deadline", "1s", "--within", "100ms")
        sent = magictel(*given, folder=tmp_path, environment=room.environment())
    assert sent.code != 0
    assert f'"{code}"' in json.dumps(sent.document)


def test_help_shows_a_script_of_a_service(tmp_path: Path) -> None:
    assert "'datadog: probe 403, then 429 retry-after=5'" in magictel("sandbox", "--help", folder=tmp_path).out
