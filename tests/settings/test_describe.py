"""What is said of a model's options: the same in text, sample and schema."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import pytest

from magictel.settings.describe import json_schema, option_rows, sample_toml, text_lines
from magictel.settings.fields import fields_of
from magictel.settings.file import parse
from magictel.settings.load import resolve_settings
from magictel.settings.model import ExporterSettings, HttpSettings, option
from tests.settings.acme import AcmeSettings, NeedySettings

MODELS = (AcmeSettings, NeedySettings)


def test_the_exporters_own_options_come_first_then_http_then_delivery() -> None:
    keys = [field.key for field in fields_of(AcmeSettings)]
    assert keys[0] == "url"
    assert keys.index("old") < keys.index("compression") < keys.index("trust_env") < keys.index("timeout")
    assert keys.index("shutdown_timeout") < keys.index("redact_attributes") < keys.index("drop_attributes")
    assert keys[-1] == "hash_salt"


@pytest.mark.parametrize("model", [ExporterSettings, HttpSettings, *MODELS])
def test_every_option_has_a_sentence_and_every_number_its_bounds(model: type[ExporterSettings]) -> None:
    for field in fields_of(model):
        assert field.sentence.endswith("."), field.key
        if field.kind in ("number", "whole"):
            assert field.bounds, field.key


@pytest.mark.parametrize("model", [ExporterSettings, HttpSettings, *MODELS])
def test_every_example_is_a_value_that_loads(model: type[ExporterSettings]) -> None:
    from magictel.settings.convert import convert

    for field in fields_of(model):
        if field.example is not None:
            convert(field, field.example)


@pytest.mark.parametrize("model", MODELS)
def test_text_keeps_to_80_columns_and_names_every_option_with_its_variable(model: type[ExporterSettings]) -> None:
    lines = list(text_lines(model))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for row in option_rows(model):
        assert f"  {row['name']} " in text
        assert row["env"][0] in text


@pytest.mark.parametrize("model", MODELS)
def test_the_sample_holds_every_option_and_is_valid_as_it_stands(model: type[ExporterSettings]) -> None:
    sample = sample_toml(model, "acme", "mine")
    assert tomllib.loads(sample)["targets"]["mine"]["exporter"] == "acme"
    for field in fields_of(model):
        assert f"\n{'' if field.required else '# '}{field.key} = " in sample


def test_the_sample_with_its_comment_signs_taken_off_loads_as_the_defaults() -> None:
    lines = sample_toml(AcmeSettings, "acme").splitlines()
    keys = {field.key for field in fields_of(AcmeSettings)}
    bare = [line[2:] if line.startswith("# ") and line[2:].split(" =")[0] in keys else line for line in lines]
    config = parse("\n".join(bare), Path("m.toml"), "m.toml")
    environment = {"ACME_TOKEN": "aaaa"}
    chosen = [line for line in bare if not line.startswith(("password", "headers", "hash_salt"))]
    config = parse("\n".join(chosen), Path("m.toml"), "m.toml")
    settings = resolve_settings("acme", "acme", AcmeSettings, environment=environment, config=config).settings
    defaults = AcmeSettings()
    for field in fields_of(AcmeSettings):
        if field.default is not None and field.key != "labels":
            assert getattr(settings, field.key) == getattr(defaults, field.key), field.key


def test_the_schema_knows_types_bounds_choices_and_secrets() -> None:
    schema = json_schema(AcmeSettings, "acme")
    properties = schema["properties"]
    assert schema["additionalProperties"] is False
    assert properties["exporter"] == {"const": "acme"}
    assert properties["shards"]["type"] == ["integer", "string"]
    assert (properties["shards"]["minimum"], properties["shards"]["maximum"]) == (1, 8)
    assert properties["timeout"]["exclusiveMinimum"] == 0
    assert properties["level"]["anyOf"][0] == {"enum": ["low", "high"]}
    assert properties["token"]["x-secret"] is True
    assert properties["old"]["deprecated"] is True
    assert properties["url"]["x-variables"] == ["ACME_URL"]
    assert json_schema(NeedySettings, "needy")["required"] == ["url", "key"]


def test_a_type_that_cannot_be_set_is_refused_at_once() -> None:
    class Odd(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
        when: Annotated[complex, option("When.")]

    with pytest.raises(TypeError, match="complex"):
        fields_of(Odd)
