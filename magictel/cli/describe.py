"""`magictel describe`: an exporter's options, limits, probes with their side effects, and cost."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.environment import environment, folder
from magictel.cli.options import ConfigOption, config_file
from magictel.errors import PluginError, UsageError
from magictel.registry import entry_points

if TYPE_CHECKING:
    from magictel.settings.origin import Origin

SCHEMA = "magictel.describe/1"


SetShown = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Show an option with this value, if it is valid."),
]


class DescribeFormat(StrEnum):
    """The format of a description."""

    TEXT = "text"
    JSON = "json"
    TOML = "toml"
    JSON_SCHEMA = "json-schema"


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", show_default=False, help="An exporter, or a target of the file.")
    ],
    sets: SetShown = None,
    config: ConfigOption = None,
    format_: Annotated[
        DescribeFormat, typer.Option("--format", help="toml is a commented sample, json-schema is for editors.")
    ] = DescribeFormat.TEXT,
) -> int:
    """Describe an exporter and its options."""
    exporter, given = _exporter(name, config, sets or ())
    match format_:
        case DescribeFormat.TEXT:
            for line in text(exporter, given):
                output.say(line)
        case DescribeFormat.JSON:
            output.document(described(exporter, given))
        case DescribeFormat.TOML:
            from magictel.settings.describe import sample_toml

            output.say(sample_toml(exporter.Settings, exporter.name, given=given).rstrip())
        case DescribeFormat.JSON_SCHEMA:
            from magictel.settings.describe import json_schema

            output.document(json_schema(exporter.Settings, exporter.name, given))
    return 0


def described(exporter: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of `--format json`."""
    from magictel.settings.describe import option_rows

    registration = _registered(exporter)
    return {
        "schema": SCHEMA,
        "name": exporter.name,
        "summary": exporter.summary,
        "package": registration.package,
        "version": registration.version,
        "interface": exporter.interface,
        "temporalities": list(getattr(exporter, "temporalities", ())),
        "options": option_rows(exporter.Settings, given),
        **({"presets": presets} if (presets := exporter.Settings.presets) else {}),
        "limits": list(getattr(exporter, "limits", ())),
        "probes": [
            {"rung": str(probe.rung), "sentence": probe.sentence, "side_effect": str(probe.side_effect)}
            for probe in _probes(exporter)
        ],
        "cost": getattr(exporter, "cost", "") or None,
    }


def text(exporter: type[Any], given: Mapping[str, Any]) -> list[str]:
    """Return the description as text, 80 columns wide."""
    from magictel.settings.describe import preset_lines, text_lines

    registration = _registered(exporter)
    lines = [f"{exporter.name}  {exporter.summary}"]
    lines.append(f"{registration.package} {registration.version}, interface {exporter.interface}")
    lines += ["", "Options (keys in magictel.toml, each with its environment variable)"]
    lines += text_lines(exporter.Settings, given=given)
    if exporter.Settings.presets:
        lines += ["", "Presets, and the options that each sets"]
        lines += preset_lines(exporter.Settings)
    limits = getattr(exporter, "limits", ())
    if limits:
        lines += ["", "Limits"]
        for limit in limits:
            lines += textwrap.wrap(limit, 80, initial_indent="  - ", subsequent_indent="    ")
    probes = _probes(exporter)
    if probes:
        lines += ["", "Probes of magictel check, with their side effects"]
        wide = max(len(probe.side_effect) for probe in probes)
        for probe in probes:
            lead = f"  {probe.rung:<8}  {probe.side_effect:<{wide}}  "
            lines += textwrap.wrap(probe.sentence, 80, initial_indent=lead, subsequent_indent=" " * len(lead))
    if getattr(exporter, "cost", ""):
        lines += ["", "Cost at the backend"]
        lines += textwrap.wrap(exporter.cost, 80, initial_indent="  ", subsequent_indent="  ")
    lines += ["", f"A commented sample:  magictel describe {exporter.name} --format toml"]
    return lines


def _exporter(name: str, config: str | None, sets: Sequence[str]) -> tuple[type[Any], Mapping[str, Any]]:
    """Return the class of an exporter, or of a target's exporter, and the `--set` options. Raise `UsageError` for unknown names."""
    from magictel.registry.foreign import named_among
    from magictel.settings.select import parse_overrides, select

    names = (*entry_points.names(), *named_among((name,)))
    file = config_file(config)
    spec = select((name,), config=file, environment=environment(), exporters=names)[0]
    overrides = parse_overrides(sets, (spec.name,), (*(file.tables if file else ()), *names))[spec.name]
    try:
        exporter = entry_points.load(spec.exporter)
    except PluginError as failure:
        if failure.code == "plugin.unknown":
            raise UsageError("usage.unknown-target", failure.message, failure.remedy) from None
        raise PluginError(failure.code, f"{spec.exporter}: broken: {failure.message}", failure.remedy) from None
    return exporter, _given(exporter, overrides) if overrides else {}


def _given(exporter: type[Any], overrides: Mapping[str, tuple[str, Origin]]) -> Mapping[str, Any]:
    """Return the `--set` options as values of the file. Raise `SettingsError` for an unknown key or an invalid value."""
    from magictel.settings.edit import nested, written
    from magictel.settings.fields import field_map
    from magictel.settings.load import each_alone

    each_alone(exporter.Settings, overrides, environment(), folder())
    return nested(written(field_map(exporter.Settings), overrides))


def _registered(exporter: type[Any]) -> entry_points.Registration:
    registration = entry_points.registration_of(exporter.name)
    return registration or entry_points.Registration(exporter.name, "unknown", "unknown", "ready")


def _probes(exporter: type[Any]) -> tuple[Any, ...]:
    from magictel.ladder.probe import probes_of

    return probes_of(exporter)
