"""Settings: addresses, logins, keys and Cloud IDs, as they come from the environment and go into the header."""

from __future__ import annotations

import base64

import pytest

from magictel.errors import SettingsError
from magictel.exporters.elasticsearch import (
    ElasticsearchExporter,
    ElasticsearchSettings,
    OpenSearchExporter,
    OpenSearchSettings,
)
from magictel.exporters.elasticsearch.settings import SearchSettings
from magictel.settings.load import resolve_settings


def loaded(model: type[SearchSettings] = ElasticsearchSettings, **variables: str) -> SearchSettings:
    environment = {model.env_prefix + name.upper(): text for name, text in variables.items()}
    return resolve_settings("es", "elasticsearch", model, environment=environment).settings


def header(settings: SearchSettings) -> str | None:
    kind = ElasticsearchExporter if isinstance(settings, ElasticsearchSettings) else OpenSearchExporter
    exporter = kind(settings)  # type: ignore[arg-type]
    authorization = exporter.headers().get("Authorization")
    exporter.shutdown(0)
    return authorization


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_nothing_set_is_a_local_node_without_credentials() -> None:
    settings = loaded()
    assert [str(address.endpoint) for address in settings.addresses()] == ["http://localhost:9200"]
    assert settings.index == "magicapi-metrics"
    assert header(settings) is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"api_key": " aWQ6a2V5\n"}, "ApiKey aWQ6a2V5"),
        ({"bearer_token": "token-1234"}, "Bearer token-1234"),
        ({"username": "writer", "password": "pass:word"}, basic("writer:pass:word")),
        ({"url": "https://writer:p%40ss@es.example:9243"}, basic("writer:p@ss")),
    ],
)
def test_credentials_become_one_header(variables: dict[str, str], expected: str) -> None:
    assert header(loaded(**variables)) == expected


def test_opensearch_has_its_own_variables() -> None:
    settings = loaded(OpenSearchSettings, url="https://os.example", username="u", password="secret-word")
    assert str(settings.addresses()[0].endpoint) == "https://os.example:443"
    assert header(settings) == basic("u:secret-word")


def test_several_nodes_are_kept_in_order_and_their_logins_taken_out() -> None:
    settings = loaded(url="https://u:secret-word@a.example:9200,https://u:secret-word@b.example:9201/es")
    assert [str(address.endpoint) for address in settings.addresses()] == [
        "https://a.example:9200",
        "https://b.example:9201/es",
    ]
    assert header(settings) == basic("u:secret-word")


def cloud(text: str, name: str = "prod") -> str:
    return f"{name}:{base64.b64encode(text.encode()).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("cloud_id", "address"),
    [
        (cloud("eu-west-1.aws.found.io$abc$def"), "https://abc.eu-west-1.aws.found.io:443"),
        (cloud("eu.example:9243$abc$def"), "https://abc.eu.example:9243"),
        (cloud("eu.example$abc:9244$def"), "https://abc.eu.example:9244"),
        (cloud("eu.example$abc", name=""), "https://abc.eu.example:443"),
    ],
)
def test_a_cloud_id_is_an_address(cloud_id: str, address: str) -> None:
    assert str(loaded(cloud_id=cloud_id).addresses()[0].endpoint) == address


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"api_key": "id:key1", "username": "u", "password": "s3cr3t"}, "config.credentials", "api_key; username and password"),
    ({"api_key": "id:key1", "bearer_token": "t0k3n"}, "config.credentials", "api_key; bearer_token"),
    ({"url": "http://u:s3cr3t@a.example", "api_key": "id:key1"}, "config.credentials", "api_key; the login in url"),
    ({"url": "http://u:s3cr3t@a.example,http://u:other@b.example"}, "config.credentials", "different logins"),
    ({"username": "u"}, "config.credentials", "password: not set, but username needs it"),
    ({"password": "s3cr3t"}, "config.credentials", "username: not set, but password needs it"),
    ({"cloud_id": "prod:%%%"}, "config.value", "does not decode"),
    ({"cloud_id": "prod:ZXUtd2VzdC0x…"}, "config.value", "does not decode"),
    ({"index": "a\u200bb"}, "config.value", "invisible character"),
    ({"cloud_id": cloud("a.example$abc$"), "url": "http://b.example"}, "config.value", "url and cloud_id are both set"),
    ({"url": "http://localhost:99999"}, "config.url.bad-port", "99999"),
    ({"url": "localhost:9200"}, "config.url.no-scheme", "http://"),
    ({"index": "Metrics"}, "config.value", "capital letters"),
    ({"index": "a,b"}, "config.value", "','"),
    ({"index": "_metrics"}, "config.value", "begin"),
    ({"index": "m*"}, "config.value", "'*'"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "code", "words"), WRONG)
def test_what_cannot_work_is_refused_before_the_network(variables: dict[str, str], code: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(**variables)
    assert caught.value.code == code
    assert words in caught.value.message
    assert "s3cr3t" not in caught.value.message


def test_no_secret_shows_in_settings_or_exporter() -> None:
    settings = loaded(url="https://u:secret-word@es.example")
    exporter = ElasticsearchExporter(settings)  # type: ignore[arg-type]
    shown = f"{exporter.endpoint()} {exporter.wire()!r} {exporter.redact('x secret-word y')}"
    exporter.shutdown(0)
    assert "secret-word" not in shown
