"""The report of `magictel doctor`: plugins that are missing, duplicate, slow to import, or rejected."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path
from typing import Any, Literal

from magictel.catalogue import plugins
from magictel.registry.entry_points import (
    GROUP,
    OTHERS_GROUP,
    Registration,
    installed,
    is_built_in,
    is_malformed,
    load,
    package_of,
    plugin_error,
    registration,
    unimported,
)
from magictel.registry.import_cost import LONGEST, ImportCost, import_cost
from magictel.registry.installation import Installation, installation
from magictel.settings.names import did_you_mean, normal

Level = Literal["fail", "warn"]
_GROUPS = frozenset({GROUP, OTHERS_GROUP, plugins.GROUP, "magictel.emulators"})
_SLOW = 0.3
"""Acceptable seconds of an import, regardless of the rest."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a plugin or of its installation. `name` is that of the exporter or the package."""

    code: str
    level: Level
    name: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Examined:
    """A registered exporter: its package, the object that it names, and the cost of its import (None if it is not measured)."""

    registration: Registration
    value: str
    cost: ImportCost | None = None


@dataclass(frozen=True, slots=True)
class Examination:
    """The facts, every registered exporter, and every problem."""

    installation: Installation
    exporters: tuple[Examined, ...]
    problems: tuple[Problem, ...]

    @property
    def outcome(self) -> Literal["pass", "warn", "fail"]:
        """Return the worst level."""
        levels = {problem.level for problem in self.problems}
        return "fail" if "fail" in levels else "warn" if levels else "pass"


def examine(environment: Mapping[str, str], folder: Path, name: str | None = None) -> Examination:
    """Return the installation and its problems; with a name, only those of that exporter or package."""
    facts = installation()
    registered = installed()
    every = [point for points in registered.values() for point in points]
    wanted = [
        points
        for points in registered.values()
        if name is None or _matches(name, points[0].name, *(package_of(point)[0] for point in points))
    ]
    exporters = tuple(_examined(points, environment) for points in wanted)
    problems = [problem for examined in exporters for problem in _problems(examined, facts)]
    problems += _installation_problems(facts, environment)
    problems += _catalogue_problems(name)
    explained = [*_unregistered(every, name), *_declared_here(folder, every, name, facts)]
    if name is not None and not wanted and not explained:
        explained.append(_unknown(name, every, facts))
    return Examination(facts, exporters, (*problems, *explained))


def _examined(points: list[EntryPoint], environment: Mapping[str, str]) -> Examined:
    point = points[0]
    if is_built_in(point) or is_malformed(point) or len(points) > 1:
        return Examined(registration(points, environment), point.value)
    cost = import_cost(point.module)
    if cost.ended and cost.exit_code in (0, 1):  # 1: an exception, which this process's import shows again
        return Examined(registration(points, environment), point.value, cost)
    reason = f"its import did not end within {LONGEST:.0f} s" if not cost.ended else _ended(cost.exit_code)
    return Examined(unimported(points).broken(plugin_error(point, reason)), point.value, cost)


def _catalogue_problems(name: str | None) -> Iterator[Problem]:
    """Yield problems of pages that `magictel explain` cannot show."""
    for point in entry_points(group=plugins.GROUP):
        package, version = package_of(point)
        if name is None or _matches(name, point.name, package):
            for sentence in plugins.read(point)[1]:
                fix = f'fix [project.entry-points."{plugins.GROUP}"] or the pages in {package} {version}, and install it again'
                yield Problem("plugin.catalogue", "warn", point.name, sentence, fix)


def _ended(code: int) -> str:
    return f"its import ends the process with {f'signal {-code}' if code < 0 else f'exit code {code}'}"


def _problems(examined: Examined, facts: Installation) -> Iterator[Problem]:
    shown, cost = examined.registration, examined.cost
    package = f"{shown.package} {shown.version}"
    if shown.error is not None:
        fix = shown.error.remedy or f"fix or uninstall {package}"
        if shown.error.message.startswith("No module named "):
            missing = shown.error.message.removeprefix("No module named ").strip("'").partition(".")[0]
            fix = f"install what provides {missing}: {facts.install} PACKAGE"
        yield Problem(shown.error.code, "fail", shown.name, shown.error.message, fix)
        return
    if shown.rivals:
        message = f"registered by {' and by '.join((package, *shown.rivals))}; {package} is used"
        fix = f"uninstall {' and '.join(shown.rivals)}, or rename the exporter in that package"
        yield Problem("plugin.duplicate", "fail", shown.name, message, fix)
    if cost is None:
        return
    if cost.seconds > max(_SLOW, cost.ours):
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in cost.packages)
        message = f"its import takes {cost.seconds:.1f} s ({parts}); magictel's own imports take {cost.ours:.1f} s"
        fix = f"in {package}, import large libraries and do slow work inside the functions that need them"
        yield Problem("plugin.slow", "warn", shown.name, message, fix)
    called = str(getattr(load(shown.name), "name", ""))
    if called != shown.name:
        message = f'it is registered as "{shown.name}", but its class has the name "{called}"'
        yield Problem("plugin.name", "warn", shown.name, message, f"use the same name for both in {package}")


