"""`TelemetryConfig`: what the file says, in code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics

from magictel import runtime
from magictel.errors import SettingsError
from magictel.exporters.elasticsearch import ElasticsearchExporter, ElasticsearchSettings
from magictel.registry import entry_points
from magictel.runtime.counting import CountingExporter
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from magictel.settings.fields import fields_of
from magictel.settings.file import TABLES, parse


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def test_targets_in_code_are_sent_to(backend: Server) -> None:
    settings = ElasticsearchSettings(url=[backend.origin], index="shop")
    config = runtime.TelemetryConfig(
        targets={
            "prod": runtime.Target(ElasticsearchExporter, settings),
            "canary": runtime.Target(ElasticsearchExporter, settings, enabled=False),
        }
    )
    environment = {"ENABLED_EXPORTERS": "console", "MAGICTEL_PROD__INDEX": "other"}
    with runtime.start(config=config, environment=environment) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
    assert list(telemetry.exporters) == ["prod"]
    assert isinstance(backend.emulator, ElasticsearchEmulator)
    assert {document["_index"] for document in backend.emulator.documents()} == {"shop"}


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (ElasticsearchSettings(url=["http://localhost:99999"]), "config.url.bad-port"),
        (ElasticsearchSettings(client_key_file="/k.pem"), "config.value"),
        (ElasticsearchSettings(ca_file="/nowhere/ca.pem"), "config.tls.ca-file"),
    ],
)
def test_unusable_settings_in_code_are_counted(
    settings: ElasticsearchSettings, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    config = runtime.TelemetryConfig(targets={"prod": runtime.Target(ElasticsearchExporter, settings)})
    with runtime.start(config=config, environment={}) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
    assert isinstance(telemetry.exporters["prod"], CountingExporter)
    assert [reason.code for reason in telemetry.ledgers()["prod"].reasons] == [code]
    assert caplog.text.count(code) == 1


def test_the_configuration_in_code_has_every_table_and_every_key_of_the_file() -> None:
    assert tuple(field.name for field in fields(runtime.TelemetryConfig)) == TABLES
    keys = {field.name for field in fields(runtime.Target)} - {"settings"}
    written = {"exporter": '"file"', "enabled": "false"}
    assert keys == set(written)
    for key, value in written.items():
        assert (
            key
            not in parse(f"[targets.a]\n{key} = {value}\n", Path("magictel.toml"), "magictel.toml").tables["a"].values
        )


@pytest.mark.parametrize("name", entry_points.BUILT_IN)
def test_every_key_of_an_exporter_is_an_argument_of_its_settings(name: str) -> None:
    model: Any = entry_points.load(name).Settings
    options = {field.key: field.nothing for field in fields_of(model)}
    assert set(model.__struct_fields__) == set(options)
    assert isinstance(model(**options), model)


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no such table"):
        parse("[metrix]\n", Path("magictel.toml"), "magictel.toml")
