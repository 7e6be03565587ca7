"""The chosen targets of a command with their settings, or the reason why they cannot run; and the options for choosing them.

    def command(
        targets: TargetsArgument = None, config: ConfigOption = None, sets: SetOption = None, all_: AllOption = False,
        format_: FormatOption = Format.TEXT, report: ReportOption = None,
    ) -> int: ...

A command returns its exit code (or raises `typer.Exit`); `chosen_targets` raises errors that stop the whole command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from magictel.cli import output
from magictel.cli.environment import environment, folder
from magictel.cli.options import config_file
from magictel.errors import MagictelError, SettingsError
from magictel.settings.select import TargetSpec, select

if TYPE_CHECKING:
    from magictel.operations.target_run import Job
    from magictel.settings.file import ConfigFile
    from magictel.settings.load import Resolved

_FILES = frozenset({"config.tls.ca-file", "config.tls.client-cert"})


class Chosen(NamedTuple):
    """A chosen target: its exporter's class and settings, or the failure that prevents it from running (others still run)."""

    spec: TargetSpec
    exporter: type[Any] | None = None
    resolved: Resolved[Any] | None = None
    failure: MagictelError | None = None

    @property
    def name(self) -> str:
        """Return the target's name."""
        return self.spec.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings about the settings."""
        return self.resolved.warnings if self.resolved else ()

    @property
    def problems(self) -> tuple[MagictelError, ...]:
        """Return every error in the settings."""
        every: tuple[MagictelError, ...] = getattr(self.failure, "every", ())
        return every or ((self.failure,) if self.failure else ())

    @property
    def is_page(self) -> bool:
        """Return whether it is scraped, so that nothing can be sent to it."""
        from magictel.plugin.page_exporter import PageExporter

        return self.exporter is not None and issubclass(self.exporter, PageExporter)

    def job(self, **options: Any) -> Job:
        """Return the job for an operation; `options` are passed to the exporter's constructor."""
        from magictel.operations.target_run import Job

        resolved = self.resolved
        return Job(
            self.spec.name,
            self.spec.exporter,
            lambda: self.build(**options),
            summary(resolved) if resolved else "",
            self.warnings,
            resolved.remedy if resolved else None,
        )

    def build(self, **options: Any) -> Any:
        """Create the exporter. Raise the failure of an unusable target."""
        if self.failure is not None or self.resolved is None or self.exporter is None:
            raise self.failure or SettingsError("config.value", f"{self.name} is unusable")
        from magictel.settings.origin import DEFAULT

        exporter = self.exporter(self.resolved.settings, target=self.spec.name, **options)
        exporter.origins = {key: str(origin) for key, origin in self.resolved.origins.items() if origin != DEFAULT}
        return exporter


def that_send(chosen: Sequence[Chosen], named: Sequence[str] | None, *, quiet: bool) -> Sequence[Chosen]:
    """Return the targets without pages, to which nothing can be sent, and say which are left out unless `quiet`.

    Pages that are `named`, or the only targets, stay, and fail.
    """
    sending = [target for target in chosen if not target.is_page]
    if named or not sending:
        return chosen
    for target in chosen:
        if target.is_page and not quiet:
            output.note(f"{target.name} is left out: it is scraped, so nothing can be sent to it")
    return sending


