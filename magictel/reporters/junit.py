"""JUnit XML for Jenkins and GitLab: a suite per target; a case per rung, or for accepted and verified."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from magictel.errors import MagictelError
from magictel.model.finding import Rung, Status
from magictel.reporters.results import ClosingReporter, Results
from magictel.reporters.testcases import ASKED, ReportCase, report_cases

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 §2.2 excludes."""


_RUNGS = frozenset(rung.value for rung in Rung)


class JunitReporter(ClosingReporter):
    """A reporter that writes a document at the end. A warning passes and is shown in the case's `system-out`."""

    def text(self, results: Results) -> str:
        """Return the document; without results it contains no suite."""
        seconds = {result.target: result.seconds for result in results.results}
        suites: dict[str, list[ReportCase]] = {}
        for case in report_cases(results):
            if results.send and case.name in _RUNGS:
                continue  # a rung that failed before a send is the reason in `accepted`
            suites.setdefault(case.target, []).append(case)
        elements = [_suite(target, seconds.get(target, 0.0), map(_case, cases)) for target, cases in suites.items()]
        return self._document(elements, results.seconds)

    def failure(self, failure: MagictelError) -> str:
        """Return a suite with an error for a failure of the whole command."""
        case = ReportCase("magictel", "", "run", Status.FAIL, failure.message, failure.code, failure.remedy)
        return self._document([_suite("magictel", 0.0, [_case(case, "error")])], 0.0)

    def _document(self, suites: Iterable[ET.Element], seconds: float) -> str:
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
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(name: str, seconds: float, cases: Iterable[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(name), time=f"{seconds:.3f}")
    suite.extend(cases)
    suite.set("tests", str(len(suite)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _case(case: ReportCase, failure: str = "failure") -> ET.Element:
    classname = f"{case.target}.{case.exporter}" if case.exporter else case.target
    seconds = f"{case.seconds or 0.0:.3f}"
    element = ET.Element("testcase", classname=_text(classname), name=_text(case.name), time=seconds)
    fix = [f"fix: {case.remedy}"] if case.remedy else []
    more = [f"more: magictel explain {case.code}"] if case.code and case.name != ASKED else []
    if case.status is Status.FAIL:
        tag = "error" if case.name == ASKED else failure
        attributes = {"message": _text(case.message)} | ({"type": _text(case.code)} if case.code else {})
        ET.SubElement(element, tag, attributes).text = "\n".join(map(_text, (*case.details, *fix, *more))) or None
    elif case.status in (Status.BLOCKED, Status.SKIPPED):
        ET.SubElement(element, "skipped", message=_text(f"{case.code}: {case.message}" if case.code else case.message))
    else:
        warning = f"warning: {case.code}: " if case.status is Status.WARN else ""
        notes = [f"{warning}{case.message}", *case.details, *(fix + more if warning else [])]
        ET.SubElement(element, "system-out").text = "\n".join(map(_text, notes))
    return element


def _text(text: str) -> str:
    """Return the text with characters that XML excludes as escapes."""
    return _FORBIDDEN.sub(
        lambda match: f"\\x{ord(match[0]):02x}" if ord(match[0]) < 256 else f"\\u{ord(match[0]):04x}", text
    )
