"""Logins: every exporter that has one reads it alike and refuses the same mistakes with the same codes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from magictel.errors import SettingsError
from magictel.exporters.elasticsearch import ElasticsearchSettings, OpenSearchSettings
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from magictel.settings.load import resolve_settings
from magictel.settings.login import LoginSettings

MODELS = [ElasticsearchSettings, OpenSearchSettings, PrometheusRemoteWriteSettings]
HOST = "b.example/api/v1/write"


def loaded(model: type[LoginSettings], **variables: str) -> Any:
    variables = {"url": f"http://{HOST}", **variables}
    environment = {model.env_prefix + name.upper(): text for name, text in variables.items()}
    return resolve_settings("x", "x", model, environment=environment).settings


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"bearer_token": "token-1234"}, "Bearer token-1234"),
        ({"username": "writer", "password": "pass:word"}, basic("writer:pass:word")),
        ({"url": f"http://writer:p%40ss@{HOST}"}, basic("writer:p@ss")),
        ({"url": f"http://writer@{HOST}", "password": "s3cr3t"}, basic("writer:s3cr3t")),
        ({"url": f"http://writer@{HOST}"}, basic("writer:")),
    ],
)
def test_a_login_becomes_one_header(
    model: type[LoginSettings], variables: dict[str, str], expected: str | None
) -> None:
    settings = loaded(model, **variables)
    assert settings.authorization() == expected
    assert settings.request_headers().get("Authorization") == expected


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"username": "u"}, "password: not set, but username needs it"),
        ({"password": "s3cr3t"}, "username: not set, but password needs it"),
        ({"url": f"http://u:s3cr3t@{HOST}", "password": "other"}, "username: not set, but password needs it"),
        (
            {"bearer_token": "t0k3n", "username": "u", "password": "s3cr3t"},
            "bearer_token: 2 logins are set (bearer_token; username and password), but only one can be sent",
        ),
        (
            {"url": f"http://u:s3cr3t@{HOST}", "bearer_token": "t0k3n"},
            "2 logins are set (bearer_token; the login in url)",
        ),
        (
            {"url": f"http://u:s3cr3t@{HOST}", "username": "u", "password": "s3cr3t"},
            "username: 2 logins are set (username and password; the login in url)",
        ),
    ],
)
def test_the_same_mistake_has_the_same_code(model: type[LoginSettings], variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(model, **variables)
    assert caught.value.code == "config.credentials"
    assert words in caught.value.message
    assert "s3cr3t" not in caught.value.message


def test_a_tenant_is_a_header_beside_the_login() -> None:
    settings = loaded(PrometheusRemoteWriteSettings, org_id="team-a", bearer_token="t0k3n")
    assert settings.request_headers() == {"Authorization": "Bearer t0k3n", "X-Scope-OrgID": "team-a"}
