"""Which layer wins, and what is said of where a value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from magictel.settings.file import ConfigFile, parse
from magictel.settings.load import Resolved, resolve_settings
from magictel.settings.select import parse_overrides
from tests.settings.acme import AcmeSettings, NeedySettings


def file_of(text: str) -> ConfigFile:
    return parse(text, Path("/nowhere/magictel.toml"), "magictel.toml")


def acme(
    environment: dict[str, str] | None = None, toml: str | None = None, sets: tuple[str, ...] = (), name: str = "acme"
) -> Resolved[AcmeSettings]:
    return resolve_settings(
        name,
        "acme",
        AcmeSettings,
        environment=environment or {},
        config=None if toml is None else file_of(toml),
        overrides=parse_overrides(sets, [name])[name],
    )


TABLE = '[targets.prod-es]\nexporter = "acme"\n'

LAYERS = {
    "a default": ({}, None, (), "acme", "red", "default"),
    "a backend variable over the default": ({"ACME_TENANT": "v"}, None, (), "acme", "v", "ACME_TENANT"),
    "--set over a backend variable": ({"ACME_TENANT": "v"}, None, ("tenant=o",), "acme", "o", "--set tenant"),
    "an own variable is not for an implied target": (
        {"ACME_TENANT": "v", "MAGICTEL_ACME__TENANT": "m"},
        None,
        (),
        "acme",
        "v",
        "ACME_TENANT",
    ),
    "a backend variable fills what a table leaves unset": (
        {"ACME_TENANT": "v"},
        TABLE,
        (),
        "prod-es",
        "v",
        "ACME_TENANT",
    ),
    "a table over a backend variable": (
        {"ACME_TENANT": "v"},
        TABLE + 'tenant = "t"',
        (),
        "prod-es",
        "t",
        "magictel.toml:3",
    ),
    "an own variable over the table": (
        {"ACME_TENANT": "v", "MAGICTEL_PROD_ES__TENANT": "m"},
        TABLE + 'tenant = "t"',
        (),
        "prod-es",
        "m",
        "MAGICTEL_PROD_ES__TENANT",
    ),
    "--set over everything": (
        {"ACME_TENANT": "v", "MAGICTEL_PROD_ES__TENANT": "m"},
        TABLE + 'tenant = "t"',
        ("prod-es.tenant=o",),
        "prod-es",
        "o",
        "--set prod-es.tenant",
    ),
    "- and _ are equal in a target's name": ({}, TABLE + 'tenant = "t"', (), "prod_es", "t", "magictel.toml:3"),
    "an empty variable counts as unset": ({"ACME_TENANT": ""}, TABLE, (), "prod-es", "red", "default"),
    "an empty text in the file is a value": (
        {"ACME_TENANT": "v"},
        TABLE + 'tenant = ""',
        (),
        "prod-es",
        "",
        "magictel.toml:3",
    ),
    "a variable in the file": ({"T": "x"}, TABLE + 'tenant = "a-${T}"', (), "prod-es", "a-x", "magictel.toml:3"),
    "a default in a reference": ({}, TABLE + 'tenant = "${T:-d}"', (), "prod-es", "d", "magictel.toml:3"),
    "an empty variable takes the reference's default": (
        {"T": ""},
        TABLE + 'tenant = "${T:-d}"',
        (),
        "prod-es",
        "d",
        "magictel.toml:3",
    ),
    "a reference in a variable": ({"ACME_TENANT": "${T}", "T": "x"}, None, (), "acme", "x", "ACME_TENANT"),
    "a reference in an option": ({"T": "x"}, None, ("tenant=${T}",), "acme", "x", "--set tenant"),
    "an escaped reference": ({}, None, ("tenant=$${T}",), "acme", "${T}", "--set tenant"),
}


@pytest.mark.parametrize("case", LAYERS)
def test_a_value_and_its_origin(case: str) -> None:
    environment, toml, sets, name, value, origin = LAYERS[case]
    resolved = acme(environment, toml, sets, name)
    assert resolved.settings.tenant == value
    assert str(resolved.origins["tenant"]) == origin


def test_one_exported_address_does_not_point_two_targets_at_the_same_server() -> None:
    toml = '[targets.a]\nexporter="acme"\nurl=["http://a:1"]\n[targets.b]\nexporter="acme"\nurl=["http://b:1"]\n'
    environment = {"ACME_URL": "http://everybody:1"}
    assert acme(environment, toml, name="a").settings.url == ["http://a:1"]
    assert acme(environment, toml, name="b").settings.url == ["http://b:1"]


def test_the_keys_that_somebody_set_are_named() -> None:
    assert acme({"ACME_URL": "http://x:1", "ACME_SHARDS": "3"}).chosen == ("url", "shards")


def test_an_own_variable_of_a_longer_name_is_not_the_shorter_targets() -> None:
    toml = '[targets.prod]\nexporter="acme"\n[targets.prod-es]\nexporter="acme"\n'
    environment = {"MAGICTEL_PROD_ES__TENANT": "m"}
    assert acme(environment, toml, name="prod").settings.tenant == "red"
    assert acme(environment, toml, name="prod-es").settings.tenant == "m"


def test_keys_may_be_written_with_either_dash() -> None:
    toml = '[targets.a]\nexporter="acme"\nca-file = "x.pem"\n'
    assert acme({}, toml, name="a").settings.ca_file == "x.pem"
    assert acme({}, None, ("ca-file=y.pem",)).settings.ca_file == "y.pem"


def test_one_entry_of_a_table_can_be_set_over_a_lower_layer() -> None:
    toml = '[targets.a]\nexporter="acme"\nheaders = { X-A = "1111", X-B = "2222" }\n'
    resolved = acme({}, toml, ("headers.X-B=3333",), name="a")
    assert {key: value.reveal() for key, value in resolved.settings.headers.items()} == {"X-A": "1111", "X-B": "3333"}


def test_a_second_name_of_a_variable_counts_and_is_the_origin() -> None:
    resolved = acme({"ACME_PASSWORD": "word"})
    assert resolved.settings.password is not None
    assert resolved.settings.password.reveal() == "word"
    assert str(resolved.origins["password"]) == "ACME_PASSWORD"


def test_a_deprecated_key_warns_with_what_to_use_instead() -> None:
    assert acme({"ACME_OLD": "x"}).warnings == ("old is deprecated (ACME_OLD): use tenant",)


def test_missing_values_are_taken_as_given_later_where_that_is_asked_for() -> None:
    resolved = resolve_settings(
        "n",
        "needy",
        NeedySettings,
        environment={},
        config=file_of('[targets.n]\nexporter="needy"\nkey="file:/run/secrets/none"\n'),
        allow_missing_env=True,
    )
    assert len(resolved.warnings) == 2
    assert "NEEDY_URL" in " ".join(resolved.warnings)


def test_settings_that_stand_in_for_unusable_ones_can_be_made_without_any_value() -> None:
    assert NeedySettings.unusable().timeout == 10.0
    assert NeedySettings.unusable().url == ""
