"""What a run of the suite is written as: the document of `--format json`, and JUnit XML."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from magictel.conformance.law import Level
from magictel.conformance.runner import Result, Verdict

SCHEMA = "magictel.conformance/1"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def outcome(results: Sequence[Result]) -> str:
    """`fail` where a law that must hold is broken, `warn` where one that should is, else `pass`."""
    if any(one.failed for one in results):
        return "fail"
    return "warn" if any(one.verdict is Verdict.BROKEN for one in results) else "pass"


def document(exporter: str, seed: int, results: Sequence[Result]) -> dict[str, Any]:
    """The whole run; `message` and `reproduce` are null where a law held."""
    return {
        "schema": SCHEMA,
        "outcome": outcome(results),
        "exporter": exporter,
        "seed": seed,
        "counts": {verdict.value: sum(one.verdict is verdict for one in results) for verdict in Verdict},
        "laws": [
            {
                "law": one.law.id,
                "sentence": one.law.sentence,
                "level": one.law.level.value,
                "outcome": one.verdict.value,
                "message": one.message,
                "reproduce": one.reproduce if one.verdict is Verdict.BROKEN else None,
                "seconds": round(one.seconds, 3),
            }
            for one in results
        ],
    }


def junit(exporter: str, results: Sequence[Result]) -> str:
    """One suite, a case for each law; a law that only should hold passes, and its `system-out` says that it did not."""
    name = _text(f"conformance.{exporter}")
    suite = ET.Element("testsuite", name=name, time=f"{sum(one.seconds for one in results):.3f}")
    for one in results:
        case = ET.SubElement(suite, "testcase", classname=name, name=one.law.id, time=f"{one.seconds:.3f}")
        told = f"{one.law.sentence}\n{one.message}\nagain: {one.reproduce}"
        if one.failed:
            ET.SubElement(case, "failure", message=_text(one.message or ""), type=one.law.level.value).text = _text(
                told
            )
        elif one.verdict is Verdict.BROKEN:
            ET.SubElement(case, "system-out").text = _text(f"warning: {told}")
        elif one.verdict is Verdict.SKIPPED:
            ET.SubElement(case, "skipped", message=_text(one.message or ""))
    totals = {
        "tests": len(results),
        "failures": sum(one.failed for one in results),
        "errors": 0,
        "skipped": sum(one.verdict is Verdict.SKIPPED for one in results),
    }
    root = ET.Element("testsuites", name="magictel", time=suite.get("time", "0"))
    for attribute, count in totals.items():
        suite.set(attribute, str(count))
        if attribute != "skipped":  # the schema has it on suites alone
            root.set(attribute, str(count))
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def lines(exporter: str, results: Sequence[Result], *, all_: bool = False) -> list[str]:
    """For people: what is broken with the command that shows it again, what was skipped, and the verdict last."""
    told = []
    for one in results:
        match one.verdict:
            case Verdict.BROKEN:
                sign = "×" if one.law.level is Level.MUST else "‼"
                told += [f"  {sign} {one.law.id:<26} {one.message}", f"      {one.law.level}: {one.law.sentence}"]
                told += [f"      again:  {one.reproduce}"]
            case Verdict.SKIPPED if all_:
                told.append(f"  · {one.law.id:<26} {one.message}")
            case Verdict.HELD if all_:
                told.append(f"  √ {one.law.id:<26} {one.law.sentence}")
            case _:
                pass
    skipped: dict[str, int] = {}
    for one in results:
        if one.verdict is Verdict.SKIPPED and one.message:
            skipped[one.message] = skipped.get(one.message, 0) + 1
    if not all_:
        told += [f"  · {_laws(count)} skipped: {exporter} {why}" for why, count in skipped.items()]
    held = sum(one.verdict is Verdict.HELD for one in results)
    broken = sum(one.verdict is Verdict.BROKEN for one in results)
    verdict = (
        f"breaks {broken} of {_laws(held + broken)}" if broken else f"holds {'all ' if held > 1 else ''}{_laws(held)}"
    )
    told.append(f"{exporter} {verdict}   {sum(one.seconds for one in results):.1f} s")
    return told


def _laws(count: int) -> str:
    return f"{count} law" if count == 1 else f"{count} laws"


def _text(text: str) -> str:
    return _FORBIDDEN.sub("�", text)
