"""The guide's Docker Compose file is valid by the Compose specification, and its variables are those of the exporters."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from magictel import sandbox
from magictel.registry import entry_points
from magictel.settings.fields import field_map
from tests.cli.running import magictel
from tests.documents import blocks, text

(COMPOSE,) = blocks("docker-compose", "yaml")
(ENV,) = blocks("docker-compose", "sh")
PARSED = yaml.safe_load(COMPOSE)
SERVICES: Mapping[str, Mapping[str, Any]] = PARSED["services"]
BACKENDS = [name for name in SERVICES if name not in ("gateway", "check")]
LOCAL = {"console", "file"}
"""Exporters that need no backend."""
NO_SERVICE = {"datadog", "newrelic"}
"""Exporters to a vendor."""
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")


def variables(exporter: str) -> set[str]:
    return {name for field in field_map(entry_points.load(exporter).Settings).values() for name in field.env}


def environment(service: str, **given: str) -> dict[str, str]:
    """Return a service's environment as Compose makes it: a variable without a value is passed on if it is set."""
    shown = {}
    for name, value in SERVICES[service]["environment"].items():
        if value is not None:
            shown[name] = _VARIABLE.sub(lambda match: given.get(match[1]) or match[2], value)
        elif name in given:
            shown[name] = given[name]
    return shown


@pytest.mark.parametrize("spoiled", ["", "helthcheck:", "profiles: 1"])
def test_it_is_valid_by_the_schema_of_the_compose_specification(spoiled: str, tmp_path: Path) -> None:
    """By the schema that comes with check-jsonschema: no network."""
    shown = COMPOSE.replace("profiles: [check]", spoiled) if " " in spoiled else COMPOSE
    shown = shown.replace("healthcheck:", spoiled) if spoiled.endswith(":") else shown
    (tmp_path / "compose.yaml").write_text(shown)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    judged = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert judged.returncode == int(bool(spoiled)), judged.stdout + judged.stderr


def test_each_exporter_has_the_service_that_its_profile_starts() -> None:
    profiles = {profile for name in BACKENDS for profile in SERVICES[name]["profiles"]}
    assert profiles - {"datadog-agent"} == set(entry_points.names()) - LOCAL - NO_SERVICE
    assert "COMPOSE_PROFILES=${ENABLED_EXPORTERS}" in ENV


def test_every_backend_has_a_health_check_that_the_application_and_the_check_wait_for() -> None:
    for name in ("gateway", "check"):
        waits = SERVICES[name]["depends_on"]
        for backend in BACKENDS:
            healthy = "service_healthy" if "healthcheck" in SERVICES[backend] else "service_started"
            assert waits[backend] == {"condition": healthy, "required": False}
    assert [name for name in BACKENDS if "healthcheck" not in SERVICES[name]] == ["collector"]
    assert "# This image has no shell for a health check" in COMPOSE
    assert SERVICES["check"]["depends_on"]["gateway"] == {"condition": "service_started"}


def test_every_variable_is_one_of_an_exporter_and_no_secret_is_written_down() -> None:
    known = {name for exporter in entry_points.names() for name in variables(exporter)} | {"ENABLED_EXPORTERS"}
    secrets = {
        name
        for exporter in entry_points.names()
        for field in field_map(entry_points.load(exporter).Settings).values()
        if field.secret
        for name in field.env
    }
    for service in ("gateway", "check"):
        assert set(SERVICES[service]["environment"]) <= known
    for service in SERVICES.values():
        written = {name for name, value in service.get("environment", {}).items() if value is not None}
        assert not written & secrets
    named = dict(line.split("=", 1) for line in ENV.splitlines())
    assert set(named) - {"COMPOSE_PROFILES"} <= known
    assert not any(named[name] for name in set(named) & secrets)


KEYS = {
    "DD_API_KEY": "0123456789abcdef0123456789abcdef",
    "NEW_RELIC_LICENSE_KEY": "0123456789abcdef0123456789abcdefFFFFNRAL",
}


def test_every_exporter_is_configured_by_these_variables(tmp_path: Path) -> None:
    exporters = sorted(set(entry_points.names()) - LOCAL)
    given = environment("check", **KEYS, ENABLED_EXPORTERS=",".join(exporters))
    ran = magictel("list", "--format", "json", folder=tmp_path, environment=given)
    states = {row["name"]: row["state"] for row in ran.document["exporters"] if row["name"] in exporters}
    assert states == dict.fromkeys(exporters, "ready"), ran.out


def test_the_exporters_of_the_env_file_need_keys_only(tmp_path: Path) -> None:
    named = dict(line.split("=", 1) for line in ENV.splitlines()) | KEYS
    given = environment("check", **{name: value for name, value in named.items() if value})
    ran = magictel("config", "check", folder=tmp_path, environment=given)
    assert ran.code == 0, ran.out + ran.err


def test_addresses_are_names_of_services_and_ports_that_they_serve() -> None:
    hosts = set()
    for value in environment("check").values():
        hosts |= set(re.findall(r"https?://([a-z-]+):", value))
    hosts.add(environment("check")["STATSD_HOST"])
    assert hosts == {"elasticsearch", "opensearch", "collector", "prometheus", "gateway"}
    assert hosts <= set(SERVICES)


def test_inline_configurations_are_mounted_and_parse() -> None:
    mounted = {entry["source"] for service in SERVICES.values() for entry in service.get("configs", ())}
    assert mounted == set(PARSED["configs"])
    parsed = {name: yaml.safe_load(config["content"]) for name, config in PARSED["configs"].items()}
    assert parsed["scrape"]["scrape_configs"][0]["static_configs"] == [{"targets": ["gateway:9464"]}]
    pipelines = parsed["collector"]["service"]["pipelines"]
    assert set(pipelines["metrics"]["receivers"]) <= set(parsed["collector"]["receivers"])


@pytest.fixture
def backends() -> Iterator[Mapping[str, str]]:
    with sandbox.start(["elasticsearch", "opensearch", "otlp", "datadog", "newrelic"]) as room:
        yield room.environment()


def test_the_one_shot_service_checks_every_enabled_exporter(backends: Mapping[str, str], tmp_path: Path) -> None:
    command = SERVICES["check"]["command"]
    assert command[0] == "magictel"
    given = environment("check", ENABLED_EXPORTERS="elasticsearch,opensearch,otlp,datadog,newrelic")
    ran = magictel(*command[1:], "--format", "json", folder=tmp_path, environment={**given, **backends})
    assert len(ran.document["targets"]) == 5, ran.out
    assert ran.code in (0, 3), ran.out  # a Collector has no health of its own: a warning


def test_commands_of_the_guide_name_services() -> None:
    commands = re.findall(r"docker compose run --rm ([a-z-]+)(?: magictel ([a-z-]+))?", text("docker-compose"))
    assert {service for service, _ in commands} == {"check"}
    assert {command for _, command in commands} == {"", "send-sample", "prepare"}
