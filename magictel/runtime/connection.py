"""The connection test at the start: the ladder of `magictel check` for each target, in threads, with one line in the log of each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from magictel.clock import Clock
from magictel.errors import MagictelError
from magictel.model.events import CheckOutcome, CheckResult
from magictel.model.finding import Finding, Rung, Status
from magictel.operations.check import check_target
from magictel.operations.target_run import Job
from magictel.plugin.foreign import ForeignExporter
from magictel.plugin.page_exporter import PageExporter
from magictel.runtime.counting import CountingExporter
from magictel.runtime.forks import before_fork
from magictel.runtime.targets import RunningTarget

_IMPORTS = 1.0
"""Seconds in which a test has imported what it needs: a child that is forked meanwhile could never import it."""


class StartError(MagictelError):
    """A target with `start_check = "required"` is unusable, or its connection test failed."""


class ConnectionTests:
    """The tests of an application's targets. `stop` silences those that are still running."""

    def __init__(self, targets: Sequence[RunningTarget], interval: float, clock: Clock) -> None:
        self.results: dict[str, CheckResult] = {}
        """By target, as the tests end."""
        self._targets = targets
        self._interval = interval
        self._clock = clock
        self._imported_by = 0.0
        self._stopped = threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    def start(self) -> None:
        """Begin all tests, and wait for those that `start_check` wants before the start. Raise `StartError`."""
        self._imported_by = self._clock.monotonic() + _IMPORTS
        for target in self._targets:
            if target.job is not None:
                thread = threading.Thread(
                    target=self._test, args=(target, target.job), name="magictel-start-check", daemon=True
                )
                self._threads[target.name] = thread
                thread.start()
        before_fork(self._wait_for_imports)
        for target in self._targets:
            if target.start_check != "background" and target.name in self._threads:
                self._threads[target.name].join()
            if target.start_check == "required":
                self._require(target)

    def stop(self) -> None:
        """Log nothing more: the application ends."""
        self._stopped.set()

    def _wait_for_imports(self) -> None:
        for thread in self._threads.values():
            thread.join(max(0.0, self._imported_by - self._clock.monotonic()))

    def _test(self, target: RunningTarget, job: Job) -> None:
        exporter = target.exporter
        if isinstance(exporter, PageExporter):
            result = _page(target.name, exporter)
        elif isinstance(exporter, ForeignExporter):  # how it connects is not known
            result = CheckResult(target.name, exporter.name, CheckOutcome.UNVERIFIED, exporter.endpoint(), ())
        else:
            result = check_target(job)
        self.results[target.name] = result
        if not self._stopped.is_set():
            level, sentence = _sentence(result)
            every = "" if isinstance(exporter, PageExporter) else f" every {self._interval:g} s"
            verb = "serves" if isinstance(exporter, PageExporter) else "sends to"
            logging.getLogger(f"magictel.{target.name}").log(
                level, "%s %s%s: %s", verb, result.endpoint, every, sentence
            )

    def _require(self, target: RunningTarget) -> None:
        result = self.results.get(target.name)
        if isinstance(target.exporter, CountingExporter):
            why = target.exporter.unusable
            raise StartError(why.code, f"{target.name}: {why.message}", why.remedy, why.origin)
        failed = None if result is None else _first(result, Status.FAIL)
        if failed is not None:
            message = f"{target.name} failed at {failed.rung}: {failed.message}"
            raise StartError(failed.code or "internal.probe", message, failed.remedy)


def _page(name: str, page: PageExporter[Any]) -> CheckResult:
    """Return whether the page is served, without a scrape, which its ledger would count."""
    port = page.port
    if port is not None:
        return CheckResult(name, page.name, CheckOutcome.PASS, page.settings.served_at(port), ())
    message = f"no port of {page.settings.host} could be used: the lines before this one say why"
    finding = Finding.failed(Rung.TCP, "page.cannot-listen", message)
    return CheckResult(name, page.name, CheckOutcome.FAIL, page.endpoint(), (finding,))


def _first(result: CheckResult, status: Status) -> Finding | None:
    return next((finding for finding in result.rungs if finding.outcome is status), None)


def _sentence(result: CheckResult) -> tuple[int, str]:
    """Return the level and the sentence for the log."""
    failed, warned = _first(result, Status.FAIL), _first(result, Status.WARN)
    finding = failed or warned
    if finding is None:
        proven = result.outcome is CheckOutcome.PASS
        return logging.INFO, "connection OK" if proven else "whether it accepts data shows with the first export"
    fix = f"; fix: {finding.remedy}" if finding.remedy else ""
    why = f"{' '.join(finding.message.split())} ({finding.code}){fix}"
    begins = f"connection FAILED at {finding.rung}" if failed else "connection OK, with a warning"
    return logging.WARNING, f"{begins}: {why}"
