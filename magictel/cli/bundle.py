"""`magictel bundle`: what a ticket needs, in one archive without secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictel.cli import output
from magictel.cli.environment import environment, folder
from magictel.cli.exit_codes import Exit
from magictel.cli.options import ConfigOption, SetOption, TargetsArgument

if TYPE_CHECKING:
    from magictel.cli.targets import Chosen

_NAME = "magictel-bundle.zip"
Documents = dict[str, Any]


def command(
    targets: TargetsArgument = None,
    out: Annotated[
        str, typer.Option("--out", metavar="PATH", help=f"Archive to write. Default: {_NAME}.", show_default=False)
    ] = _NAME,
    url: Annotated[
        str,
        typer.Option(
            "--url",
            metavar="URL",
            help="Address of the application's health. Default: http://localhost:9465.",
            show_default=False,
        ),
    ] = "",
    config: ConfigOption = None,
    sets: SetOption = None,
) -> int:
    """Write an archive for a ticket: versions, settings with their origins, the findings of a check, the health of the application.

    Secrets are masked. An existing file is never overwritten.
    """
    from magictel.cli.interrupts import Interrupts

    path = folder() / out
    if path.exists():
        raise _unwritable(out, "it exists")
    with Interrupts() as interrupts:
        documents, chosen = _settings(targets, config, sets)
        documents = {"installation.json": _installation(), **documents}
        documents |= _findings(chosen, interrupts)
        documents |= _health(url)
        if interrupts.signal is None:
            _write(path, out, _shown(documents, chosen))
    if interrupts.signal is not None:
        return interrupts.leave(Exit.INTERRUPTED)
    output.say(f"wrote {out}: {', '.join(documents)}")
    output.say("Secrets are masked. Read it before you send it: it names hosts, indices and files.")
    return Exit.OK


def _installation() -> Any:
    from magictel.cli.doctor import document
    from magictel.registry.doctor import examine

    return document(examine(environment(), folder().resolve(), None))


def _settings(
    targets: Sequence[str] | None, config: str | None, sets: Sequence[str] | None
) -> tuple[Documents, Sequence[Chosen]]:
    """Return the settings of the targets, or why there are none, and the targets. Raise `UsageError` for an unknown name."""
    from magictel.cli.config import shown_document
    from magictel.cli.targets import chosen_targets
    from magictel.errors import SettingsError
    from magictel.reporters.json import error_document

    try:
        chosen = chosen_targets(targets, config=config, sets=sets)
    except SettingsError as failure:
        return {"settings.json": error_document(failure)}, ()
    return {"settings.json": shown_document(chosen)}, chosen


def _findings(chosen: Sequence[Chosen], interrupts: Any) -> Documents:
    from magictel.cli.reports import run_info
    from magictel.operations.check import CheckOptions, check
    from magictel.reporters.json import JsonReporter

    documents: Documents = {}
    if chosen:
        reporter = JsonReporter(lambda document: documents.update({"check.json": document}), run_info())
        interrupts.drive(check([target.job(prepare=False) for target in chosen], CheckOptions()), reporter)
        reporter.finish()
    return documents


def _health(url: str) -> Documents:
    from magictel.errors import WireError
    from magictel.operations.status import DEFAULT, status
    from magictel.reporters.json import error_document
    from magictel.transports.http import HttpTransport

    try:
        return {"status.json": status(url or DEFAULT, HttpTransport(trust_env=False)).document}
    except WireError as failure:
        return {"status.json": error_document(failure)}


def _shown(documents: Documents, chosen: Sequence[Chosen]) -> Documents:
    """Return the documents without the secrets of the targets and of the environment, and without what looks like one."""
    from magictel.plugin.foreign import environment_secrets
    from magictel.secrets.patterns import masked
    from magictel.secrets.redactor import Redactor

    secrets = [secret for target in chosen if target.resolved for secret in target.resolved.settings.secret_values()]
    redact = Redactor([*secrets, *environment_secrets(environment())])
    shown: Documents = _each_text(redact.value(documents), masked)
    return shown


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each_text(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(item, change) for item in value]
    return value


def _write(path: Path, shown: str, documents: Documents) -> None:
    """Write the archive, for its owner alone. Raise `UsageError`."""
    import json
    import os
    import zipfile

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, document in documents.items():
                archive.writestr(name, json.dumps(document, indent=2) + "\n")
    except OSError as failure:
        raise _unwritable(shown, (failure.strerror or type(failure).__name__).lower()) from None


def _unwritable(shown: str, why: str) -> Exception:
    from magictel.errors import UsageError

    return UsageError(
        "usage.bundle", f"--out: {shown} cannot be written: {why}", "name a new file in an existing directory"
    )
