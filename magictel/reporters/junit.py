"""JUnit XML for Jenkins and GitLab: a suite per target; a case per rung, or for accepted and verified."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import TextIO

from magictel.errors import MagictelError
from magictel.model.events import CheckResult, Event, SendOutcome, SendResult
from magictel.model.finding import Finding, Status
from magictel.reporters.evidence import lines
from magictel.reporters.humanize import many
from magictel.reporters.remedies import known
from magictel.reporters.results import Results
from magictel.reporters.run_info import RunInfo
from magictel.reporters.testcases import ReportCase, cleaned_case, reason_text, source_cases

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 §2.2 excludes."""

_NOT_DELIVERED = (SendOutcome.UNDELIVERED, SendOutcome.REJECTED)
_NOT_VERIFIED = (SendOutcome.LOST, SendOutcome.ALTERED, SendOutcome.DUPLICATED)


class JUnitReporter:
    """A reporter that writes a document at the end. A warning passes and is shown in the case's `system-out`."""

    info: RunInfo | None = None
    """Facts about the run itself, or None."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._results = Results()

    def on(self, event: Event) -> None:
        """Take an event."""
        self._results.on(event)

    def fail(self, failure: MagictelError) -> None:
        """Write a suite with an error for a failure of the whole command."""
        case = _case("magictel", "run", None)
        _verdict(case, "error", failure.code, failure.message, [failure.remedy] if failure.remedy else [])
        self._write([_suite("magictel", 0.0, [case])], 0.0)

    def finish(self) -> None:
        """Write the document; without results it contains no suite."""
        results = self._results
        suites = [_suite(case.target, 0.0, [_case_element(case)]) for case in source_cases(results)]
        suites += [_checked(result) for result in (results.check.results if results.check else ())]
        cleaned = {run.target: _case_element(cleaned_case(run)) for run in results.cleaned}
        for sent in results.send.results if results.send else ():
            suites.append(_sent(sent))
            if sent.target in cleaned:
                _add(suites[-1], cleaned.pop(sent.target))
        suites += [_suite(target, 0.0, [case]) for target, case in cleaned.items()]
        suites += [_never_asked(target) for target in results.left]
        self._write(suites, results.seconds)

    def _write(self, suites: Iterable[ET.Element], seconds: float) -> None:
        root = ET.Element("testsuites", name="magictel", time=f"{seconds:.3f}")
        root.extend(suites)
        if self.info is not None:
            for suite in root:
                suite.set("timestamp", f"{self.info.started:%Y-%m-%dT%H:%M:%S}")
                suite.set("hostname", self.info.host)
                properties = ET.Element("properties")
                ET.SubElement(properties, "property", name="magictel.version", value=self.info.version)
                suite.insert(0, properties)
        for name in ("tests", "failures", "errors"):  # the schema does not allow `skipped` here
            root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
        ET.indent(root)
        self._stream.write('<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n")
        self._stream.flush()


def _case_element(case: ReportCase) -> ET.Element:
    """Return the case of a replay's source or of a clean-up."""
    element = _case(case.target, case.name, None)
    if case.status is Status.FAIL:
        _verdict(element, "failure", case.code, case.message, case.details)
    else:
        _output(element, [case.message, *case.details])
    return element


def _checked(result: CheckResult) -> ET.Element:
    return _suite(result.target, result.seconds, [_rung(result, finding) for finding in result.rungs])


def _rung(result: CheckResult, finding: Finding) -> ET.Element:
    case = _case(f"{result.target}.{result.exporter}", finding.rung.value, finding.seconds)
    match finding.outcome:
        case Status.FAIL:
            _verdict(case, "failure", finding.code, finding.message, _details(finding))
        case Status.BLOCKED | Status.SKIPPED:
            _verdict(case, "skipped", None, finding.message)
        case Status.WARN:
            _output(case, [f"warning: {finding.code}: {finding.message}", *_details(finding)])
        case Status.PASS:
            _output(case, [finding.message])
    return case


def _sent(result: SendResult) -> ET.Element:
    name = f"{result.target}.{result.exporter}"
    accepted, verified = _case(name, "accepted", result.receipt.seconds), _case(name, "verified", _visible(result))
    lines = [reason_text(reason) for reason in result.receipt.reasons]
    remedy = result.remedy or (known(result.code) if result.outcome in _NOT_DELIVERED else None)
    lines += [f"fix: {remedy}"] if remedy else []
    seen = result.verification
    if result.outcome in _NOT_DELIVERED:
        _verdict(accepted, "failure", result.code, result.message or result.outcome.value, lines)
    else:
        _output(accepted, [f"{result.receipt.delivered} of {result.receipt.sent} points accepted", *lines])
    if seen is None:
        _verdict(
            verified,
            "skipped",
            None,
            "nothing was accepted" if result.outcome in _NOT_DELIVERED else "not read back",
        )
    elif result.outcome in _NOT_VERIFIED or seen.missing or seen.altered or seen.duplicated:
        if seen.code and not seen.found:
            _verdict(verified, "skipped", None, f"{seen.code}: {seen.message}")
        else:
            counts = f"missing {seen.missing}, altered {seen.altered}, duplicated {seen.duplicated} of {seen.expected} points"
            details = [
                f"{difference.point}: {difference.field}: sent {difference.sent!r}, seen {difference.seen!r}"
                for difference in seen.differences
                if difference.declared is None
            ]
            _verdict(verified, "failure", result.code, counts, [*details, *seen.missing_points])
    elif result.outcome is SendOutcome.UNVERIFIED:
        _verdict(verified, "skipped", None, f"{result.code}: {result.message}")
    else:
        repeats = f", {many(seen.repeats, 'repeat')}" if seen.repeats else ""
        _output(verified, [f"{seen.found} of {seen.expected} points found, equal{repeats}"])
    return _suite(result.target, result.seconds, [accepted, verified])


def _never_asked(target: str) -> ET.Element:
    case = _case(target, "asked", None)
    _verdict(case, "error", "interrupted", "the run was interrupted before this target was done")
    return _suite(target, 0.0, [case])


def _visible(result: SendResult) -> float | None:
    return result.verification.time_to_visible if result.verification is not None else None


def _suite(name: str, seconds: float, cases: Iterable[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(name), time=f"{seconds:.3f}")
    return _add(suite, *cases)


def _add(suite: ET.Element, *cases: ET.Element) -> ET.Element:
    suite.extend(cases)
    suite.set("tests", str(len(suite)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _case(classname: str, name: str, seconds: float | None) -> ET.Element:
    return ET.Element("testcase", classname=_text(classname), name=_text(name), time=f"{seconds or 0.0:.3f}")


def _verdict(case: ET.Element, tag: str, kind: str | None, message: str, details: Iterable[str] = ()) -> None:
    attributes = {"message": _text(message)} | ({"type": _text(kind)} if kind else {})
    body = "\n".join(map(_text, details))
    ET.SubElement(case, tag, attributes).text = body or None


def _output(case: ET.Element, lines: Iterable[str]) -> None:
    ET.SubElement(case, "system-out").text = "\n".join(map(_text, lines))


def _details(finding: Finding) -> list[str]:
    remedy = [f"fix: {finding.remedy}"] if finding.remedy else []
    more = [f"more: magictel explain {finding.code}"] if finding.code else []
    return [*lines(finding), *remedy, *more]


def _text(text: str) -> str:
    """Return the text with characters that XML excludes as escapes."""
    return _FORBIDDEN.sub(
        lambda match: f"\\x{ord(match[0]):02x}" if ord(match[0]) < 256 else f"\\u{ord(match[0]):04x}", text
    )
