"""A `magictel.toml` that came with a clone: nothing of yours reaches its server, in whatever command; a team's own file just works."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.cli.running import magictel

KEY = "cHJvZDpzM2NyM3Q="
COMMANDS = (
    "check",
    "check --round-trip --wait 1s",
    "check --sandbox --all",
    "send-sample",
    "send-sample --force --no-verify",
    "replay @node",
    "replay @node --dry-run",
    "prepare elasticsearch",
    "prepare elasticsearch --apply",
    "send-sample --clean --run 0123456789ab",
    "config check",
    "config show",
)


@dataclass
class Hostile:
    """A server that takes whatever comes, and what came."""

    port: int = 0
    seen: list[str] = field(default_factory=list)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    state = Hostile()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.seen.append(f"{self.command} {self.path} {dict(self.headers)}")
            body = json.dumps({"version": {"number": "8.19.0"}, "tagline": "You Know, for Search"}).encode()
            self.send_response(200)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    for method in ("POST", "PUT", "DELETE", "HEAD", "CONNECT"):
        setattr(Handler, f"do_{method}", Handler.do_GET)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join(10)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_reaches_the_server_of_a_file_that_was_picked_up(
    command: str, hostile: Hostile, tmp_path: Path
) -> None:
    (tmp_path / "magictel.toml").write_text(f'[targets.elasticsearch]\nurl = "http://127.0.0.1:{hostile.port}"\n')
    environment = {"ELASTICSEARCH_API_KEY": KEY, "ENABLED_EXPORTERS": "elasticsearch"}
    ran = magictel(*command.split(), folder=tmp_path, environment=environment)
    assert hostile.seen == []
    if "--sandbox" in command:
        return
    assert ran.code == 78, ran
    assert f"magictel.toml:2 would send ELASTICSEARCH_API_KEY to 127.0.0.1:{hostile.port}" in ran.out + ran.err
    if "--dry-run" not in command:
        assert "config.untrusted-file" in ran.out + ran.err
        assert f"export MAGICTEL_CONFIG={tmp_path / 'magictel.toml'}" in ran.out + ran.err
    assert KEY not in ran.out + ran.err


def test_a_proxy_of_the_file_sees_nothing_either(hostile: Hostile, tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text(f'[targets.elasticsearch]\nproxy = "http://127.0.0.1:{hostile.port}"\n')
    for url in ("http://prod.example.net:9200", "https://prod.example.net:9243"):
        environment = {"ELASTICSEARCH_API_KEY": KEY, "ELASTICSEARCH_URL": url}
        ran = magictel("check", "elasticsearch", folder=tmp_path, environment=environment)
        assert (ran.code, hostile.seen) == (78, [])
        assert f"through 127.0.0.1:{hostile.port}" in ran.out


@pytest.mark.parametrize(
    "consent", [("--config", "magictel.toml"), ("MAGICTEL_CONFIG", "magictel.toml"), ("MAGICTEL_CONFIG", "{folder}")]
)
def test_naming_the_file_is_the_consent(consent: tuple[str, str], hostile: Hostile, tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text(
        f'[targets.staging]\nexporter = "elasticsearch"\nurl = "http://127.0.0.1:{hostile.port}"\napi_key = "${{KEY}}"\n'
    )
    how, path = consent
    path = path.format(folder=tmp_path / "magictel.toml")
    named = {how: path} if how.isupper() else {}
    options = () if named else consent
    magictel("check", *options, "--until", "http", folder=tmp_path, environment={"KEY": KEY, **named})
    assert any(f"ApiKey {KEY}" in request for request in hostile.seen)


def test_a_teams_own_file_works_in_ci_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text(
        '[targets.staging]\nexporter = "elasticsearch"\nurl = "${STAGING_ES_URL}"\napi_key = "${STAGING_ES_KEY}"\n'
    )
    with Server(ElasticsearchEmulator()).start() as server:
        environment = {"STAGING_ES_URL": server.origin, "STAGING_ES_KEY": KEY}
        ran = magictel("check", folder=tmp_path, environment=environment)
    assert ran.code == 0, ran


def test_the_other_targets_run(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text(
        '[targets.evil]\nexporter = "elasticsearch"\nurl = "http://127.0.0.1:1"\napi_key = "${KEY}"\n'
        '[targets.out]\nexporter = "file"\n'
    )
    ran = magictel("send-sample", folder=tmp_path, environment={"KEY": KEY})
    assert ran.code == 78
    assert (tmp_path / "magictel-metrics.jsonl").exists()
    listed = magictel("list", folder=tmp_path, environment={"KEY": KEY})
    assert listed.code == 0
    assert "evil" in listed.out


def test_what_init_writes_works_where_it_was_written_and_says_when_the_file_must_be_named(tmp_path: Path) -> None:
    with Server(ElasticsearchEmulator()).start() as server:
        environment = {"ELASTICSEARCH_URL": server.origin, "ELASTICSEARCH_API_KEY": KEY}
        written = magictel("init", folder=tmp_path, environment=environment)
        assert (written.code, "MAGICTEL_CONFIG" in written.err) == (0, False)
        assert magictel("check", folder=tmp_path, environment=environment).code == 0
    add = ("add", "elasticsearch", "--as", "prod", "--set", "url=https://prod.example.net", "--set", "api_key=${KEY}")
    added = magictel(*add, folder=tmp_path, environment={"KEY": KEY})
    assert added.code == 0
    assert "would send ${KEY} to prod.example.net" in added.err
    assert f"export MAGICTEL_CONFIG={tmp_path / 'magictel.toml'}" in added.err
    other = magictel(
        *add[:3], "other", *add[4:], "--config", "magictel.toml", folder=tmp_path, environment={"KEY": KEY}
    )
    assert "MAGICTEL_CONFIG" not in other.err


def test_a_variable_in_a_picked_up_file_is_not_printed_with_its_value(tmp_path: Path) -> None:
    """A pull request's file must not print the secrets of the job into its log."""
    (tmp_path / "magictel.toml").write_text(
        '[targets.m]\nexporter = "elasticsearch"\nurl = "${ES_URL}"\n'
        'timeout = "${AWS_KEY}"\nindex = "${AWS_KEY}"\ntemporality = "${AWS_KEY}"\npipeline = "${QUOTED}"\n'
    )
    environment = {"ES_URL": "http://127.0.0.1:1", "AWS_KEY": "AKIA-S3CR3T", "QUOTED": "'AKIA-S3CR3T'"}
    for command in ("check", "config check", "config show", "check --format json"):
        ran = magictel(*command.split(), folder=tmp_path, environment=environment)
        assert ran.code == 78
        assert "AKIA-S3CR3T" not in ran.out + ran.err


@pytest.mark.parametrize("command", ["check", "config check", "config show", "list", "init", "add file", "enable m"])
def test_a_named_pipe_as_config_file_is_one_sentence(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "magictel.toml")
    ran = magictel(*command.split(), folder=tmp_path)
    assert ran.code == 78
    assert "magictel.toml cannot be read (it is a named pipe, not a regular file)" in ran.err


@pytest.mark.parametrize("key", ["api_key", "ca_file", "client_cert_file"])
def test_a_named_pipe_or_a_folder_as_secret_or_certificate_is_one_sentence(key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    written = "file:" if key == "api_key" else ""
    for path, why in (("pipe", "a named pipe"), (".", "directory"), ("/dev/zero", "a device")):
        option = f"{key}={written}{path}"
        ran = magictel("config", "check", "elasticsearch", "--set", option, folder=tmp_path)
        assert ran.code == 78
        assert why in ran.err.lower()
        assert "Traceback" not in ran.err
