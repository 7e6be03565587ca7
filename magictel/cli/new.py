"""`magictel new exporter`: create a package with a working new exporter."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from magictel.cli import output
from magictel.cli.commands import plain_app
from magictel.cli.environment import folder
from magictel.cli.options import FormatOption
from magictel.cli.output import Format
from magictel.errors import UsageError
from magictel.scaffold.project import LONGEST_NAME, NAME, Kind, Names, files

app = plain_app(help="Create a package with a working new exporter.", no_args_is_help=False)

SCHEMA = "magictel.new/1"


@app.callback()
def new() -> None:
    """Create a package with a working new exporter."""


@app.command("exporter")
def exporter(
    called: Annotated[
        str, typer.Argument(metavar="NAME", show_default=False, help="For example acme or acme-metrics.")
    ],
    http: Annotated[bool, typer.Option("--http", help="Send HTTP requests (default).")] = False,
    datagram: Annotated[bool, typer.Option("--datagram", help="Send UDP datagrams, which are not confirmed.")] = False,
    file: Annotated[bool, typer.Option("--file", help="Append lines to a file.")] = False,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FOLDER", help="Output directory. Default: NAME-exporter.")
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> int:
    """Create a package with an exporter, its emulator and its tests."""
    names = _names(called)
    target = folder() / (out or names.package)
    if target.exists() and not target.is_dir():
        message = f"{target} exists and is not a directory"
        raise UsageError("usage.folder-exists", message, "name another one with --out FOLDER")
    if target.exists() and any(target.iterdir()):
        raise UsageError(
            "usage.folder-exists", f"{target} exists and is not empty", "name another one with --out FOLDER"
        )
    written = files(names, _kind(http=http, datagram=datagram, file=file))
    for path, text in written.items():
        _write(target / path, text)
    place = str(target) if target.is_absolute() else f"./{target}"
    sandbox = "" if file else " --sandbox"
    then = [
        f"{shlex.quote(sys.executable)} -m pip install -e {shlex.quote(f'{place}[test]')}",
        f"magictel check {names.name}{sandbox}",
        f"magictel send-sample {names.name}{sandbox}",
        f"{shlex.quote(sys.executable)} -m pytest {shlex.quote(place)}",
        "magictel guide writing-an-exporter",
    ]
    if format_ is Format.JSON:
        rest = {"exporter": names.name, "folder": str(target), "files": list(written), "next": then}
        output.document({"schema": SCHEMA, **rest})
        return 0
    output.say(f"wrote {len(written)} files to {place}; next:")
    for line in then:
        output.say(f"  {line}")
    return 0


def _names(called: str) -> Names:
    name = called.strip()
    if len(name) > LONGEST_NAME:
        message = f'"{name[:20]}…" is not a valid exporter name: it has {len(name)} characters, at most {LONGEST_NAME} are allowed'
        raise UsageError("usage.exporter-name", message, "magictel new exporter acme")
    if not NAME.fullmatch(name):
        message = (
            f'"{called}" is not a valid exporter name: use lower-case letters, digits and hyphens, begin with a letter, '
            "and put no hyphen at the end and no two in a row, for example acme"
        )
        raise UsageError("usage.exporter-name", message, "magictel new exporter acme")
    from magictel.registry.entry_points import registration_of

    taken = registration_of(name)
    if taken is not None:
        message = f'an exporter "{taken.name}" is already registered by {taken.package} {taken.version}'
        raise UsageError("usage.exporter-name", message, "choose another name")
    return Names(name)


def _kind(**flags: bool) -> Kind:
    kinds: dict[str, Kind] = {"http": "http", "datagram": "datagram", "file": "file"}
    chosen = [kinds[name] for name, given in flags.items() if given]
    if len(chosen) > 1:
        message = f"--{chosen[0]} and --{chosen[1]} exclude each other"
        raise UsageError("usage.command-line", message, "choose one kind")
    return chosen[0] if chosen else "http"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as failure:
        reason = (failure.strerror or type(failure).__name__).lower()
        raise UsageError(
            "usage.folder-exists", f"{path} cannot be written: {reason}", "name another folder with --out"
        ) from None
