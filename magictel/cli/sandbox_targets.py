"""`--sandbox`: embedded backends instead of real ones while a command runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magictel.cli.environment import environment
from magictel.cli.options import config_file
from magictel.cli.targets import Chosen, chosen_targets
from magictel.errors import UsageError
from magictel.http.wire import Reply, Request
from magictel.model.events import Event
from magictel.operations.remedies import rewritten
from magictel.registry.entry_points import FOREIGN
from magictel.settings.select import TargetSpec

if TYPE_CHECKING:
    from magictel.sandbox.emulator import Emulator
    from magictel.sandbox.sandbox import Sandbox

_SANDBOX = "--sandbox"
_COMMANDS = ("magictel check ", "magictel send-sample ", "magictel replay ")


@contextmanager
def targets(
    named: Sequence[str] | None,
    *,
    all: bool = False,  # noqa: A002 # the option's own name
    config: str | None = None,
    sets: Sequence[str] | None = None,
    sandbox: bool = False,
    bare: bool = False,
) -> Iterator[list[Chosen]]:
    """Yield the chosen targets; with `sandbox`, pointed at emulators that stop with the context, and prepared unless `bare`.

    Without a name, use every exporter whose backend has an emulator and replies, with default settings: the environment's CAs and
    keys belong to real backends. A target of the file keeps its settings except the address.
    """
    if not sandbox:
        yield chosen_targets(named, all=all, config=config, sets=sets)
        return
    foreign = next((name for name in named or () if name.startswith(FOREIGN)), None)
    if foreign is not None:
        why = "takes its address from its own variables, so it cannot be pointed at an embedded backend"
        remedy = "start magictel sandbox, set its variables to the printed address, and name it without --sandbox"
        raise UsageError("usage.foreign", f"--sandbox: {foreign} {why}", remedy)
    from magictel import sandbox as embedded

    file = config_file(config) if named or all else None
    if all and not named and file is not None:
        named = list(file.tables)
    from_file = file is not None and any(file.table(name) for name in named or ())
    with embedded.start(_exporters(named, file) if named else None) as room:

        def address(spec: TargetSpec) -> Mapping[str, str]:
            return _keys(spec.exporter, room.environment(spec.exporter))

        chosen = chosen_targets(
            named or _replying(room),
            config=config,
            sets=sets,
            env=environment() if from_file else {},
            extra=address,
            use_file=from_file,
        )
        _check(room, chosen)
        if not bare:
            _prepare(room, chosen)
        yield chosen


def _replying(room: Sandbox) -> list[str]:
    """Return the exporters whose backends reply: what is sent to others stays unverified, so they are used only by name."""
    from magictel.sandbox.emulator import DatagramEmulator

    return [name for name, emulator in room.emulators.items() if not isinstance(emulator, DatagramEmulator)]


def prepare_all(room: Sandbox) -> None:
    """Apply `magictel prepare` to every emulator of a sandbox, for its exporter's default settings."""
    _prepare(
        room,
        chosen_targets(
            list(room.emulators),
            env={},
            extra=lambda spec: _keys(spec.exporter, room.environment(spec.exporter)),
            use_file=False,
        ),
    )


def _check(room: Sandbox, chosen: Sequence[Chosen]) -> None:
    """Raise `UsageError` if an emulator cannot be used with the settings of a target."""
    from magictel.sandbox.emulator import Limited

    for target in chosen:
        emulator = room.emulators.get(target.spec.exporter)
        if isinstance(emulator, Limited) and target.resolved is not None:
            emulator.check_settings(target.resolved.settings)


def _prepare(room: Sandbox, chosen: Sequence[Chosen]) -> None:
    """Prepare the emulators directly, past their servers: scripted faults are for later requests. The command shows failures."""
    from magictel.operations.prepare import prepare
    from magictel.sandbox.emulator import DatagramEmulator

    for target in chosen:
        emulator = room.emulators[target.spec.exporter]
        if not isinstance(emulator, DatagramEmulator):
            prepare(target.job(transport=_Direct(emulator)), apply=True)


class _Direct:
    """A transport that hands requests to an emulator, without a connection."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def send(self, request: Request, timeout: float) -> Reply:
        """Return the emulator's reply."""
        return self._emulator.handle(request)

    def close(self) -> None:
        """Do nothing: no connection is open."""


def rewrite(event: Event) -> Event:
    """Return the event with remedies for the sandbox: their commands would otherwise go to the real backend."""
    return rewritten(event, _remedy)


def _remedy(_target: str, remedy: str) -> str:
    if _SANDBOX in remedy:
        return remedy
    if remedy.startswith("magictel prepare "):
        return f"with a real backend: {remedy}"
    return f"{remedy} {_SANDBOX}" if remedy.startswith(_COMMANDS) else remedy


def _exporters(named: Sequence[str], file: object) -> list[str]:
    """Return the exporters behind names. Raise `UsageError` for an unknown name."""
    from magictel.registry import entry_points
    from magictel.settings.file import ConfigFile
    from magictel.settings.select import select

    config = file if isinstance(file, ConfigFile) else None
    specs = select(named, config=config, environment=environment(), exporters=entry_points.names())
    return list(dict.fromkeys(spec.exporter for spec in specs))


def _keys(exporter: str, variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the sandbox's variables as keys of the exporter's settings, without a proxy."""
    from magictel.registry import entry_points
    from magictel.settings.fields import field_map

    fields = field_map(entry_points.load(exporter).Settings)
    values = {field.key: variables[name] for field in fields.values() for name in field.env if name in variables}
    return {**values, "proxy": ""} if "proxy" in fields else values
