"""Reports of a run of the suite: the document of `--format json`, JUnit XML, and text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from magictel.conformance.law import Level
from magictel.conformance.runner import LawVerdict, Result

SCHEMA = "magictel.conformance/1"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def outcome(results: Sequence[Result]) -> str:
    """Return `fail` if a MUST law is broken, `warn` if a SHOULD law is, otherwise `pass`."""
    if any(result.failed for result in results):
        return "fail"
    return "warn" if any(result.verdict is LawVerdict.BROKEN for result in results) else "pass"


def document(exporter: str, seed: int, results: Sequence[Result]) -> dict[str, Any]:
    """Return the document of the run; `message` and `reproduce` are null for a passed law."""
    return {
        "schema": SCHEMA,
        "outcome": outcome(results),
        "exporter": exporter,
        "seed": seed,
        "counts": {verdict.value: sum(result.verdict is verdict for result in results) for verdict in LawVerdict},
        "laws": [
            {
                "law": result.law.id,
                "sentence": result.law.sentence,
                "level": result.law.level.value,
                "outcome": result.verdict.value,
                "message": result.message,
                "reproduce": result.reproduce if result.verdict is LawVerdict.BROKEN else None,
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
    }


def junit(exporter: str, results: Sequence[Result]) -> str:
    """Return a suite with a case for each law; a broken SHOULD law passes with a note in `system-out`."""
    name = _text(f"conformance.{exporter}")
    suite = ET.Element("testsuite", name=name, time=f"{sum(result.seconds for result in results):.3f}")
    for result in results:
        case = ET.SubElement(suite, "testcase", classname=name, name=result.law.id, time=f"{result.seconds:.3f}")
        text = f"{result.law.sentence}\n{result.message}\nagain: {result.reproduce}"
        if result.failed:
            ET.SubElement(
                case, "failure", message=_text(result.message or ""), type=result.law.level.value
            ).text = _text(text)
        elif result.verdict is LawVerdict.BROKEN:
            ET.SubElement(case, "system-out").text = _text(f"warning: {text}")
        elif result.verdict is LawVerdict.SKIPPED:
            ET.SubElement(case, "skipped", message=_text(result.message or ""))
    totals = {
        "tests": len(results),
        "failures": sum(result.failed for result in results),
        "errors": 0,
        "skipped": sum(result.verdict is LawVerdict.SKIPPED for result in results),
    }
    root = ET.Element("testsuites", name="magictel", time=suite.get("time", "0"))
    for attribute, count in totals.items():
        suite.set(attribute, str(count))
        if attribute != "skipped":  # the schema allows it only on suites
            root.set(attribute, str(count))
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def lines(exporter: str, results: Sequence[Result], *, all_: bool = False) -> list[str]:
    """Return the text report: broken laws with the command to reproduce them, skipped laws, and the verdict last."""
    lines = []
    for result in results:
        match result.verdict:
            case LawVerdict.BROKEN:
                sign = "×" if result.law.level is Level.MUST else "‼"
                lines += [
                    f"  {sign} {result.law.id:<26} {result.message}",
                    f"      {result.law.level}: {result.law.sentence}",
                ]
                lines += [f"      again:  {result.reproduce}"]
            case LawVerdict.SKIPPED if all_:
                lines.append(f"  · {result.law.id:<26} {result.message}")
            case LawVerdict.PASSED if all_:
                lines.append(f"  √ {result.law.id:<26} {result.law.sentence}")
            case _:
                pass
    skipped: dict[str, int] = {}
    for result in results:
        if result.verdict is LawVerdict.SKIPPED and result.message:
            skipped[result.message] = skipped.get(result.message, 0) + 1
    if not all_:
        lines += [f"  · {_laws(count)} skipped: {exporter} {why}" for why, count in skipped.items()]
    passed = sum(result.verdict is LawVerdict.PASSED for result in results)
    broken = sum(result.verdict is LawVerdict.BROKEN for result in results)
    verdict = (
        f"FAILED: {broken} of {_laws(passed + broken)} broken"
        if broken
        else f"OK: {'all ' if passed > 1 else ''}{_laws(passed)} passed"
    )
    lines.append(f"{exporter} {verdict}   {sum(result.seconds for result in results):.1f} s")
    return lines


def _laws(count: int) -> str:
    return f"{count} law" if count == 1 else f"{count} laws"


def _text(text: str) -> str:
    return _FORBIDDEN.sub("�", text)
