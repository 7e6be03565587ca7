"""`magictel.runtime.start()`: one line in an application, whatever its settings are."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.resources import Resource

from magictel import runtime
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.model.outcome import Fate
from magictel.runtime.counting import CountingExporter
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.delivery.points import collection
from tests.plugins import ACME, install


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def documents(server: Server) -> list[dict[str, object]]:
    assert isinstance(server.emulator, ElasticsearchEmulator)
    return server.emulator.documents()


def test_enabled_exporters_are_sent_to(backend: Server) -> None:
    environment = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": backend.origin}
    with runtime.start(environment=environment, resource=Resource({"service.name": "shop"})) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
        assert list(telemetry.exporters) == ["elasticsearch"]
    assert len(documents(backend)) == 1
    assert "shop" in str(documents(backend))
    ledger = telemetry.ledgers()["elasticsearch"]
    assert (ledger.sent, ledger.delivered) == (1, 1)


def test_targets_of_the_file_are_sent_to_unless_they_are_disabled(backend: Server, tmp_path: Path) -> None:
    file = tmp_path / "magictel.toml"
    file.write_text(
        f'[targets.prod]\nexporter = "elasticsearch"\nurl = "{backend.origin}"\nindex = "prod"\n'
        f'[targets.canary]\nexporter = "elasticsearch"\nurl = "{backend.origin}"\nindex = "canary"\nenabled = false\n'
    )
    with runtime.start(environment={}, config=file) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
    assert list(telemetry.ledgers()) == ["prod"]
    assert {document["_index"] for document in documents(backend)} == {"prod"}


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"ELASTICSEARCH_URL": "http://localhost:99999"}, "config.url.bad-port"),
        ({"ENABLED_EXPORTERS": "elastcsearch,elasticsearch"}, "config.unknown-target"),
        ({"ENABLED_EXPORTERS": "prometheus_remote_write,elasticsearch"}, "config.required"),
        ({"MAGICTEL_CONFIG": "/nowhere/magictel.toml"}, "config.file.missing"),
    ],
    ids=["bad value", "unknown name", "not configured", "no such file"],
)
def test_what_cannot_be_used_is_one_sentence_and_counted(
    environment: dict[str, str], code: str, backend: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    given = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": backend.origin, **environment}
    with runtime.start(environment=given) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
    unusable = [name for name, exporter in telemetry.exporters.items() if isinstance(exporter, CountingExporter)]
    assert len(unusable) == 1
    ledger = telemetry.ledgers()[unusable[0]]
    assert (ledger.sent, ledger.dropped, ledger.balanced) == (1, 1, True)
    assert [(reason.code, reason.count, reason.fate) for reason in ledger.reasons] == [(code, 1, Fate.DROPPED)]
    names = [record.name for record in caplog.records if "connection" not in record.getMessage()]
    assert names == [f"magictel.{unusable[0]}"]
    assert caplog.text.count(code) == 1
    if len(telemetry.exporters) == 2:
        assert len(documents(backend)) == 1, "the other target lives"


def test_nothing_enabled_is_said_and_harms_nothing(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    with runtime.start(environment={}, config=tmp_path / "empty.toml") as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
    assert telemetry.ledgers() == {}
    assert "Nothing is enabled" in caplog.text


def test_a_name_twice_is_one_target(backend: Server) -> None:
    environment = {"ENABLED_EXPORTERS": "elasticsearch, elasticsearch", "ELASTICSEARCH_URL": backend.origin}
    with runtime.start(environment=environment) as telemetry:
        assert list(telemetry.exporters) == ["elasticsearch"]


def test_shutdown_never_raises_and_twice_is_once(caplog: pytest.LogCaptureFixture) -> None:
    environment = {
        "ENABLED_EXPORTERS": "elasticsearch",
        "ELASTICSEARCH_URL": "http://127.0.0.1:9",
        "ELASTICSEARCH_RETRY_BUDGET": "0",
    }
    telemetry = runtime.start(environment=environment)
    metrics.get_meter("app").create_counter("orders").add(3)
    telemetry.shutdown(timeout=-1)
    telemetry.shutdown()
    assert "deadline already exceeded" in caplog.text
    assert telemetry.exporters["elasticsearch"].export(collection([1])).name == "FAILURE"
    assert telemetry.ledgers()["elasticsearch"].balanced


@pytest.fixture
def picked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder's own file, which nobody named."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "magictel.toml"


def test_a_file_that_was_picked_up_takes_no_credentials_away(picked_up: Path, caplog: pytest.LogCaptureFixture) -> None:
    environment = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_API_KEY": "id:s3cr3t"}
    with Server(ElasticsearchEmulator(), record=True).start() as server:
        picked_up.write_text(f'[targets.elasticsearch]\nurl = "{server.origin}"\n')
        with runtime.start(environment=environment) as telemetry:
            metrics.get_meter("app").create_counter("orders").add(3)
        assert list(server.requests) == []
    assert telemetry.ledgers()["elasticsearch"].dropped == 1
    assert (
        "config.untrusted-file: url: refused: magictel.toml:2 would send ELASTICSEARCH_API_KEY to 127.0.0.1"
        in caplog.text
    )
    assert f"export MAGICTEL_CONFIG={picked_up}" in caplog.text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("consent", ["argument", "variable"])
def test_a_file_that_was_named_is_used(backend: Server, picked_up: Path, consent: str) -> None:
    picked_up.write_text(f'[targets.elasticsearch]\nurl = "{backend.origin}"\n')
    environment = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_API_KEY": "id:s3cr3t"}
    if consent == "variable":
        environment["MAGICTEL_CONFIG"] = "magictel.toml"
    with runtime.start(environment=environment, config=picked_up if consent == "argument" else None):
        metrics.get_meter("app").create_counter("orders").add(3)
    assert len(documents(backend)) == 1


def test_what_is_unsafe_is_logged_once(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    environment = {
        "ENABLED_EXPORTERS": "elasticsearch",
        "ELASTICSEARCH_URL": backend.origin,
        "ELASTICSEARCH_VERIFY": "false",
        "ELASTICSEARCH_API_KEY": "'id:s3cr3t'",
    }
    with runtime.start(environment=environment) as telemetry:
        for _ in range(3):
            metrics.get_meter("app").create_counter("orders").add(3)
            telemetry.provider.force_flush()
    assert caplog.text.count("config.warning: verify: the server's certificate is not verified") == 1
    assert caplog.text.count("config.warning: api_key: ELASTICSEARCH_API_KEY is in quotes") == 1


def test_every_unknown_name_is_counted_by_itself(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    environment = {"ENABLED_EXPORTERS": "elastcsearch, elasticsearch, consle", "ELASTICSEARCH_URL": backend.origin}
    with runtime.start(environment=environment) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
    assert list(telemetry.ledgers()) == ["elastcsearch", "elasticsearch", "consle"]
    assert [ledger.dropped for ledger in telemetry.ledgers().values()] == [1, 0, 1]
    assert caplog.text.count("config.unknown-target") == 2


def test_an_exporter_made_without_code_logs_what_is_unsafe_once(caplog: pytest.LogCaptureFixture) -> None:
    environment = {
        "ELASTICSEARCH_URL": "http://es.example.net",
        "ELASTICSEARCH_API_KEY": "id:s3cr3t",
        "ELASTICSEARCH_VERIFY": "no",
    }
    ElasticsearchExporter(environment=environment).shutdown(0)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "certificate is not verified" in warnings[0]
    assert "api_key would be sent unencrypted to http://es.example.net" in warnings[1]


SICK = {
    "a reader of the SDK": (
        "from opentelemetry.sdk.metrics.export import InMemoryMetricReader\n"
        "from magictel import ExporterSettings\n"
        "class AcmeExporter(InMemoryMetricReader): interface, Settings = 2, ExporterSettings"
    ),
    "one that does not begin as exporters do": ACME
    + "\n    def __init__(self, settings, **options): self.settings = settings\n",
    "one that cannot be made": ACME + "\n    def __init__(self, settings, **options): raise KeyError('x')\n",
}


@pytest.mark.parametrize("case", SICK)
def test_a_class_that_is_no_exporter_never_ends_the_application(
    case: str, backend: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_sick", raising=False)
    install(tmp_path, "acme", {"acme": "acme_sick:AcmeExporter"}, {"acme_sick": SICK[case]})
    importlib.invalidate_caches()
    environment = {
        "ENABLED_EXPORTERS": "acme,elasticsearch",
        "ELASTICSEARCH_URL": backend.origin,
        "ACME_URL": "http://localhost",
        "ACME_TOKEN": "t",
    }
    with runtime.start(environment=environment) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
    assert isinstance(telemetry.exporters["acme"], CountingExporter)
    assert telemetry.ledgers()["acme"].dropped == 1
    assert telemetry.ledgers()["elasticsearch"].delivered == 1
    assert "plugin.broken" in caplog.text
