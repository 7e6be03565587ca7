"""The checker of JUnit XML: junit.xsd beside this file, applied by the package xmlschema, and the sums that no schema can hold."""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET
from pathlib import Path

import xmlschema


@functools.cache
def _schema() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(Path(__file__).with_name("junit.xsd"))


def judged(document: str | bytes | Path) -> ET.Element:
    """The document's root, if it is one that CI systems read; else an AssertionError that says where and why it is not."""
    raw = document.read_bytes() if isinstance(document, Path) else document
    if isinstance(raw, str):
        raw = raw.encode()
    assert raw.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n'), raw[:80]
    try:
        root = ET.fromstring(raw)  # whoever reads it takes bytes, and believes the declaration
    except ET.ParseError as broken:
        raise AssertionError(f"no XML: {broken}") from broken
    wrong = [f"{error.path}: {error.reason}" for error in _schema().iter_errors(root)]
    assert not wrong, "\n".join(wrong)
    for suite in root:
        _same(suite, "tests", len(suite.findall("testcase")))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            _same(suite, attribute, len(suite.findall(f"testcase/{tag}")))
        for case in suite.iter("testcase"):
            assert len(case) <= 1, f"{case.get('name')}: more than one ending"
    for attribute in ("tests", "failures", "errors"):
        _same(root, attribute, sum(int(suite.attrib[attribute]) for suite in root))
    return root


def _same(element: ET.Element, attribute: str, count: int) -> None:
    value = element.get(attribute)
    assert value == str(count), f"{element.tag} {element.get('name')!r}: {attribute} is {value}, not {count}"
