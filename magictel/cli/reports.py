"""`--format` and `--report`: the reporters of one run, opened before anything runs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO

from magictel.cli import output
from magictel.cli.environment import environment
from magictel.cli.errors import mistake, stopped
from magictel.cli.output import ResultFormat
from magictel.cli.stdout import page
from magictel.errors import MagictelError, UsageError
from magictel.model.events import CheckFinished, Event, RunCleaned, SendFinished
from magictel.reporters.formats import KINDS, FileReporter, make
from magictel.reporters.json import JsonReporter
from magictel.reporters.reporter import Reporter, Reporters
from magictel.reporters.run_info import RunInfo

_SUMMARY = "GITHUB_STEP_SUMMARY"
_STDOUT = "-"


@contextmanager
def reporting(
    how: ResultFormat,
    written: Sequence[str] | None,
    command: str = "",
    told: Callable[[Event], Event] | None = None,
    *,
    quiet: bool = False,
) -> Iterator[Reports]:
    """The reports of a command; what breaks it off before there is a result stands in the files too, and is raised on.

    `told` may put an event into other words before anybody hears of it (`sandboxed.told`). Raises `UsageError` for a file that
    cannot be written, before anything else happens.
    """
    reports = Reports(how, written, command, told, quiet=quiet)
    try:
        yield reports
    except MagictelError as failure:
        reports.fail(failure)
        raise
    except KeyboardInterrupt as stop:
        reports.fail(stopped(stop))
        raise
    except Exception as bug:
        reports.fail(mistake(bug))
        raise


class Reports:
    """What one run is reported to: standard output, and the files of `--report`. It keeps what the exit code is made of."""

    def __init__(
        self,
        how: ResultFormat,
        written: Sequence[str] | None,
        command: str = "",
        told: Callable[[Event], Event] | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        self.checked: CheckFinished | None = None
        self.sent: SendFinished | None = None
        self.cleaned: tuple[RunCleaned, ...] = ()
        self._told = told
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
            first = JsonReporter(output.document, info)
        else:
            self._stdout = _Stdout(kind, command, info)
            first = self._stdout.reporter
        self._all = Reporters([first, *(file.reporter for file in self._files)])

    def on(self, event: Event) -> None:
        """Hand an event to each."""
        if self._told is not None:
            event = self._told(event)
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
        """Write what is still to be written, and close the files. Raises `UsageError` when a file did not take it all."""
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
                "usage.report", f"a report was not written: {failure.strerror}", "make room where --report points to"
            ) from None

    def fail(self, failure: MagictelError) -> None:
        """Nothing could be asked: the reports say why. The page and the document of `--format json` are the caller's."""
        if self._stdout is not None:
            self._stdout.reporter.fail(failure)
            self._stdout.write()
        for file in self._files:
            if not file.stream.closed:
                file.reporter.fail(failure)
                file.close()


class _File:
    """One file of `--report`: open, with its reporter.

    A summary is added to what the file holds. What a collector reads at any moment is complete there or not at all: metrics are
    written beside their place and moved to it.
    """

    def __init__(self, kind: str, path: str, command: str, info: RunInfo) -> None:
        self._path: Path | None = None
        opened = path
        if kind == "prometheus" and not _special(path):
            self._path, opened = Path(path), f"{path}.{os.getpid()}.tmp"
        self.stream = _opened(opened, "a" if kind == "github" else "w", path)
        self._opened = Path(opened)
        self.reporter: FileReporter = make(kind, self.stream, command=command, annotations=_annotations(), info=info)

    def close(self) -> None:
        """The file is complete."""
        try:
            self.stream.close()
            if self._path is not None:
                self._opened.replace(self._path)
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """Nothing came of it: what lies beside the file's place goes."""
        with suppress(OSError):
            self.stream.close()
        if self._path is not None:
            self._opened.unlink(missing_ok=True)


class _Stdout:
    """A report that is the result on standard output, written when it is complete."""

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
    """Return what the reports of this run say about it."""
    import platform

    from magictel import __version__

    return RunInfo(__version__, platform.node() or "localhost", datetime.now(UTC))


def reported(how: ResultFormat, written: Sequence[str] | None) -> bool:
    """True where a report is asked for that a dry run does not have."""
    return bool(written) or how not in (ResultFormat.TEXT, ResultFormat.JSON)


def _on_stdout(how: ResultFormat, asked: Sequence[tuple[str, str]]) -> ResultFormat:
    """What standard output gets: what `--format` says, or the one report whose path is `-`."""
    kinds = [kind for kind, path in asked if path == _STDOUT]
    if not kinds:
        return how
    if how is not ResultFormat.TEXT or len(kinds) > 1:
        other = f"--format {how}" if how is not ResultFormat.TEXT else f"--report {kinds[1]}=-"
        raise UsageError(
            "usage.report",
            f"--report {kinds[0]}=- and {other} both ask for standard output",
            f"give one of them a file: --report {kinds[0]}=PATH",
        )
    return ResultFormat(kinds[0])


def _annotations() -> TextIO:
    """Where workflow commands go: a person at a terminal has the page, whose last line is the verdict."""
    somebody = sys.stderr.isatty() and environment().get("GITHUB_ACTIONS") != "true"
    return io.StringIO() if somebody else sys.stderr


def _for_people(quiet: bool) -> Reporter:
    from magictel.cli import debug
    from magictel.reporters.terminal import TerminalReporter, progress_for

    progress = None if debug.shown() else progress_for(sys.stderr, environment())
    return TerminalReporter(page(), progress, quiet=quiet)


def _each_its_own(files: list[tuple[str, str]]) -> list[tuple[str, str]]:
    seen: dict[str, str] = {}
    for kind, path in files:
        place = os.path.realpath(path)
        if place in seen and not _special(path):
            raise UsageError(
                "usage.report",
                f"--report {kind}={path}: the {seen[place]} report goes to the same file",
                "give each report a file of its own",
            )
        seen[place] = kind
    return files


def _split(text: str) -> tuple[str, str]:
    kind, equals, path = text.partition("=")
    if kind == "github" and not equals:
        path = environment().get(_SUMMARY, "")
        if not path:
            raise UsageError(
                "usage.report", f"--report github: {_SUMMARY} is not set here", "--report github=PATH names a file"
            )
    if kind not in KINDS:
        raise UsageError(
            "usage.report",
            f"--report {text}: write it as KIND=PATH",
            f"kinds are {', '.join(KINDS)}: --report junit=PATH",
        )
    if not path:
        raise UsageError("usage.report", f"--report {text}: write it as KIND=PATH", f"--report {kind}=PATH")
    return kind, path


def _special(path: str) -> bool:
    """A pipe or a device: nothing can be moved to its place."""
    try:
        return Path(path).exists() and not Path(path).is_file()
    except (OSError, ValueError):
        return False


def _opened(path: str, mode: Literal["a", "w"], named: str) -> TextIO:
    try:
        return Path(path).open(mode, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) else "this is no path"
        raise UsageError(
            "usage.report", f"--report: {named} cannot be written: {why}", "name a file in a folder that exists"
        ) from None
