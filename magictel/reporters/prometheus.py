"""Metrics for node_exporter's textfile collector in the Prometheus text format 0.0.4.

Every family is a gauge with the prefix magictel_: a file describes one run, and its age is `node_textfile_mtime_seconds`.
"""

from __future__ import annotations

from collections.abc import Iterator

from magictel.errors import MagictelError
from magictel.model.events import CheckOutcome, CheckResult, ReplayFinished, SendOutcome, SendResult, SourceReport
from magictel.model.finding import Rung, Status
from magictel.model.outcome import Fate
from magictel.reporters.results import ClosingReporter, Result, Results
from magictel.reporters.testcases import ReportCase, source_cases, target_cases

_HELP = {
    "magictel_run_complete": "Whether the run finished (1) or was interrupted (0).",
    "magictel_run_info": "Version of magictel that wrote the file, and its host; always 1.",
    "magictel_run_start_timestamp_seconds": "Start time of the run in seconds since the epoch.",
    "magictel_run_error_info": "Reason why a run has no result; always 1.",
    "magictel_target_holds": "Whether a target passed; 0 also if the sent points could not be verified.",
    "magictel_target_duration_seconds": "Wall time spent on a target.",
    "magictel_problem_info": "A rung or step of a target that fails, warns or cannot be verified, with its code; always 1.",
    "magictel_check_rung_holds": "Whether a rung of the ladder passed; skipped rungs are absent.",
    "magictel_check_rung_duration_seconds": "Wall time of a rung.",
    "magictel_check_certificate_left_seconds": "Time until the certificate of a target's endpoint expires.",
    "magictel_send_points": "Points of the sample by fate; they add up to the sent points.",
    "magictel_send_attempts": "Requests of the delivery.",
    "magictel_send_body_bytes": "Size of the request bodies as sent.",
    "magictel_send_delivery_duration_seconds": "Wall time of delivery.",
    "magictel_send_verified_points": "Accepted points by read-back result.",
    "magictel_recording_points": "Points read from the recordings.",
    "magictel_recording_skipped": "Points or lines of the recordings that were not sent, by reason.",
    "magictel_send_visible_duration_seconds": "Time from the accepting reply until the last point was visible.",
}
_DAY = 86_400
Sample = tuple[dict[str, str], float]


class PrometheusReporter(ClosingReporter):
    """Families with HELP and TYPE; a family without samples is omitted.

    Files of several commands may be in the same directory, so every family has the label `command`.
    """

    def text(self, results: Results) -> str:
        """Return the families of a run."""
        families = _Families(self._command)
        families.add("magictel_run_complete", float(not results.interrupted))
        self._about(families)
        for result in results.results:
            _target(families, result)
        if isinstance(results.send, ReplayFinished):
            _source(families, results.send.source)
        _problems(families, source_cases(results))
        return families.text()

    def failure(self, failure: MagictelError) -> str:
        """Return the families of a run without results."""
        families = _Families(self._command)
        families.add("magictel_run_complete", 0.0)
        self._about(families)
        families.add("magictel_run_error_info", 1.0, code=failure.code)
        return families.text()

    def _about(self, families: _Families) -> None:
        if self.info is not None:
            families.add("magictel_run_info", 1.0, version=self.info.version, host=self.info.host)
            families.add("magictel_run_start_timestamp_seconds", self.info.started.timestamp())


class _Families:
    def __init__(self, command: str) -> None:
        self._command = command
        self._samples: dict[str, list[Sample]] = {name: [] for name in _HELP}
        self._seen: set[tuple[str, ...]] = set()

    def add(self, name: str, value: float, **labels: str) -> None:
        """Add a sample; ignore a second one with the same labels, which would make the file invalid."""
        key = (name, *(part for pair in sorted(labels.items()) for part in pair))
        if key not in self._seen:
            self._seen.add(key)
            self._samples[name].append(({"command": self._command, **labels}, value))

    def text(self) -> str:
        return "".join(line for name, samples in self._samples.items() if samples for line in _family(name, samples))


def _family(name: str, samples: list[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        labels_text = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{labels_text}}} {value:.10g}\n"


def _target(families: _Families, result: Result) -> None:
    labels = {"target": result.target, "exporter": result.exporter}
    proved = result.outcome in (CheckOutcome.PASS, CheckOutcome.WARN, SendOutcome.VERIFIED, SendOutcome.ACCEPTED)
    families.add("magictel_target_holds", float(proved), **labels)
    families.add("magictel_target_duration_seconds", result.seconds, **labels)
    if isinstance(result, CheckResult):
        _rungs(families, result, labels)
    else:
        _points(families, result, labels)
    _problems(families, target_cases(result))


def _rungs(families: _Families, result: CheckResult, labels: dict[str, str]) -> None:
    for finding in result.rungs:
        if finding.outcome not in (Status.PASS, Status.WARN, Status.FAIL):
            continue
        rung = {**labels, "rung": finding.rung.value}
        families.add("magictel_check_rung_holds", float(finding.outcome is not Status.FAIL), **rung)
        if finding.seconds is not None:
            families.add("magictel_check_rung_duration_seconds", finding.seconds, **rung)
        days = finding.evidence.get("days_left")
        if finding.rung is Rung.TLS and isinstance(days, int | float):
            families.add("magictel_check_certificate_left_seconds", days * _DAY, **labels)


def _points(families: _Families, result: SendResult, labels: dict[str, str]) -> None:
    receipt, seen = result.receipt, result.verification
    for fate in Fate:
        families.add("magictel_send_points", getattr(receipt, fate.value), **labels, fate=fate.value)
    families.add("magictel_send_attempts", receipt.attempts, **labels)
    families.add("magictel_send_body_bytes", receipt.bytes, **labels)
    families.add("magictel_send_delivery_duration_seconds", receipt.seconds, **labels)
    if seen is not None:
        for state in ("expected", "found", "missing", "altered", "duplicated", "unverified", "repeats"):
            families.add("magictel_send_verified_points", getattr(seen, state), **labels, state=state)
        if seen.time_to_visible is not None:
            families.add("magictel_send_visible_duration_seconds", seen.time_to_visible, **labels)


def _source(families: _Families, source: SourceReport) -> None:
    families.add("magictel_recording_points", source.points)
    for code, unit in dict.fromkeys((reason.code, reason.unit) for reason in source.reasons):
        counts = [reason.count for reason in source.reasons if (reason.code, reason.unit) == (code, unit)]
        families.add("magictel_recording_skipped", sum(counts), reason=code, unit=unit)


def _problems(families: _Families, cases: list[ReportCase]) -> None:
    for case in cases:
        if case.code and case.status in (Status.FAIL, Status.WARN, Status.SKIPPED):
            outcome = {Status.FAIL: "fail", Status.WARN: "warn"}.get(case.status, "unverified")
            labels = {"target": case.target, "exporter": case.exporter, "step": case.name, "code": case.code}
            families.add("magictel_problem_info", 1.0, **labels, outcome=outcome)


def _escaped(text: str) -> str:
    """Escape backslash, quote and line end in a label's value."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
