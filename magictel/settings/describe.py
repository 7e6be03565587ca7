"""Descriptions of a settings model, generated from its fields: rows, a commented sample, a JSON schema."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from magictel.settings.fields import Field, fields_of, toml_value
from magictel.settings.model import SettingsModel

_WIDTH = 80
_TARGET = {
    "type": "object",
    "properties": {"target": {"type": "string"}},
    "required": ["target"],
    "additionalProperties": False,
    "description": "The same as verify_with.",
}


Given = Mapping[str, Any]
"""Values that replace defaults, by key, in the form of the file."""


def option_rows(model: type[msgspec.Struct], given: Given | None = None) -> list[dict[str, Any]]:
    """Return the facts of every option for documentation, the exporter's own first.

    `default` (empty without one), `example` and `value`, which replaces the default, are TOML; secrets are masked.
    """
    given = given or {}
    return [
        {
            "name": field.key,
            "type": field.type_name,
            "default": _default(field),
            "required": field.required,
            "unit": field.unit,
            "env": field.env,
            "secret": field.secret,
            "example": None if field.example is None else toml_value(field.example),
            "description": field.sentence,
            "wanted": field.wanted,
            "bounds": field.limits,
            "deprecated": field.deprecated,
            "value": _shown(field, given[field.key]) if field.key in given else None,
        }
        for field in fields_of(model)
    ]


def preset_lines(model: type[SettingsModel], width: int = _WIDTH) -> Iterator[str]:
    """Yield the values of every preset, as in the file."""
    wide = max(map(len, model.presets))
    for name, values in model.presets.items():
        lead = f"  {name:<{wide}}  "
        written = ", ".join(f"{key} = {toml_value(value)}" for key, value in values.items())
        yield from textwrap.wrap(written, width, initial_indent=lead, subsequent_indent=" " * len(lead))


def text_lines(model: type[msgspec.Struct], width: int = _WIDTH, given: Given | None = None) -> Iterator[str]:
    """Yield a few lines for every option: name, type, value, default; description; variable and example."""
    for row in option_rows(model, given):
        default = f"default {row['default']}" if row["default"] else ""
        facts = [
            f"{row['type']} ({row['unit']})" if row["unit"] else row["type"],
            *row["bounds"],
            f"set to {row['value']}" if row["value"] is not None else "",
            "required" if row["required"] else default,
            "secret" if row["secret"] else "",
            f"deprecated: {row['deprecated']}" if row["deprecated"] else "",
        ]
        example = f"    e.g. {row['example']}" if row["example"] else ""
        yield from _wrapped(f"  {row['name']:<22}", ", ".join(filter(None, facts)), width)
        yield from _wrapped("      ", row["description"], width)
        yield from _wrapped("      ", " or ".join(row["env"]) + example, width)


def sample_toml(
    model: type[msgspec.Struct], exporter: str, target: str | None = None, given: Given | None = None
) -> str:
    """Return a table for `magictel.toml` with every option commented out, with its default or an example.

    Given values are not commented out; a secret is a reference to its variable.
    """
    given = given or {}
    lines = [f"[targets.{target or exporter}]", f"exporter = {toml_value(exporter)}"]
    for field in fields_of(model):
        lines.append("")
        lines += [f"# {line}" for line in textwrap.wrap(" ".join(_sentences(field)), _WIDTH - 2)]
        example = "" if field.example is None else toml_value(field.example)
        if field.key in given and not (field.secret and _masks(field, given[field.key])):
            shown = toml_value(given[field.key])
        elif field.kind in ("secret", "secrets"):
            shown = f'"${{{field.env[0]}}}"' if field.kind == "secret" else example or "{}"
        elif field.default is not None and not field.required:
            shown = _default(field)
        else:
            shown = example or toml_value(field.nothing)
        lines.append(f"{'' if field.required or field.key in given else '# '}{field.key} = {shown}")
    return "\n".join(lines) + "\n"


def json_schema(model: type[msgspec.Struct], exporter: str, given: Given | None = None) -> dict[str, Any]:
    """Return a JSON schema of the exporter's table in `magictel.toml`. Any value may also be a text, such as `${VAR}` or `10s`.

    Given values become the defaults; secrets are not shown.
    """
    given = given or {}
    properties: dict[str, Any] = {
        "exporter": {"const": exporter},
        "enabled": {
            "type": "boolean",
            "default": True,
            "description": "Whether commands that name no target use this one.",
        },
    }
    for field in fields_of(model):
        properties[field.key] = _schema(field)
        if field.key in given and not (field.secret and _masks(field, given[field.key])):
            properties[field.key]["default"] = field.shown(given[field.key])
    if "verify_with" in properties:
        properties["verify"] = {"anyOf": [_TARGET, *([properties["verify"]] if "verify" in properties else [])]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{exporter}: a target's table in magictel.toml",
        "type": "object",
        "properties": properties,
        "required": [field.key for field in fields_of(model) if field.required],
        "additionalProperties": False,
    }


def _masks(field: Field, value: Any) -> bool:
    """Return whether to mask a value: a plain-text secret; a reference to a variable or file may be shown."""
    if isinstance(value, Mapping):
        return any(_masks(field, item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_masks(field, item) for item in value)
    return not (str(value).startswith("file:") or re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", str(value)))


def _shown(field: Field, value: Any) -> str:
    return toml_value(value if field.secret and not _masks(field, value) else field.shown(value))


def _default(field: Field) -> str:
    if field.required or field.default is None:
        return ""
    if field.unit in ("seconds", "bytes") and field.default:
        return toml_value(field.amount(field.default).replace(" ", "").replace("min", "m"))
    return toml_value(field.shown(field.default))


def _sentences(field: Field) -> Iterator[str]:
    """Yield what a sample file says of an option."""
    yield field.sentence
    if len(field.choices) > 1:
        yield f"One of {', '.join(field.choices)}."
    if field.secret:
        yield "Secret: ${VAR} or file:PATH."
    yield f"Variable: {field.env[0]}."


def _schema(field: Field) -> dict[str, Any]:
    names = {"number": "number", "whole": "integer", "switch": "boolean"}
    schema: dict[str, Any] = {"description": field.sentence}
    signs = {"gt": "exclusiveMinimum", "ge": "minimum", "le": "maximum"}
    if field.kind in names:
        schema["type"] = [names[field.kind], "string"]
        schema |= {signs[sign]: int(number) if number == int(number) else number for sign, number in field.bounds}
    elif field.kind == "choice":
        schema["anyOf"] = [{"enum": list(field.choices)}, {"type": "string", "pattern": r"\$\{"}]
    elif field.kind == "list":
        schema |= {"type": ["array", "string"], "items": {"type": "string"}}
    elif field.kind in ("mapping", "secrets"):
        schema |= {"type": "object", "additionalProperties": {"type": "string"}}
    else:
        schema["type"] = "string"
    if not field.required and field.default is not None:
        schema["default"] = field.shown(field.default)
    if field.example is not None:
        schema["examples"] = [field.example]
    if field.deprecated:
        schema["deprecated"] = True
    schema["x-variables"] = list(field.env)
    if field.secret:
        schema["x-secret"] = True
    if field.unit:
        schema["x-unit"] = field.unit
    return schema


def _wrapped(lead: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