def chosen_targets(
    named: Sequence[str] | None,
    *,
    all: bool = False,  # noqa: A002 # the option's own name
    config: str | None = None,
    sets: Sequence[str] | None = None,
    allow_missing_env: bool = False,
    env: Mapping[str, str] | None = None,
    extra: Callable[[TargetSpec], Mapping[str, str]] | None = None,
    use_file: bool = True,
) -> list[Chosen]:
    """Return the chosen targets in the given order.

    `env` replaces the environment. `extra` returns keys that override every layer except `--set` (the sandbox's addresses). Raise
    `UsageError` and `SettingsError` for errors of the whole command: unknown names, a broken file, nothing chosen.
    """
    from magictel.registry import entry_points, foreign
    from magictel.settings.select import parse_overrides

    surroundings = environment() if env is None else env
    file = config_file(config) if use_file else None
    exporters = (*entry_points.names(), *foreign.named_among(named or ()))
    specs = select(named or (), all=all, config=file, environment=surroundings, exporters=exporters)
    if any(spec.exporter.startswith(entry_points.FOREIGN) for spec in specs):
        from magictel.plugin.foreign import environment_secrets
        from magictel.secrets.patterns import masked
        from magictel.secrets.redactor import Redactor

        redact = Redactor(environment_secrets(surroundings))
        output.reserve(lambda text: masked(redact(text)))
    overrides = parse_overrides(
        sets or (), [spec.name for spec in specs], (*(file.tables if file else ()), *entry_points.names())
    )
    return [
        _choose(spec, file, surroundings, overrides[spec.name], allow_missing_env, extra(spec) if extra else {})
        for spec in specs
    ]


def resolved_settings(
    name: str,
    exporter: str,
    model: type[Any],
    file: ConfigFile | None,
    overrides: Mapping[str, Any],
    *,
    allow_missing_env: bool,
    env: Mapping[str, str] | None = None,
) -> Resolved[Any]:
    """Merge the layers with the process's environment (or `env`) and working directory. Raise `SettingsError`."""
    from magictel.settings.load import resolve_settings

    return resolve_settings(
        name,
        exporter,
        model,
        environment=environment() if env is None else env,
        config=file,
        overrides=overrides,
        allow_missing_env=allow_missing_env,
        folder=folder(),
    )


def check_settings(exporter: type[Any], resolved: Resolved[Any], *, files_later: bool = False) -> None:
    """Run the exporter's own check and add the origin of the first field that it names. Raise `SettingsError`.

    Ignore errors of values that are supplied later; with `files_later` (an image is built, and its files are mounted where it
    runs) also ignore unreadable TLS files.
    """
    check = getattr(exporter, "check_settings", None)
    if check is None:
        return
    try:
        check(resolved.settings)
    except SettingsError as failure:
        key = failure.message.partition(":")[0]
        if key in resolved.later or (files_later and failure.code in _FILES):
            return
        if failure.origin is None:
            origin = resolved.origins.get(key)
            failure.origin = str(origin) if origin else None
        raise


def summary(resolved: Resolved[Any]) -> str:
    """Return `url from magictel.toml:4, api_key from ES_KEY`; for many options `12 of 37 options set`; for none `defaults`."""
    chosen = resolved.chosen
    if 0 < len(chosen) <= 3:
        return ", ".join(f"{key} from {resolved.origins[key]}" for key in chosen)
    if chosen:
        return f"{len(chosen)} of {len(resolved.origins)} options set"
    from magictel.settings.fields import field_map

    address = field_map(type(resolved.settings)).get("url")
    return f"defaults ({address.env[0]} is not set)" if address is not None and address.env else "defaults"


def _choose(
    spec: TargetSpec,
    file: ConfigFile | None,
    surroundings: Mapping[str, str],
    overrides: Mapping[str, Any],
    allow_missing_env: bool,
    extra: Mapping[str, str],
) -> Chosen:
    from magictel.registry import entry_points
    from magictel.settings.origin import Origin

    if spec.unusable is not None:
        return Chosen(spec, failure=spec.unusable)
    exporter = None
    try:
        exporter = entry_points.load(spec.exporter)
        layer = {**{key: (value, Origin("option", "--sandbox")) for key, value in extra.items()}, **overrides}
        resolved = resolved_settings(
            spec.name,
            spec.exporter,
            exporter.Settings,
            file,
            layer,
            allow_missing_env=allow_missing_env,
            env=surroundings,
        )
        check_settings(exporter, resolved, files_later=allow_missing_env)
    except MagictelError as failure:
        if failure.origin is None and file is not None and (table := file.table(spec.name)):
            failure.origin = str(table.exporter_by)
        return Chosen(spec, exporter, None, failure)
    return Chosen(spec, exporter, resolved)
