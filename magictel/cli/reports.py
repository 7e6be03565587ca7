"""`--format` and `--report`: the reporters of one run, opened before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from magictel.cli import output
from magictel.cli.environment import environment
from magictel.cli.failure import mistake, stopped
from magictel.cli.output import Format
from magictel.errors import MagictelError, UsageError
from magictel.events import CheckFinished, Event, RunCleaned, SendFinished
from magictel.reporters.json import JsonReporter, error_document, writer
from magictel.reporters.reporter import Reporter, Reporters

if TYPE_CHECKING:
    from magictel.reporters.junit import JUnitReporter
    from magictel.reporters.sheet import Sheet

_KINDS = ("json", "junit")


@contextmanager
def reporting(how: Format, written: Sequence[str] | None) -> Iterator[Reports]:
    """The reports of a command; what breaks it off before there is a result stands in the files too, and is raised on.

    Raises `UsageError` for a file that cannot be written, before anything else happens.
    """
    reports = Reports(how, written)
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

    def __init__(self, how: Format, written: Sequence[str] | None) -> None:
        self.checked: CheckFinished | None = None
        self.sent: SendFinished | None = None
        self.cleaned: tuple[RunCleaned, ...] = ()
        self._files: list[tuple[str, str, TextIO]] = []
        for text in written or ():
            kind, path = _split(text)
            self._files.append((kind, path, _opened(path)))
        first = JsonReporter(output.document) if how is Format.JSON else _for_people()
        self._all = Reporters([first, *(_to_file(kind, stream) for kind, _, stream in self._files)])

    def on(self, event: Event) -> None:
        """Hand an event to each."""
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
            for _, _, stream in self._files:
                stream.close()
        except BrokenPipeError:
            raise
        except OSError as failure:
            raise UsageError(
                "usage.report", f"a report was not written: {failure.strerror}", "make room where --report points to"
            ) from None

    def fail(self, failure: MagictelError) -> None:
        """Nothing could be asked: the files say why. Standard output is the caller's."""
        for kind, _, stream in self._files:
            if stream.closed:
                continue
            if kind == "json":
                writer(stream)(error_document(failure))
            else:
                _junit(stream).fail(failure)
            stream.close()


def _for_people() -> Reporter:
    from magictel.reporters.terminal import TerminalReporter, progress_for

    return TerminalReporter(page(), progress_for(sys.stderr, environment()))


def page() -> Sheet:
    """Standard output as a sheet."""
    from magictel.reporters.terminal import sheet_for

    sheet = sheet_for(sys.stdout, environment())
    sheet.failed = output.unwritable
    return sheet


def _junit(stream: TextIO) -> JUnitReporter:
    from magictel.reporters.junit import JUnitReporter

    return JUnitReporter(stream)


def _to_file(kind: str, stream: TextIO) -> Reporter:
    return JsonReporter(writer(stream)) if kind == "json" else _junit(stream)


def _split(text: str) -> tuple[str, str]:
    kind, equals, path = text.partition("=")
    if not equals or not path or kind not in _KINDS:
        raise UsageError(
            "usage.report",
            f"--report {text}: write it as KIND=PATH",
            f"--report {'=PATH or --report '.join(_KINDS)}=PATH",
        )
    return kind, path


def _opened(path: str) -> TextIO:
    try:
        return Path(path).open("w", encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) else "this is no path"
        raise UsageError(
            "usage.report", f"--report: {path} cannot be written: {why}", "name a file in a folder that exists"
        ) from None
