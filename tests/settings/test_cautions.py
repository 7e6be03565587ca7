"""What works and is unsafe warns: certificates that are not verified, credentials that travel unencrypted."""

from __future__ import annotations

import pytest

from magictel.exporters.elasticsearch.settings import ElasticsearchSettings
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.settings.load import resolve_settings

CREDENTIALS = {
    "api_key": {"API_KEY": "id:s3cr3t"},
    "password": {"USERNAME": "u", "PASSWORD": "s3cr3t"},
    "bearer_token": {"BEARER_TOKEN": "s3cr3t"},
    "headers.Authorization": {"HEADERS": "Authorization=Basic s3cr3t"},
    "headers.X-Api-Key": {"HEADERS": "X-Api-Key=s3cr3t"},
}


def warnings(**environment: str) -> list[str]:
    variables = {f"ELASTICSEARCH_{name}": value for name, value in environment.items()}
    return list(
        resolve_settings("elasticsearch", "elasticsearch", ElasticsearchSettings, environment=variables).warnings
    )


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize(
    "host", ["es.example.net:9200", "10.0.0.7", "[fe80::1]:9200", "localhost.example.net", "0.0.0.0"]
)
def test_a_credential_over_plain_http_to_another_machine_warns(credential: str, host: str) -> None:
    (warning,) = warnings(URL=f"https://es:9200,http://{host}", **CREDENTIALS[credential])
    assert warning == f"url: {credential} would be sent unencrypted to http://{host} (ELASTICSEARCH_URL)"


def test_the_remedy_of_a_credential_over_plain_http_is_https() -> None:
    environment = {"ELASTICSEARCH_URL": "http://es.example.net", "ELASTICSEARCH_API_KEY": "id:s3cr3t"}
    resolved = resolve_settings("elasticsearch", "elasticsearch", ElasticsearchSettings, environment=environment)
    assert resolved.remedy == "use https:// in url (ELASTICSEARCH_URL)"


def test_a_login_in_the_address_warns_and_is_not_shown() -> None:
    (warning,) = warnings(URL="http://u:s3cr3t@es.example.net:9200")
    assert warning == "url: its login would be sent unencrypted to http://***@es.example.net:9200 (ELASTICSEARCH_URL)"


@pytest.mark.parametrize(
    "url",
    ["https://es.example.net", "http://localhost:9200", "http://127.0.0.9", "http://[::1]:9200", "http://es.localhost"],
)
def test_encrypted_or_to_this_machine_does_not_warn(url: str) -> None:
    assert warnings(URL=url, API_KEY="id:s3cr3t") == []
    assert warnings(URL="http://es.example.net:9200", HEADERS="X-Tenant=blue") == []
    assert warnings(URL="http://es.example.net:9200") == []


def test_where_remote_write_asks_counts_too() -> None:
    environment = {
        "PROMETHEUS_REMOTE_WRITE_URL": "https://prom/api/v1/write",
        "PROMETHEUS_REMOTE_WRITE_QUERY_URL": "http://prom",
        "PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN": "s3cr3t",
    }
    resolved = resolve_settings("p", "prometheus-remote-write", PrometheusRemoteWriteSettings, environment=environment)
    assert resolved.warnings[0].startswith("query_url: bearer_token would be sent unencrypted to http://prom")


def test_no_verification_warns_beside_every_other_warning() -> None:
    warned = warnings(VERIFY="false", URL="http://es.example.net", API_KEY=" 'id:s3cr3t' ")
    assert [text.partition(":")[0] for text in warned] == ["api_key", "api_key", "verify", "url"]
    assert "certificate is not verified" in warned[2]
    assert "(ELASTICSEARCH_VERIFY)" in warned[2]
    assert warnings(VERIFY="false", CA_FINGERPRINT="ab" * 32) == []
