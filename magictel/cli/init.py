"""`magictel init`: a first file of targets, from what the environment holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magictel.cli.edits import begin, finish, overridden, validate
from magictel.cli.environment import environment
from magictel.cli.output import Format
from magictel.cli.targets import ConfigOption, DryRunOption, FormatOption
from magictel.errors import PluginError, UsageError
from magictel.registry import entry_points
from magictel.settings import edit, select
from magictel.settings.names import find
from magictel.settings.origin import Origin

if TYPE_CHECKING:
    from magictel.settings.fields import Field

_SAMPLE = """
# [targets.elasticsearch]
# exporter = "elasticsearch"
# url = ["http://localhost:9200"]
# api_key = "${ELASTICSEARCH_API_KEY}"
"""


def command(config: ConfigOption = None, dry_run: DryRunOption = False, format_: FormatOption = Format.TEXT) -> int:
    """Write magictel.toml from what the environment holds; secrets stay there, the file refers to them."""
    from magictel.settings.fields import field_map

    current = begin(config, must_exist=False)
    if not current.fresh:
        raise UsageError(
            "usage.file-exists",
            f"there is a {current.shown} already",
            "magictel add EXPORTER --as TARGET adds to it; --config PATH writes another",
        )
    held = environment()
    current.after = edit.HEAD
    listed = select.enabled_names(held)
    names = []
    for spec in select.listed_targets(None, held, entry_points.names()):
        if spec.unusable is not None:
            current.notes.append(f"left out {spec.name}: {spec.unusable.message}")
    for name in entry_points.names():
        wanted = listed is not None and find(name, listed) is not None
        try:
            fields = field_map(entry_points.load(name).Settings)
        except PluginError as failure:
            if wanted:
                current.notes.append(f"left out {name}: broken: {failure.message}")
            continue
        values = _values(fields, held)
        if not values and not wanted:
            continue
        missing = [field.env[0] for field in fields.values() if field.required and field.key not in values]
        if missing:
            current.notes.append(f"left out {name}: {' and '.join(missing)} is not set")
            continue
        current.after = edit.add_target(current.after, name, name, values)
        if listed is not None and not wanted:
            current.after = edit.set_enabled(current.after, name, False)
        validate(current, name, overrides=_given(fields, held))
        names.append(name)
    if not names:
        current.after += _SAMPLE
        current.notes.append("no variable of any exporter is set: the file holds a sample, commented out")
    current.notes += overridden(names)
    said = f"wrote {current.shown} with {', '.join(names) or 'a sample'}"
    return finish(current, format_, action="init", targets=names, said=said, dry_run=dry_run)


def _given(fields: Mapping[str, Field], held: Mapping[str, str]) -> dict[str, tuple[str, Origin]]:
    """The variables themselves, so that a mistake in one is told under its name."""
    from magictel.settings.load import backend_variables

    return {key: (text, origin) for key, text, origin in backend_variables(fields, held)}


def _values(fields: Mapping[str, Field], held: Mapping[str, str]) -> dict[str, Any]:
    """The keys that the environment sets for an exporter: secrets, and addresses that hold some, by reference."""
    from magictel.settings.fields import userinfo_secrets
    from magictel.settings.load import backend_variables

    values: dict[str, Any] = {}
    for key, text, origin in backend_variables(fields, held):
        private = fields[key].secret or any(userinfo_secrets(text))
        values[key] = f"${{{origin}}}" if private else edit.toml_of(fields[key], text)
    return values
