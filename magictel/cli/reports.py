"""`--format` and `--report`: the reporters of a run, opened before anything runs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO

from magictel.cli import output
from magictel.cli.environment import environment
from magictel.cli.errors import mistake, stopped
from magictel.cli.output import ResultFormat
from magictel.errors import MagictelError, UsageError
from magictel.model.events import CheckFinished, Event, RunCleaned, SendFinished
from magictel.reporters.formats import KINDS, FileReporter, Reporter, Reporters, RunInfo, make

_SUMMARY = "GITHUB_STEP_SUMMARY"
_STDOUT = "-"


class Reports:
    """The reports of a run: standard output and the files of `--report`. Keeps the events that decide the exit code.

    A context that writes an exception before the first result into the files, too. `rewrite` may change an event before it is
    reported (`sandbox_targets.rewrite`). Raise `UsageError` for a file that cannot be written, before anything else happens.
    """

    def __init__(
        self,
        how: ResultFormat,
        written: Sequence[str] | None,
        command: str,
        rewrite: Callable[[Event], Event] | None,
        *,
        quiet: bool,
    ) -> None:
        self.checked: CheckFinished | None = None
        self.sent: SendFinished | None = None
        self.cleaned: tuple[RunCleaned, ...] = ()
        self._rewrite = rewrite
        self._files: list[_File] = []
        self._stdout: _Stdout | None = None
        info = run_info()
        asked = [_split(text) for text in written or ()]
        kind = _on_stdout(how, asked)
        try:
            for of, path in _each_its_own([(of, path) for of, path in asked if path != _STDOUT]):
                self._files.append(_File(of, path, command, info))
        except UsageError:
            for file in self._files:
                file.discard()
            raise
        first: Reporter
        if kind is ResultFormat.TEXT:
            first = _for_people(quiet)
        elif how is ResultFormat.JSON:
            from magictel.reporters.json import JsonReporter

            first = JsonReporter(output.document, info)
        else:
            self._stdout = _Stdout(kind, command, info)
            first = self._stdout.reporter
        self._all = Reporters([first, *(file.reporter for file in self._files)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        match error:
            case MagictelError():
                self.fail(error)
            case KeyboardInterrupt():
                self.fail(stopped(error))
            case Exception():
                self.fail(mistake(error))
            case _:
                pass

    def on(self, event: Event) -> None:
        """Pass an event to every report."""
        if self._rewrite is not None:
            event = self._rewrite(event)
        match event:
            case CheckFinished():
                self.checked = event
            case SendFinished():
                self.sent = event
            case RunCleaned():
                self.cleaned += (event,)
            case _:
                pass
        self._all.on(event)

    def finish(self) -> None:
        """Write what is pending and close the files. Raise `UsageError` if a file cannot be written."""
        try:
            self._all.finish()
            if self._stdout is not None:
                self._stdout.write()
            for file in self._files:
                file.close()
        except BrokenPipeError:
            raise
        except OSError as failure:
            raise UsageError(
                "usage.report", f"a report was not written: {failure.strerror}", "free space where --report points to"
            ) from None

    def fail(self, failure: MagictelError) -> None:
        """Write a failure of the whole command into the reports; the caller prints the text and the document of `--format json`."""
        if self._stdout is not None:
            self._stdout.reporter.fail(failure)
            self._stdout.write()
        for file in self._files:
            if not file.stream.closed:
                file.reporter.fail(failure)
                file.close()


class _File:
    """An open file of `--report` with its reporter.

    A GitHub summary is appended. A collector may read a metrics file at any moment, so it is written to a temporary file and moved.
    """

    def __init__(self, kind: str, path: str, command: str, info: RunInfo) -> None:
        self._path: Path | None = None
        opened = path
        if kind == "prometheus" and not _special(path):
            self._path, opened = Path(path), f"{path}.{os.getpid()}.tmp"
        self.stream = open_report(opened, "a" if kind == "github" else "w", path)
        self._opened = Path(opened)
        self.reporter: FileReporter = make(kind, self.stream, command=command, annotations=_annotations(), info=info)

    def close(self) -> None:
        """Close the complete file and move it to its place."""
        try:
            self.stream.close()
            if self._path is not None:
                self._opened.replace(self._path)
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """Close the file and delete the temporary file."""
        with suppress(OSError):
            self.stream.close()
        if self._path is not None:
            self._opened.unlink(missing_ok=True)


class _Stdout:
    """A report on standard output, printed when it is complete."""

    def __init__(self, kind: ResultFormat, command: str, info: RunInfo) -> None:
        self._text = io.StringIO()
        self.reporter: FileReporter = make(
            kind.value, self._text, command=command, annotations=_annotations(), info=info
        )

    def write(self) -> None:
        """Print it, once."""
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        if text:
            output.say(text.removesuffix("\n"))


def run_info() -> RunInfo:
    """Return the facts about this run for its reports."""
    import platform

    from magictel import __version__

    return RunInfo(__version__, platform.node() or "localhost", datetime.now(UTC))


def reported(how: ResultFormat, written: Sequence[str] | None) -> bool:
    """Return whether a report is requested that a dry run does not support."""
    return bool(written) or how not in (ResultFormat.TEXT, ResultFormat.JSON)


def _on_stdout(how: ResultFormat, asked: Sequence[tuple[str, str]]) -> ResultFormat:
    """Return the format of standard output: `--format`, or the report whose path is `-`."""
    kinds = [kind for kind, path in asked if path == _STDOUT]
    if not kinds:
        return how
    if how is not ResultFormat.TEXT or len(kinds) > 1:
        other = f"--format {how}" if how is not ResultFormat.TEXT else f"--report {kinds[1]}=-"
        raise UsageError(
            "usage.report",
            f"--report {kinds[0]}=- and {other} both use standard output",
            f"use a file for one of them: --report {kinds[0]}=PATH",
        )
    return ResultFormat(kinds[0])


def _annotations() -> TextIO:
    """Return the stream for workflow commands: none at a terminal, where the text output is enough."""
    interactive = sys.stderr.isatty() and environment().get("GITHUB_ACTIONS") != "true"
    return io.StringIO() if interactive else sys.stderr


def _for_people(quiet: bool) -> Reporter:
    from magictel.cli.options import exchanges_shown
    from magictel.reporters.terminal import TerminalReporter, progress_for

    progress = None if exchanges_shown() else progress_for(sys.stderr, environment())
    return TerminalReporter(output.page(), progress, quiet=quiet)


def _each_its_own(files: list[tuple[str, str]]) -> list[tuple[str, str]]:
    seen: dict[str, str] = {}
    for kind, path in files:
        place = os.path.realpath(path)
        if place in seen and not _special(path):
            raise UsageError(
                "usage.report",
                f"--report {kind}={path}: the {seen[place]} report goes to the same file",
                "use a separate file for each report",
            )
        seen[place] = kind
    return files


def _split(text: str) -> tuple[str, str]:
    kind, equals, path = text.partition("=")
    if kind == "github" and not equals:
        path = environment().get(_SUMMARY, "")
        if not path:
            raise UsageError(
                "usage.report", f"--report github: {_SUMMARY} is not set", "name a file with --report github=PATH"
            )
    if kind not in KINDS:
        raise UsageError(
            "usage.report",
            f"--report {text}: use KIND=PATH",
            f"kinds are {', '.join(KINDS)}: --report junit=PATH",
        )
    if not path:
        raise UsageError("usage.report", f"--report {text}: use KIND=PATH", f"--report {kind}=PATH")
    return kind, path


def _special(path: str) -> bool:
    """Return whether the path is a pipe or a device, to which no file can be moved."""
    try:
        return Path(path).exists() and not Path(path).is_file()
    except (OSError, ValueError):
        return False


def open_report(path: str, mode: Literal["a", "w"] = "w", named: str | None = None) -> TextIO:
    """Open the file of a report, `named` in the message of a failure. Raise `UsageError`."""
    try:
        return Path(path).open(mode, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as failure:
        raise unwritten(named or path, failure) from None


def unwritten(path: str, failure: OSError | ValueError) -> UsageError:
    """Return the error for a report that cannot be written."""
    why = failure.strerror if isinstance(failure, OSError) else "the path is not valid"
    return UsageError(
        "usage.report", f"--report: {path} cannot be written: {why}", "name a file in an existing directory"
    )
