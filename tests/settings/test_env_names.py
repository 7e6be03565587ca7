"""An option with several variables, each with its own reading; inherited options under other names; variables that are others'."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import pytest

from magictel.errors import SettingsError
from magictel.settings.fields import field_map
from magictel.settings.load import resolve_settings
from magictel.settings.model import HttpSettings, option


def from_milliseconds(text: str) -> str:
    if not text.strip().isdigit():
        raise ValueError("not a number of milliseconds")
    return f"{int(text)}ms"


def with_path(text: str) -> str:
    return text.rstrip("/") + "/v1/metrics"


class OtlpSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As OpenTelemetry names them (specification, "OpenTelemetry Protocol Exporter")."""

    env_prefix = "OTEL_EXPORTER_OTLP_"
    env_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "timeout": ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        "headers": ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        "ca_file": ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    }
    env_read: ClassVar[Mapping[str, Callable[[str], str]]] = {
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": from_milliseconds,
        "OTEL_EXPORTER_OTLP_TIMEOUT": from_milliseconds,
        "OTEL_EXPORTER_OTLP_HEADERS": urllib.parse.unquote,
    }
    env_others = ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_LOGS_")

    url: Annotated[
        str,
        option(
            "Where the collector listens.",
            example="http://localhost:4318/v1/metrics",
            address=True,
            env=("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            read={"OTEL_EXPORTER_OTLP_ENDPOINT": with_path},
        ),
    ] = "http://localhost:4318/v1/metrics"


def resolved(**environment: str) -> Any:
    return resolve_settings("otlp", "otlp", OtlpSettings, environment=environment)


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "timeout", 10.0),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "250", "timeout", 0.25),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/", "url", "http://c:4318/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:4318/in", "url", "http://c:4318/in"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem", "ca_file", "/etc/ca.pem"),
    ],
)
def test_each_variable_is_read_in_its_own_way(variable: str, text: str, key: str, value: object) -> None:
    settings = resolved(**{variable: text})
    assert getattr(settings.settings, key) == value
    assert variable in str(settings.origins[key])


def test_headers_are_decoded() -> None:
    settings = resolved(OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20dTpw")
    assert settings.settings.headers["authorization"].reveal() == "Basic dTpw"


def test_the_first_of_several_that_are_set_counts() -> None:
    settings = resolved(OTEL_EXPORTER_OTLP_TIMEOUT="10000", OTEL_EXPORTER_OTLP_METRICS_TIMEOUT="3000")
    assert settings.settings.timeout == 3.0


def test_what_cannot_be_read_is_one_sentence_with_the_variable() -> None:
    with pytest.raises(SettingsError) as caught:
        resolved(OTEL_EXPORTER_OTLP_TIMEOUT="ten")
    assert caught.value.message == "timeout: OTEL_EXPORTER_OTLP_TIMEOUT: not a number of milliseconds"
    assert "OTEL_EXPORTER_OTLP_TIMEOUT" in (caught.value.remedy or "")


def test_a_value_of_the_file_or_of_set_is_in_the_options_own_unit() -> None:
    settings = resolve_settings(
        "otlp", "otlp", OtlpSettings, environment={}, overrides={"timeout": ("3", resolved().origins["timeout"])}
    )
    assert settings.settings.timeout == 3.0


def test_variables_of_others_are_no_slips() -> None:
    others = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1"}
    assert resolved(**others).warnings == ()
    assert resolved(OTEL_EXPORTER_OTLP_METRICS_TIMEOU="1").warnings != ()


def test_an_option_that_nobody_renamed_keeps_its_variable() -> None:
    assert field_map(OtlpSettings)["retry_budget"].env == ("OTEL_EXPORTER_OTLP_RETRY_BUDGET",)
