"""`magictel bundle`: what is in the archive, and what never is."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics

from magictel import runtime
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.cli.running import magictel, refused

SECRETS = {
    "ELASTICSEARCH_API_KEY": "aWQ6c2VjcmV0LWtleQ==",
    "SHOP_PASSWORD": "correct horse battery",
    "PROXY": "http://user:s3cr3t-proxy@proxy.example.net:3128",
}


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def unpacked(folder: Path, name: str = "magictel-bundle.zip") -> dict[str, Any]:
    with zipfile.ZipFile(folder / name) as archive:
        return {member: json.loads(archive.read(member)) for member in archive.namelist()}


def test_the_archive_has_versions_settings_findings_and_health(backend: Server, tmp_path: Path) -> None:
    given = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": backend.origin, **SECRETS}
    with runtime.start(environment={**given, "MAGICTEL_HEALTH_PORT": "0"}) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
        telemetry.force_flush()
        assert telemetry.health_page is not None
        url = f"http://127.0.0.1:{telemetry.health_page.port}"
        ran = magictel("bundle", "--url", url, folder=tmp_path, environment=given)
    assert (ran.code, ran.err) == (0, "")
    documents = unpacked(tmp_path)
    assert list(documents) == ["installation.json", "settings.json", "check.json", "status.json"]
    assert ran.out.startswith(f"wrote magictel-bundle.zip: {', '.join(documents)}\n")
    assert documents["installation.json"]["magictel"]["version"]
    assert documents["settings.json"]["targets"][0]["settings"]["url"]["origin"] == "ELASTICSEARCH_URL"
    assert documents["check.json"]["targets"][0]["target"] == "elasticsearch"
    assert documents["status.json"]["targets"][0]["ledger"]["delivered"] == 1
    assert stat.S_IMODE((tmp_path / "magictel-bundle.zip").stat().st_mode) == 0o600
    for secret in (*SECRETS.values(), "s3cr3t-proxy", "secret-key"):
        assert secret not in json.dumps(documents)


def test_a_secret_that_a_backend_repeats_is_masked(backend: Server, tmp_path: Path) -> None:
    """What a reply says goes into findings: the same with a secret of another program's variable."""
    url = f"{backend.origin}/correct-horse"
    given = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": url, "SHOP_PASSWORD": "correct-horse"}
    assert magictel("bundle", folder=tmp_path, environment=given).code == 0
    assert "correct-horse" not in json.dumps(unpacked(tmp_path))


def test_what_cannot_be_had_is_said_in_its_place(tmp_path: Path) -> None:
    ran = magictel("bundle", "--out", "a.zip", "--url", f"http://127.0.0.1:{refused()}", folder=tmp_path)
    assert ran.code == 0
    documents = unpacked(tmp_path, "a.zip")
    assert list(documents) == ["installation.json", "settings.json", "status.json"]
    assert documents["settings.json"]["code"] == "config.nothing-enabled"
    assert documents["status.json"]["code"] == "net.tcp.refused"


def test_unusable_settings_are_findings(tmp_path: Path) -> None:
    given = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": "http://localhost:99999"}
    assert magictel("bundle", folder=tmp_path, environment=given).code == 0
    documents = unpacked(tmp_path)
    assert documents["settings.json"]["targets"][0]["error"]["code"] == "config.url.bad-port"
    assert documents["check.json"]["outcome"] == "fail"


@pytest.mark.parametrize("out", ["there.zip", "nowhere/a.zip"])
def test_a_file_is_never_overwritten_and_a_bad_place_is_an_error(out: str, tmp_path: Path) -> None:
    (tmp_path / "there.zip").write_text("mine")
    ran = magictel("bundle", "--out", out, folder=tmp_path)
    assert ran.code == 2
    assert f"--out: {out} cannot be written: " in ran.err
    assert (tmp_path / "there.zip").read_text() == "mine"


def test_an_unknown_target_is_a_usage_error(tmp_path: Path) -> None:
    assert magictel("bundle", "elastcsearch", folder=tmp_path).code == 2
    assert list(tmp_path.iterdir()) == []
