"""Selection of a command's targets: the named ones, otherwise those in `ENABLED_EXPORTERS`, otherwise the file's enabled ones.

`parse_overrides` assigns `--set key=value` and `--set TARGET.key=value` to the selected targets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magictel import env_quotes
from magictel.errors import SettingsError, UsageError
from magictel.settings.names import did_you_mean, find, normal
from magictel.settings.origin import DEFAULT, Origin

if TYPE_CHECKING:
    from magictel.settings.file import ConfigFile

Overrides = Mapping[str, tuple[str, Origin]]
"""Texts of `--set` by key, with their origin."""
ENABLED = "ENABLED_EXPORTERS"
NEXT_STEPS = (
    ("try it without a server:", "magictel send-sample --sandbox"),
    ("name an exporter:", "magictel check elasticsearch"),
    ("create a file of targets:", "magictel init"),
)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A target: its name, its exporter, whether it is enabled, and the origin of that.

    `unusable`: why a name in `ENABLED_EXPORTERS` is invalid; it fails at `config`, and the others run.
    """

    name: str
    exporter: str
    enabled: bool
    enabled_by: Origin
    unusable: SettingsError | None = field(default=None, compare=False)


def select(
    named: Sequence[str],
    *,
    all: bool = False,  # noqa: A002 # the option's own name
    config: ConfigFile | None,
    environment: Mapping[str, str],
    exporters: Collection[str],
) -> tuple[TargetSpec, ...]:
    """Return the chosen targets in the given order, without duplicates. `all`: every target of the file, enabled or not.

    Raise `UsageError` for an unknown name, `SettingsError` if nothing is chosen.
    """
    if named:
        return _unique(_named(name, config, environment, exporters) for name in named)
    if all and config is not None and config.tables:
        return tuple(targets(config, environment))
    listed = enabled_names(environment)
    if listed is not None:
        chosen = listed_targets(config, environment, exporters)
    else:
        chosen = tuple(spec for spec in targets(config, environment) if spec.enabled)
    if not chosen:
        raise nothing_chosen(config)
    return chosen


def targets(config: ConfigFile | None, environment: Mapping[str, str]) -> tuple[TargetSpec, ...]:
    """Return every target of the file in its order, with whether it is enabled and by what."""
    listed = enabled_names(environment)
    return tuple(
        TargetSpec(table.name, table.exporter, table.enabled, table.enabled_by)
        if listed is None
        else TargetSpec(table.name, table.exporter, find(table.name, listed) is not None, Origin("variable", ENABLED))
        for table in (config.tables.values() if config else ())
    )


