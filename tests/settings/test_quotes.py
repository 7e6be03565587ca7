"""Values whose quotes an env file kept, and addresses without a comma between them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from magictel.errors import SettingsError
from magictel.exporters.elasticsearch.settings import ElasticsearchSettings
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.net.address import parse_endpoint
from magictel.net.proxy import proxy_for
from magictel.settings.file import parse
from magictel.settings.load import Resolved, resolve_settings
from magictel.settings.locate import find
from magictel.settings.origin import Origin
from magictel.settings.reading import UnusableSettings


def use(**environment: str) -> Resolved[ElasticsearchSettings]:
    return resolve_settings("elasticsearch", "elasticsearch", ElasticsearchSettings, environment=environment)


def mistake(**environment: str) -> SettingsError:
    with pytest.raises(UnusableSettings) as caught:
        use(**environment)
    assert len(caught.value.every) == 1, [failure.message for failure in caught.value.every]
    return caught.value


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "http://127.0.0.1:9200"),
        ("URL", "http://a:9200,http://b:9200"),
        ("TIMEOUT", "3s"),
        ("VERIFY", "false"),
        ("COMPRESSION", "none"),
        ("OUTBOX_BYTES", "5MB"),
        ("PROXY", "http://proxy:3128"),
        ("DROP_ATTRIBUTES", "user.*,client.*"),
    ],
)
def test_a_value_in_quotes_is_named_as_such(name: str, value: str, quote: str) -> None:
    failure = mistake(**{f"ELASTICSEARCH_{name}": f"{quote}{value}{quote}"})
    assert failure.code == "config.quotes"
    assert f"{name.lower()}: ELASTICSEARCH_{name} is in quotes that are part of the value" in failure.message
    assert failure.remedy == f"write ELASTICSEARCH_{name}={value}"


def test_each_item_of_a_list_in_quotes() -> None:
    failure = mistake(ELASTICSEARCH_URL='"http://a:9200","http://b:9200"')
    assert failure.remedy == "write ELASTICSEARCH_URL=http://a:9200,http://b:9200"
    assert use(ELASTICSEARCH_URL='["http://a:9200", "http://b:9200"]').settings.url == [
        "http://a:9200",
        "http://b:9200",
    ]


def test_a_login_in_a_quoted_address_is_not_shown() -> None:
    failure = mistake(ELASTICSEARCH_URL="'https://u:s3cr3t@es:9200'")
    assert "s3cr3t" not in f"{failure.message} {failure.remedy}"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_secret_in_quotes_warns_and_is_not_shown(quote: str, tmp_path: Path) -> None:
    for environment in (
        {"ELASTICSEARCH_API_KEY": f" {quote}s3cr3t-key{quote}\n"},
        {"ELASTICSEARCH_USERNAME": "elastic", "ELASTICSEARCH_PASSWORD": f"{quote}s3cr3t{quote}"},
        {"ELASTICSEARCH_HEADERS": f"X-A={quote}s3cr3t{quote}"},
    ):
        resolved = use(**environment)
        (warning,) = [text for text in resolved.warnings if "is in quotes that are part of the value" in text]
        name = next(name for name in reversed(environment))
        assert name in warning
        assert "s3cr3t" not in f"{warning} {resolved.remedy}"
        # A value with white space around the quotes, or a part of one, is not cut out by the shell.
        assert resolved.remedy == (f'export {name}="${{{name}:1:-1}}"' if name.endswith("PASSWORD") else None)
    (tmp_path / "key").write_text(f"{quote}s3cr3t-key{quote}\n")
    (tmp_path / "key").chmod(0o600)
    (warning,) = use(ELASTICSEARCH_API_KEY=f"file:{tmp_path}/key").warnings
    assert "is in quotes" in warning
    assert mistake(ELASTICSEARCH_HEADERS=f"{quote}X-A=s3cr3t{quote}").code == "config.quotes"


def test_the_line_that_removes_the_quotes_of_a_secret_does_so(tmp_path: Path) -> None:
    remedy = use(ELASTICSEARCH_API_KEY="'s3cr3t-key'").remedy
    assert remedy is not None
    script = f'{remedy}\nprintf %s "$ELASTICSEARCH_API_KEY"'
    environment = {"ELASTICSEARCH_API_KEY": "'s3cr3t-key'", "PATH": os.environ["PATH"]}
    ran = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "s3cr3t-key"


def test_a_text_that_might_be_meant_so_warns() -> None:
    (warning,) = use(ELASTICSEARCH_PIPELINE='"clean"').warnings
    assert warning.startswith("pipeline: ELASTICSEARCH_PIPELINE is in quotes")
    (warning,) = use(ELASTICSEARCH_INDEX="'metrics'").warnings
    assert warning.startswith("index: ELASTICSEARCH_INDEX is in quotes")
    assert mistake(ELASTICSEARCH_INDEX='"metrics"').code == "config.quotes"


def test_the_command_line_and_a_variable_of_the_file() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_settings(
            "elasticsearch",
            "elasticsearch",
            ElasticsearchSettings,
            environment={},
            overrides={"url": ('"http://a:9200"', Origin("option", "--set url"))},
        )
    assert caught.value.remedy == "write --set url=http://a:9200"
    text = '[targets.m]\nexporter = "elasticsearch"\napi_key = "${K}"\nurl = "${U}"\n'
    file = parse(text, Path("m.toml"), "m.toml")
    environment = {"K": "'a:b'", "U": "'http://a:9200'"}
    with pytest.raises(UnusableSettings) as unusable:
        resolve_settings("m", "elasticsearch", ElasticsearchSettings, environment=environment, config=file)
    assert unusable.value.message.startswith("url: m.toml:4 is in quotes")
    resolved = resolve_settings(
        "m", "elasticsearch", ElasticsearchSettings, environment={**environment, "U": "http://localhost:1"}, config=file
    )
    assert resolved.warnings[0].startswith("api_key: m.toml:3 is in quotes")


@pytest.mark.parametrize(
    ("between", "sign"), [(" ", "white space"), ("\n", "white space"), (";", ";"), (" ; ", ";"), ("|", "|")]
)
def test_several_addresses_are_separated_by_commas(between: str, sign: str) -> None:
    failure = mistake(ELASTICSEARCH_URL=f"http://a:9200{between}https://b:9200")
    assert failure.code == "config.url.separator"
    assert failure.message == f"url: separate addresses with commas, not with {sign}"
    assert failure.remedy == "write http://a:9200,https://b:9200"
    assert use(ELASTICSEARCH_URL="http://a:9200 , http://b:9200").settings.url == ["http://a:9200", "http://b:9200"]


def test_a_list_of_the_file_whose_item_holds_two() -> None:
    text = '[targets.m]\nexporter = "elasticsearch"\nurl = ["http://a:1", "http://b:1 http://c:1"]\n'
    with pytest.raises(SettingsError) as caught:
        resolve_settings(
            "m", "elasticsearch", ElasticsearchSettings, environment={}, config=parse(text, Path("m.toml"), "m.toml")
        )
    assert (caught.value.code, caught.value.origin) == ("config.url.separator", "m.toml:3")


@pytest.mark.parametrize("between", [",", " ", ";"])
def test_an_option_that_takes_one_address(between: str) -> None:
    environment = {"PROMETHEUS_REMOTE_WRITE_URL": f"http://u:s3cr3t@a/write{between}http://b/write"}
    with pytest.raises(SettingsError) as caught:
        resolve_settings("p", "prometheus-remote-write", PrometheusRemoteWriteSettings, environment=environment)
    assert caught.value.code == "config.url.separator"
    assert caught.value.message == "url: the value has several addresses, but the option takes one"
    assert "s3cr3t" not in str(caught.value.remedy)


def test_a_proxy_of_the_environment_and_the_config_files_own_variable(tmp_path: Path) -> None:
    endpoint = parse_endpoint("https://es.example.net").endpoint
    with pytest.raises(SettingsError) as caught:
        proxy_for(endpoint, None, trust_env=True, environment={"HTTPS_PROXY": '"http://u:s3cr3t@proxy:3128"'})
    assert caught.value.code == "config.quotes"
    assert caught.value.message.startswith("proxy: HTTPS_PROXY is in quotes")
    with pytest.raises(SettingsError) as caught:
        find(None, {"MAGICTEL_CONFIG": "'targets.toml'"}, tmp_path)
    assert (caught.value.code, caught.value.remedy) == ("config.quotes", "write MAGICTEL_CONFIG=targets.toml")
