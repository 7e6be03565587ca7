"""Which targets a command works on: the ones named, else what `ENABLED_EXPORTERS` names, else the file's enabled ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magictel.errors import SettingsError, UsageError
from magictel.settings.names import find, near, normal
from magictel.settings.origin import DEFAULT, Origin, option, variable

if TYPE_CHECKING:
    from magictel.settings.file import ConfigFile

ENABLED = "ENABLED_EXPORTERS"
NEXT_STEPS = (
    ("try it without a server:", "magictel send-sample --sandbox"),
    ("name an exporter:", "magictel check elasticsearch"),
    ("write a file of targets:", "magictel init"),
)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A target by its name, the exporter it is an instance of, whether it is enabled and by what."""

    name: str
    exporter: str
    enabled: bool
    enabled_by: Origin


def select(
    named: Sequence[str],
    *,
    all: bool = False,  # noqa: A002 # the option's own name
    config: ConfigFile | None,
    environment: Mapping[str, str],
    exporters: Collection[str],
) -> tuple[TargetSpec, ...]:
    """The chosen targets, in the order given, each once. `all`: every target of the file, enabled or not.

    Raises `UsageError` for an unknown name given, `SettingsError` for one in `ENABLED_EXPORTERS`, or when nothing is chosen.
    """
    if named:
        return _unique(_named(name, config, environment, exporters) for name in named)
    if all and config is not None and config.tables:
        return tuple(targets(config, environment))
    listed = enabled_names(environment)
    if listed is not None:
        chosen = _unique(_listed(name, config, exporters) for name in listed)
    else:
        chosen = tuple(spec for spec in targets(config, environment) if spec.enabled)
    if not chosen:
        raise nothing_chosen()
    return chosen


def targets(config: ConfigFile | None, environment: Mapping[str, str]) -> tuple[TargetSpec, ...]:
    """Every target of the file, in its order, with whether it is enabled and by what."""
    listed = enabled_names(environment)
    found = []
    for table in config.tables.values() if config else ():
        if listed is None:
            found.append(TargetSpec(table.name, table.exporter, table.enabled, table.enabled_by))
        else:
            enabled = find(table.name, listed) is not None
            found.append(TargetSpec(table.name, table.exporter, enabled, variable(ENABLED)))
    return tuple(found)


def enabled_names(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names in `ENABLED_EXPORTERS`, or None when it is not set or holds none."""
    names = tuple(name.strip() for name in environment.get(ENABLED, "").split(",") if name.strip())
    return names or None


def nothing_chosen() -> SettingsError:
    """Nothing is enabled and nothing was named: three lines saying what to do next."""
    width = max(len(label) for label, _ in NEXT_STEPS)
    steps = "\n".join(f"  {label:<{width}}   {command}" for label, command in NEXT_STEPS)
    return SettingsError("config.nothing-enabled", "Nothing is enabled and nothing was named.", steps)


def unknown_name(name: str, config: ConfigFile | None, exporters: Collection[str]) -> str:
    """One sentence for a name that is neither a target nor an exporter, with the near ones, or all when none is near."""
    known = [*(config.tables if config else ()), *exporters]
    close = near(name, known)
    if close:
        return f'No target or exporter is called "{name}". Did you mean {_either(close)}?'
    return f'No target or exporter is called "{name}". There are {", ".join(dict.fromkeys(known)) or "none"}.'


def _named(
    name: str, config: ConfigFile | None, environment: Mapping[str, str], exporters: Collection[str]
) -> TargetSpec:
    spec = _known(name, config, exporters, option("named"))
    if spec is None:
        raise UsageError("usage.unknown-target", unknown_name(name, config, exporters), "magictel list shows them all")
    return spec


def _listed(name: str, config: ConfigFile | None, exporters: Collection[str]) -> TargetSpec:
    spec = _known(name, config, exporters, variable(ENABLED))
    if spec is None:
        raise SettingsError(
            "config.unknown-target",
            unknown_name(name, config, exporters),
            f"correct {ENABLED}; magictel list shows every name",
            ENABLED,
        )
    return spec


def _known(name: str, config: ConfigFile | None, exporters: Collection[str], by: Origin) -> TargetSpec | None:
    table = config.table(name) if config else None
    if table is not None:
        return TargetSpec(table.name, table.exporter, True if by.kind == "variable" else table.enabled, by)
    exporter = find(name, exporters)
    return None if exporter is None else TargetSpec(exporter, exporter, True, by if by.kind == "variable" else DEFAULT)


def _unique(specs: object) -> tuple[TargetSpec, ...]:
    found: dict[str, TargetSpec] = {}
    for spec in specs:  # type: ignore[attr-defined] # any iterable of specs
        found.setdefault(normal(spec.name), spec)
    return tuple(found.values())


def _either(names: Sequence[str]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
