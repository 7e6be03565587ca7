"""Text for people: rich on a terminal, plain in a pipe; progress on stderr if that is a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from magictel.model import events
from magictel.model.finding import Status
from magictel.reporters import check_page, send_page
from magictel.reporters.humanize import many
from magictel.reporters.layout import Paint, Sheet
from magictel.reporters.progress import Progress
from magictel.reporters.results import Result, Results
from magictel.reporters.tty import columns, is_terminal
from magictel.reporters.verdict import status_of


class TerminalReporter:
    """A reporter that writes text: a block per target in the given order, each when it is complete; the verdict in the last line.

    `quiet` omits what passed, and writes nothing if everything passed.
    """

    def __init__(self, sheet: Sheet, progress: Progress | None = None, *, quiet: bool = False) -> None:
        self._sheet = sheet
        self._quiet = quiet
        self._progress = progress or Progress(None)
        self._results = Results()
        self._waiting: list[str] = []
        self._done: dict[str, Result] = {}
        self._ladder: check_page.Ladder | None = None

    def on(self, event: events.Event) -> None:
        """Take one event."""
        self._results.on(event)
        match event:
            case events.CheckStarted():
                self._begin("checking")
            case events.SendStarted():
                self._progress.clear()
                if not self._quiet:
                    send_page.write_start(self._sheet, event)
                self._begin("sending to")
            case events.ReplayStarted():
                self._begin("sending to")
            case events.ReplayMoved():
                self._progress.bar(event)
            case events.Waited():
                self._progress.show(event)
            case events.ClimbStarted():
                self._climb(event)
            case events.RungClimbed():
                self._climbed(event)
            case events.Ticked():
                self._progress.tick()
            case events.TargetChecked(result=result) | events.TargetSent(result=result):
                self._take(result)
            case events.CheckFinished(results=results) | events.SendFinished(results=results):
                self._write_rest(results)
            case events.RunCounted():
                self._progress.clear()
                if len(self._results.targets) > 1 and not self._results.cleaned:
                    self._sheet.blank()
                send_page.write_counted(self._sheet, event)
            case events.RunCleaned():
                self._progress.clear()
                send_page.write_cleaned(self._sheet, event)
            case events.Accepted():
                pass

    def finish(self) -> None:
        """Write the verdict."""
        self._progress.clear()
        if self._quiet and self._all_good():
            return
        results = self._results
        if results.check is not None:
            check_page.write_end(self._sheet, results.targets, results.check)
        if results.send is not None or results.cleaned:
            send_page.write_end(self._sheet, results)
        self._sheet.flush()

    def _all_good(self) -> bool:
        results, sent = self._results, self._results.send
        complete = not results.interrupted and all(run.complete for run in results.cleaned)
        read = not isinstance(sent, events.ReplayFinished) or not (
            sent.broken or sent.source.skipped or sent.source.warnings
        )
        done = bool(results.check or sent or results.cleaned)
        return done and complete and read and all(map(_good, results.results))

    def _begin(self, verb: str) -> None:
        targets = self._results.targets
        self._waiting = list(targets)
        self._progress.say(f"{verb} {targets[0] if len(targets) == 1 else many(len(targets), 'target')}")

    def _climb(self, event: events.ClimbStarted) -> None:
        self._progress.climb(event.target)
        if self._sheet.live and not self._quiet and event.final and len(self._results.targets) == 1:
            self._progress.clear()
            self._ladder = check_page.Ladder(self._sheet)
            self._ladder.begin(event.target, event.exporter, event.endpoint)

    def _climbed(self, event: events.RungClimbed) -> None:
        if self._ladder is not None:
            self._progress.clear()
            self._ladder.add(event.finding)
        self._progress.climbed(event.target, event.finding.rung)

    def _take(self, result: Result) -> None:
        self._done[result.target] = result
        while self._waiting and self._waiting[0] in self._done:
            self._write(self._done[self._waiting.pop(0)])

    def _write_rest(self, results: tuple[events.CheckResult, ...] | tuple[events.SendResult, ...]) -> None:
        """Write blocks that are complete although an earlier target is not: after an interrupt."""
        known = {result.target: result for result in results}
        for target in self._waiting:
            if target in known:
                self._write(known[target])
        self._waiting = []

    def _write(self, result: Result) -> None:
        self._progress.clear()
        if self._quiet and _good(result):
            return
        if isinstance(result, events.CheckResult) and self._ladder is not None:
            self._ladder.end(result)
        elif isinstance(result, events.CheckResult):
            check_page.write_block(self._sheet, result, alone=len(self._results.targets) == 1)
        else:
            send_page.write_block(self._sheet, result, alone=len(self._results.targets) == 1)


def _good(result: Result) -> bool:
    return status_of(result.outcome) is Status.PASS


def sheet_for(stream: TextIO, environment: Mapping[str, str]) -> Sheet:
    """Return the sheet for a stream: styled and wrapped on a terminal, plain and unwrapped elsewhere."""
    if not is_terminal(stream, environment):
        return Sheet(stream)
    from rich.cells import cell_len

    return Sheet(stream, width=columns(stream, environment), paint=_paint(stream, environment), cells=cell_len)


def progress_for(stream: TextIO, environment: Mapping[str, str]) -> Progress:
    """Return the progress line of a stream; on anything but a terminal it writes nothing."""
    return Progress(stream, columns(stream, environment)) if is_terminal(stream, environment) else Progress(None)


def _paint(stream: TextIO, environment: Mapping[str, str]) -> Paint:
    """Apply a style with the terminal's capabilities; NO_COLOR removes colours and keeps bold and dim."""
    from rich.color import ColorSystem
    from rich.console import COLOR_SYSTEMS, Console
    from rich.style import Style

    console = Console(file=stream, force_terminal=True, _environ=dict(environment))
    system: ColorSystem | None = COLOR_SYSTEMS.get(console.color_system or "")
    plain = bool(environment.get("NO_COLOR"))
    if system is None:
        return lambda text, style: text
    styles: dict[str, Style] = {}

    def paint(text: str, style: str) -> str:
        if style not in styles:
            parsed = Style.parse(style)
            styles[style] = parsed.without_color if plain else parsed
        return styles[style].render(text, color_system=system)

    return paint
