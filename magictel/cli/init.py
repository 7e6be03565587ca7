"""`magictel init`: create a file of targets from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magictel.cli.edits import begin, finish, overridden, validate
from magictel.cli.environment import environment
from magictel.cli.options import ConfigOption, DryRunOption, FormatOption
from magictel.cli.output import Format
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
    """Create magictel.toml from environment variables; the file refers to secrets and does not contain them."""
    from magictel.settings.fields import field_map

    current = begin(config, must_exist=False)
    if not current.fresh:
        raise UsageError(
            "usage.file-exists",
            f"{current.shown} already exists",
            "add to it with magictel add EXPORTER --as TARGET, or create another file with --config PATH",
        )
    env = environment()
    current.after = edit.HEAD
    listed = select.enabled_names(env)
    names = []
    for spec in select.listed_targets(None, env, entry_points.names()):
        if spec.unusable is not None:
            current.notes.append(f"omitted {spec.name}: {spec.unusable.message}")
    for name in entry_points.names():
        wanted = listed is not None and find(name, listed) is not None
        try:
            fields = field_map(entry_points.load(name).Settings)
        except PluginError as failure:
            if wanted:
                current.notes.append(f"omitted {name}: broken: {failure.message}")
            continue
        values = _values(fields, env)
        if not values and not wanted:
            continue
        missing = [field.env[0] for field in fields.values() if field.required and field.key not in values]
        if missing:
            current.notes.append(f"omitted {name}: {' and '.join(missing)} is not set")
            continue
        current.after = edit.add_target(current.after, name, name, values)
        if listed is not None and not wanted:
            current.after = edit.set_enabled(current.after, name, False)
        validate(current, name, overrides=_given(fields, env))
        names.append(name)
    if not names:
        current.after += _SAMPLE
        current.notes.append("no exporter has a variable set: the file contains a commented-out sample")
    current.notes += overridden(names)
    message = f"wrote {current.shown} with {', '.join(names) or 'a sample'}"
    return finish(current, format_, action="init", targets=names, message=message, dry_run=dry_run)


def _given(fields: Mapping[str, Field], env: Mapping[str, str]) -> dict[str, tuple[Any, Origin]]:
    """Return the variables themselves, so that an error names the variable."""
    from magictel.settings.load import backend_variables

    return {key: (text, origin) for key, text, origin in backend_variables(fields, env)}


def _values(fields: Mapping[str, Field], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys that the environment sets for an exporter; secrets, and addresses with a secret, as references.

    A secret in a variable with a syntax of its own (OTEL_EXPORTER_OTLP_HEADERS) is left out: a reference would not parse it,
    and the exporter reads the variable anyway.
    """
    from magictel.settings.load import backend_variables
    from magictel.settings.secret_values import userinfo_secrets

    values: dict[str, Any] = {}
    for key, value, origin in backend_variables(fields, env):
        text = value if isinstance(value, str) else None
        private = fields[key].secret or (text is not None and any(userinfo_secrets(text)))
        if private and str(origin) in fields[key].read:
            continue
        if private:
            values[key] = f"${{{origin}}}"
        else:
            values[key] = value if text is None else edit.toml_of(fields[key], text)
    return values