def enabled_names(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the names in `ENABLED_EXPORTERS`, or None if it is unset or empty."""
    value = environment.get(ENABLED, "")
    inner = env_quotes.unquoted(value)
    names = (name.strip() for name in (value if inner is None else inner).split(","))
    return tuple(env_quotes.unquoted(name) or name for name in names if name) or None


def listed_targets(
    config: ConfigFile | None, environment: Mapping[str, str], exporters: Collection[str]
) -> tuple[TargetSpec, ...]:
    """Return the targets of the names in `ENABLED_EXPORTERS` without duplicates; invalid names with the reason."""
    names = enabled_names(environment) or ()
    whole = env_quotes.unquoted(environment.get(ENABLED, "")) is not None
    return _unique(_listed(name, config, exporters, names if whole else None) for name in names)


def nothing_chosen(config: ConfigFile | None = None) -> SettingsError:
    """Return the error for a command without targets, with the next steps."""
    message = "Nothing is enabled and nothing was named."
    next_steps: tuple[tuple[str, str], ...] = NEXT_STEPS
    if config is not None and config.tables:
        first, *others = config.tables
        option = ""
        if config.named:
            import shlex  # only for this failure

            option = f" --config {shlex.quote(config.shown)}"
        message = f"No target of {config.shown} is enabled, and none was named."
        next_steps = (
            (f"enable {'it' if not others else 'one'}:", f"magictel enable {first}{option}"),
            ("use it without enabling it:", f"magictel check {first}{option}"),
            *([("use all of them:", f"magictel check --all{option}")] if others else []),
        )
    width = max(len(label) for label, _ in next_steps)
    steps = "\n".join(f"  {label:<{width}}   {command}" for label, command in next_steps)
    return SettingsError("config.nothing-enabled", message, steps)


def unknown_name(name: str, config: ConfigFile | None, exporters: Collection[str]) -> str:
    """Return a message for an unknown target or exporter, with similar names, or all names."""
    known = [*(config.tables if config else ()), *exporters]
    hint = did_you_mean(name, known) or f"Known: {', '.join(dict.fromkeys(known)) or 'none'}."
    return f'No target or exporter is called "{name}". {hint}'


def _named(
    name: str, config: ConfigFile | None, environment: Mapping[str, str], exporters: Collection[str]
) -> TargetSpec:
    spec = _known(name, config, exporters, Origin("option", "named"))
    if spec is None:
        raise UsageError("usage.unknown-target", unknown_name(name, config, exporters), "magictel list shows all names")
    return spec


def _listed(
    name: str, config: ConfigFile | None, exporters: Collection[str], quoted: Sequence[str] | None
) -> TargetSpec:
    """Return a name's target. `quoted`: all names, if quotes enclose them."""
    by = Origin("variable", ENABLED)
    if quoted is not None:
        remedy = f"write {ENABLED}={','.join(quoted)}"
        why = SettingsError(env_quotes.CODE, f"{ENABLED} {env_quotes.WHY}", remedy, ENABLED)
        known = _known(name, config, exporters, by)
        return TargetSpec(known.name if known else name, known.exporter if known else name, True, by, why)
    parts = re.split(r"[\s;|]+", name)
    if len(parts) > 1:
        message = f'separate names in {ENABLED} with commas: "{name}" is read as one name'
        remedy = f"write {','.join(parts)}"
    else:
        message = unknown_name(name, config, exporters)
        remedy = f"correct {ENABLED}; magictel list shows every name"
    return _known(name, config, exporters, by) or TargetSpec(
        name, name, True, by, SettingsError("config.unknown-target", message, remedy, ENABLED)
    )


def _known(name: str, config: ConfigFile | None, exporters: Collection[str], by: Origin) -> TargetSpec | None:
    table = config.table(name) if config else None
    if table is not None:
        return TargetSpec(table.name, table.exporter, True if by.kind == "variable" else table.enabled, by)
    exporter = find(name, exporters)
    return None if exporter is None else TargetSpec(exporter, exporter, True, by if by.kind == "variable" else DEFAULT)


def _unique(specs: Iterable[TargetSpec]) -> tuple[TargetSpec, ...]:
    unique: dict[str, TargetSpec] = {}
    for spec in specs:
        unique.setdefault(normal(spec.name), spec)
    return tuple(unique.values())


def parse_overrides(
    written: Sequence[str], targets: Sequence[str], others: Iterable[str] = ()
) -> Mapping[str, Overrides]:
    """Return the overrides of every target, by key. Raise `UsageError` for one that matches no target, or several.

    `headers.X-Tenant=blue` sets an entry of a table. If the first part is a chosen target's name, it means that target; one of
    `others`, which are not chosen, is a usage error.
    """
    overrides: dict[str, dict[str, tuple[str, Origin]]] = {target: {} for target in targets}
    for text in written:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path:
            raise UsageError(
                "usage.set", "--set needs key=value or TARGET.key=value", "for example --set url=http://localhost:9200"
            )  # the text itself is not shown: it may be a secret
        head, dot, rest = path.partition(".")
        target = find(head, targets) if dot else None
        if target is not None:
            key = rest
        elif len(targets) == 1:
            if dot and (other := find(head, others)):
                raise UsageError(
                    "usage.set", f"--set {path}: {other} is not among the chosen targets", f"chosen: {targets[0]}"
                )
            target, key = targets[0], path
        else:
            raise _unclear(path, head if dot else None, targets)
        name, dot, entry = key.partition(".")
        plain = name.strip().replace("-", "_") + dot + entry
        overrides[target][plain] = (value, Origin("option", f"--set {path}"))
    return overrides


def _unclear(path: str, head: str | None, targets: Sequence[str]) -> UsageError:
    if head is not None and (hint := did_you_mean(head, targets)):
        return UsageError(
            "usage.set",
            f"--set {path}: no chosen target is called {head}. {hint}",
            f"the targets are {', '.join(targets)}",
        )
    if not targets:
        return UsageError("usage.set", f"--set {path}: no target is chosen", "name a target")
    return UsageError(
        "usage.set", f"--set {path}: ambiguous, {len(targets)} targets are chosen", f"use --set {targets[0]}.{path}=…"
    )