def _installation_problems(facts: Installation, environment: Mapping[str, str]) -> Iterator[Problem]:
    for package, version in facts.packages:
        if version is None:
            fix = f"{facts.install} {package}"
            yield Problem("plugin.dependency", "fail", "magictel", f"{package} is required but not installed", fix)
    active = environment.get("VIRTUAL_ENV", "")
    if active and Path(active).resolve() != Path(facts.prefix).resolve():
        message = f"the active environment is {active}, but this magictel runs in {facts.prefix}: it does not see the other's plugins"
        fix = f"{facts.install} PACKAGE, or install magictel into the active environment"
        yield Problem("plugin.other-environment", "warn", "magictel", message, fix)


def _unregistered(points: list[EntryPoint], name: str | None) -> Iterator[Problem]:
    """Yield packages that register an exporter in the wrong group or are installed twice; with a name, also one that registers none."""
    versions: dict[str, list[str]] = {}
    registered = {package_of(point)[0] for point in points}
    for package in distributions():
        title = _title(package)
        if title is None:
            continue
        folder = str(getattr(package, "_path", ""))
        versions.setdefault(_normal(title), []).append(f"{package.version} in {Path(folder).parent}")
        if len(versions[_normal(title)]) > 1 or title in registered or not _matches(name, title, *_modules(package)):
            continue
        wrong = [point for point in package.entry_points if "magictel" in point.group and point.group not in _GROUPS]
        for point in wrong:
            message = (
                f'{title} {package.version} registers {point.name} in the group "{point.group}", which is not read'
            )
            fix = f'name the group "{GROUP}" in its pyproject.toml and install it again'
            yield Problem("plugin.group", "fail", title, message, fix)
        if name is None or wrong:
            continue
        foreign = [point.name for point in package.entry_points if point.group == OTHERS_GROUP]
        if foreign:
            message = f"{title} {package.version} registers {', '.join(foreign)} with OpenTelemetry only"
            yield Problem("plugin.unregistered", "warn", title, message, "magictel list --all")
        else:
            message = f"{title} {package.version} is installed, but it registers no exporter"
            fix = (
                f'add [project.entry-points."{GROUP}"] to its pyproject.toml and install it again, an editable one too'
            )
            yield Problem("plugin.unregistered", "fail", title, message, fix)
    for title, copies in versions.items():
        if len(copies) > 1 and _matches(name, title) and title in {_normal(package) for package in registered}:
            message = f"{title} is installed more than once, and only the first is used: {'; '.join(copies)}"
            yield Problem("plugin.duplicate", "warn", title, message, "uninstall all copies, then install it once")


def _declared_here(folder: Path, points: list[EntryPoint], name: str | None, facts: Installation) -> Iterator[Problem]:
    """Yield exporters that the project in the working directory declares but that are not installed from it."""
    known = {(point.name, point.value) for point in points}
    for key, value in _declared(folder / "pyproject.toml").items():
        if (key, value) in known or not _matches(name, key):
            continue
        other = next((point.value for point in points if point.name == key), None)
        message = f"pyproject.toml here declares {key} as {value}, and " + (
            f"{other} is installed" if other else "it is not installed"
        )
        yield Problem("plugin.not-installed", "fail" if name else "warn", key, message, f"{facts.install} -e .")


def _declared(file: Path) -> Mapping[str, str]:
    try:
        groups: Any = tomllib.loads(file.read_text("utf-8"))["project"]["entry-points"][GROUP]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(key): str(value) for key, value in groups.items()} if isinstance(groups, dict) else {}


def _unknown(name: str, points: list[EntryPoint], facts: Installation) -> Problem:
    hint = did_you_mean(name, {point.name for point in points})
    message = f'no package of {facts.executable} has or registers "{name}"' + (f". {hint}" if hint else "")
    return Problem("plugin.unknown", "fail", name, message, f"{facts.install} PACKAGE")


def _matches(wanted: str | None, *names: str) -> bool:
    return wanted is None or _normal(wanted) in {_normal(name) for name in names}


def _modules(package: Distribution) -> tuple[str, ...]:
    """Return the top-level modules of a package, and its name without the usual words of plugin names."""
    top = (package.read_text("top_level.txt") or "").split()
    bare = _normal(package.name).removeprefix("magictel-").removesuffix("-exporter")
    return (*top, bare)


def _title(package: Distribution) -> str | None:
    """Return a package's name, or None if its metadata is broken."""
    try:
        return package.name or None
    except (KeyError, TypeError, AttributeError):
        return None


def _normal(name: str) -> str:
    return normal(name).lower()
