"""A settings model described: rows for people, a commented sample, a JSON schema. All from the fields, nothing written twice."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from magictel.settings.fields import Field, fields_of, toml_value

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One option as documentation shows it; `default` and `example` as TOML, `default` empty where there is none."""

    name: str
    type: str
    default: str
    required: bool
    unit: str | None
    env: tuple[str, ...]
    secret: bool
    example: str | None
    description: str
    wanted: str
    bounds: tuple[str, ...]
    deprecated: str | None
    value: str | None = None
    """What was given in place of the default, as TOML; a secret masked."""


Given = Mapping[str, Any]
"""Values given in place of defaults, by key, as the file would hold them."""


def option_rows(model: type[msgspec.Struct], given: Given | None = None) -> tuple[OptionRow, ...]:
    """A row for every option: the exporter's own first."""
    return tuple(_row(one, given or {}) for one in fields_of(model))


def text_lines(model: type[msgspec.Struct], width: int = _WIDTH, given: Given | None = None) -> Iterator[str]:
    """Every option in a few lines: name, type, what was given, default; the sentence; variable and example."""
    for row in option_rows(model, given):
        facts = [f"{row.type} ({row.unit})" if row.unit else row.type, *row.bounds]
        if row.value is not None:
            facts.append(f"set to {row.value}")
        if row.required:
            facts.append("required")
        elif row.default:
            facts.append(f"default {row.default}")
        if row.secret:
            facts.append("secret")
        if row.deprecated:
            facts.append(f"deprecated: {row.deprecated}")
        yield from _wrapped(f"  {row.name:<22}", ", ".join(facts), width)
        yield from _wrapped("      ", row.description, width)
        yield from _wrapped("      ", " or ".join(row.env) + (f"    e.g. {row.example}" if row.example else ""), width)


def sample_toml(
    model: type[msgspec.Struct], exporter: str, target: str | None = None, given: Given | None = None
) -> str:
    """A table for `magictel.toml` with every option commented out at its default, or at an example where it has none.

    What was given stands there uncommented; a secret by reference to its variable.
    """
    given = given or {}
    lines = [f"[targets.{target or exporter}]", f"exporter = {toml_value(exporter)}"]
    for one in fields_of(model):
        row = _row(one, given)
        lines.append("")
        lines += [f"# {line}" for line in textwrap.wrap(f"{row.description} {_facts(row)}".strip(), _WIDTH - 2)]
        if one.key in given and not (one.secret and _masks(one, given[one.key])):
            shown = toml_value(given[one.key])
        elif one.kind in ("secret", "secrets"):
            shown = f'"${{{row.env[0]}}}"' if one.kind == "secret" else row.example or "{}"
        elif one.default is not None and not one.required:
            shown = row.default
        else:
            shown = row.example or toml_value(one.nothing)
        lines.append(f"{'' if one.required or one.key in given else '# '}{one.key} = {shown}")
    return "\n".join(lines) + "\n"


def markdown_table(model: type[msgspec.Struct]) -> str:
    """The options as a Markdown table: key, variable, type, default, sentence."""
    lines = ["| key | variable | type | default | |", "|---|---|---|---|---|"]
    for row in option_rows(model):
        names = ", ".join(f"`{name}`" for name in row.env)
        kind = row.type.replace(" | ", ", ") + (", secret" if row.secret else "")
        default = "required" if row.required else f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.name}` | {names} | {kind} | {default} | {row.description.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def json_schema(model: type[msgspec.Struct], exporter: str, given: Given | None = None) -> dict[str, Any]:
    """A JSON schema of the exporter's table in `magictel.toml`. Any value may be a text too: it may be `${VAR}` or `10s`.

    What was given is the default there; a secret is not shown.
    """
    given = given or {}
    properties: dict[str, Any] = {
        "exporter": {"const": exporter},
        "enabled": {"type": "boolean", "default": True, "description": "Whether the target counts when none is named."},
    }
    for one in fields_of(model):
        properties[one.key] = _schema(one)
        if one.key in given and not (one.secret and _masks(one, given[one.key])):
            properties[one.key]["default"] = one.shown(given[one.key])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{exporter}: a target's table in magictel.toml",
        "type": "object",
        "properties": properties,
        "required": [one.key for one in fields_of(model) if one.required],
        "additionalProperties": False,
    }


def _masks(one: Field, value: Any) -> bool:
    """Whether a secret's value stands in clear; a reference to a variable or file may be shown."""
    if isinstance(value, Mapping):
        return any(_masks(one, item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_masks(one, item) for item in value)
    return not (str(value).startswith("file:") or re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", str(value)))


def _row(one: Field, given: Given) -> OptionRow:
    return OptionRow(
        name=one.key,
        type=one.type_name,
        default=_default(one),
        required=one.required,
        unit=one.unit,
        env=one.env,
        secret=one.secret,
        example=None if one.example is None else toml_value(one.example),
        description=one.sentence,
        wanted=one.wanted,
        bounds=one.limits,
        deprecated=one.deprecated,
        value=_value(one, given[one.key]) if one.key in given else None,
    )


def _value(one: Field, value: Any) -> str:
    if one.secret and not _masks(one, value):
        return toml_value(value)
    return toml_value(one.shown(value))


def _default(one: Field) -> str:
    if one.required or one.default is None:
        return ""
    if one.unit in ("seconds", "bytes") and one.default:
        return toml_value(one.amount(one.default).replace(" ", "").replace("min", "m"))
    return toml_value(one.shown(one.default))


def _facts(row: OptionRow) -> str:
    facts = [*(["Secret: ${VAR} or file:PATH."] if row.secret else []), f"Variable: {row.env[0]}."]
    if row.type.count("|"):
        facts.insert(0, f"One of {row.type.replace(' | ', ', ')}.")
    return " ".join(facts)


def _schema(one: Field) -> dict[str, Any]:
    names = {"number": "number", "whole": "integer", "switch": "boolean"}
    schema: dict[str, Any] = {"description": one.sentence}
    signs = {"gt": "exclusiveMinimum", "ge": "minimum", "le": "maximum"}
    if one.kind in names:
        schema["type"] = [names[one.kind], "string"]
        schema |= {signs[sign]: int(number) if number == int(number) else number for sign, number in one.bounds}
    elif one.kind == "choice":
        schema["anyOf"] = [{"enum": list(one.choices)}, {"type": "string", "pattern": r"\$\{"}]
    elif one.kind == "list":
        schema |= {"type": ["array", "string"], "items": {"type": "string"}}
    elif one.kind in ("mapping", "secrets"):
        schema |= {"type": "object", "additionalProperties": {"type": "string"}}
    else:
        schema["type"] = "string"
    if not one.required and one.default is not None:
        schema["default"] = one.shown(one.default)
    if one.example is not None:
        schema["examples"] = [one.example]
    if one.deprecated:
        schema["deprecated"] = True
    schema["x-variables"] = list(one.env)
    if one.secret:
        schema["x-secret"] = True
    if one.unit:
        schema["x-unit"] = one.unit
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
