"""Presets of `otlp`: values of options below every value that is set, and what a preset lacks, by name."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from magictel.errors import SettingsError
from magictel.exporters.otlp.exporter import OtlpExporter
from magictel.exporters.otlp.presets import ADDRESSES, KEYS, PRESETS, Name
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.settings.load import Resolved, resolve_settings
from tests.cli.running import magictel

LICENCE = "0123456789abcdef0123456789abcdef0123NRAL"
EUROPEAN = "eu01xx6789abcdef0123456789abcdef0123NRAL"


def resolved(environment: dict[str, str]) -> Resolved[OtlpSettings]:
    return resolve_settings("otlp", "otlp", OtlpSettings, environment=environment, config=None, overrides={})


def given(preset: str, **more: str) -> dict[str, str]:
    """Return the variables that a preset needs."""
    variables = {"OTLP_PRESET": preset}
    if preset in ADDRESSES:
        variables["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = ADDRESSES[preset]
    if preset == "grafana-cloud":
        variables |= {"OTLP_USERNAME": "123456", "OTLP_PASSWORD": "glc_token"}
    elif preset in KEYS:
        variables["OTLP_API_KEY"] = EUROPEAN if preset == "newrelic-eu" else LICENCE
    return {**variables, **more}


@pytest.mark.parametrize(
    ("preset", "url", "temporality", "header"),
    [
        ("newrelic-us", "https://otlp.nr-data.net/v1/metrics", "delta", ("api-key", LICENCE)),
        ("newrelic-eu", "https://otlp.eu01.nr-data.net/v1/metrics", "delta", ("api-key", EUROPEAN)),
        (
            "grafana-cloud",
            ADDRESSES["grafana-cloud"],
            "cumulative",
            ("Authorization", "Basic MTIzNDU2OmdsY190b2tlbg=="),
        ),
        ("datadog", "https://otlp.datadoghq.com/v1/metrics", "delta", ("dd-api-key", LICENCE)),
        ("elastic", ADDRESSES["elastic"], "cumulative", ("Authorization", f"ApiKey {LICENCE}")),
        ("prometheus", "http://localhost:9090/api/v1/otlp/v1/metrics", "cumulative", None),
        ("victoriametrics", "http://localhost:8428/opentelemetry/v1/metrics", "cumulative", None),
        ("honeycomb", "https://api.honeycomb.io/v1/metrics", "cumulative", ("x-honeycomb-team", LICENCE)),
        ("dynatrace", ADDRESSES["dynatrace"], "delta", ("Authorization", f"Api-Token {LICENCE}")),
    ],
)
def test_a_preset_gives_address_temporality_and_header(
    preset: str, url: str, temporality: str, header: tuple[str, str] | None
) -> None:
    settings = resolved(given(preset)).settings
    assert (settings.url, settings.temporality) == (url, temporality)
    assert dict(settings.request_headers()) == (dict([header]) if header else {})


def test_every_preset_is_tried_and_every_value_is_an_option() -> None:
    assert set(PRESETS) == set(get_args(Name))
    for preset, values in PRESETS.items():
        assert resolved(given(preset)).origins["preset"].where == "OTLP_PRESET"
        assert set(values) <= set(OtlpSettings.__struct_fields__)


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://proxy:4318", "url", "http://proxy:4318/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative", "temporality", "cumulative"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none", "compression", "none"),
        ("OTLP_MAX_BATCH_BYTES", "2MB", "max_batch_bytes", 2_000_000),
        ("OTLP_API_KEY_HEADER", "x-key", "api_key_header", "x-key"),
    ],
)
def test_a_value_that_is_set_replaces_the_presets(variable: str, text: str, key: str, value: object) -> None:
    chosen = resolved(given("newrelic-us", **{variable: text}))
    assert getattr(chosen.settings, key) == value
    assert chosen.origins[key].where == variable
    others = {name: str(origin) for name, origin in chosen.origins.items() if name in PRESETS["newrelic-us"]}
    del others[key]
    assert set(others.values()) == {"preset newrelic-us"}


@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        ({"OTLP_PRESET": "newrelic"}, "config.value", "Did you mean newrelic-us or newrelic-eu?"),
        (
            {"OTLP_PRESET": "elastic", "OTLP_API_KEY": "key-of-elastic"},
            "config.required",
            "url: the preset elastic has no address",
        ),
        ({"OTLP_PRESET": "datadog"}, "config.required", "api_key: the preset datadog needs an API key"),
        (given("newrelic-us", OTLP_API_KEY=EUROPEAN), "otlp.newrelic.region", "it is a key of the EU region"),
        (given("newrelic-eu", OTLP_API_KEY=LICENCE), "otlp.newrelic.region", "it is a key of the US region"),
        (given("newrelic-us", OTLP_API_KEY="NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ0"), "otlp.newrelic.key-type", "a user key"),
        (given("honeycomb", OTLP_BEARER_TOKEN="t"), "config.credentials", "only one can be sent"),
    ],
)
def test_what_a_preset_lacks_is_named_without_the_key(environment: dict[str, str], code: str, says: str) -> None:
    with pytest.raises(SettingsError) as failure:
        resolved(environment)
    assert failure.value.code == code
    assert says in failure.value.message
    assert environment.get("OTLP_API_KEY", "no key") not in failure.value.message


def test_a_header_of_ones_own_is_enough() -> None:
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": f"api-key={LICENCE}"}
    assert resolved({"OTLP_PRESET": "newrelic-us", **headers}).settings.url == PRESETS["newrelic-us"]["url"]


def test_a_401_names_the_key() -> None:
    exporter = OtlpExporter(resolved(given("honeycomb")).settings, prepare=False)
    assert exporter.sent_credentials().option == "api_key"
    assert LICENCE in set(exporter.secrets())


def test_describe_lists_the_presets(tmp_path: Path) -> None:
    text = magictel("describe", "otlp", folder=tmp_path).out
    assert "Presets, and the options that each sets" in text
    for preset in PRESETS:
        assert f"\n  {preset} " in text
    document = magictel("describe", "otlp", "--format", "json", folder=tmp_path).document
    assert document["presets"]["datadog"]["api_key_header"] == "dd-api-key"


def test_a_file_that_was_only_found_cannot_choose_where_a_key_goes(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text('[targets.otlp]\npreset = "honeycomb"\n')
    environment = {"OTLP_API_KEY": LICENCE}
    ran = magictel("config", "check", "otlp", folder=tmp_path, environment=environment)
    assert (ran.code, "refused" in ran.err) == (78, True), ran.err
    ran = magictel("config", "check", "otlp", "--config", "magictel.toml", folder=tmp_path, environment=environment)
    assert ran.code == 0, ran.err
