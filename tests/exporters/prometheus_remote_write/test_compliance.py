"""Requests of 2.0 pass what the sender suite of prometheus/compliance looks at in every request: its pages, sent by us.

Its cases about a receiver's replies are in `test_downgrade` and `test_verdicts`; `tests/real` sends to real servers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.sources.batching import Gathering
from magictel.sources.recording import Recordings
from tests.exporters.prometheus_remote_write.test_version_2 import exporter, requests, series

CASES = Path(__file__).parents[4] / "shared/data/prometheus-compliance/sender_cases.json"
OTHER_CASES = Path("/work/shared/data/prometheus-compliance/sender_cases.json")
_NAME = re.compile("[a-zA-Z_:][a-zA-Z0-9_:]*")
_TYPES = {"counter": 1, "gauge": 2, "histogram": 3, "summary": 5}


@pytest.fixture(scope="module")
def sender() -> Iterator[PrometheusRemoteWriteExporter]:
    sender = exporter()
    yield sender
    sender.shutdown(0)


def cases() -> list[Any]:
    path = CASES if CASES.exists() else OTHER_CASES
    return [case for case in json.loads(path.read_text()) if case["scrape"]] if path.exists() else []


def sent(sender: PrometheusRemoteWriteExporter, page: str, folder: Path) -> list[tuple[dict[str, str], Any, Any]]:
    """Return labels, series and request of all that a page becomes."""
    path = folder / "page.prom"
    exemplars = " # {" in page  # which only OpenMetrics has
    path.write_text(page.rstrip("\n") + "\n# EOF\n" if exemplars else page)
    with Recordings((str(path),), True, 10**18) as recordings:
        slices = list(Gathering().slices(recordings.batches()))
    return [
        (named, row, message)
        for piece in slices
        for message in requests(sender, piece.data)
        for named, row in series(message)
    ]


def test_every_page_of_the_suite_is_a_valid_request(sender: PrometheusRemoteWriteExporter, tmp_path: Path) -> None:
    known = cases()
    if not known:
        pytest.skip(f"the suite's cases are not here: {CASES}")
    assert len(known) >= 140
    seen = 0
    for case in known:
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", case["scrape"], re.MULTILINE))
        helps = dict(re.findall(r"^# HELP (\S+) (.*)", case["scrape"], re.MULTILINE))
        for named, row, message in sent(sender, case["scrape"], tmp_path):
            seen += 1
            name = named["__name__"]
            assert _NAME.fullmatch(name), case["name"]
            assert all(_NAME.fullmatch(label) and ":" not in label for label in named), case["name"]
            assert bool(row.samples) is not bool(row.histograms), case["name"]
            family = next(
                (each for each in (name, re.sub("_(bucket|sum|count|total)$", "", name)) if each in kinds), None
            )
            if family is not None and kinds[family] in _TYPES:
                assert row.metadata.type == _TYPES[kinds[family]], case["name"]
            if family in helps and "\\" not in helps[family] and case["scrape"].count("# HELP") == len(helps):
                assert message.symbols[row.metadata.help_ref] == helps[family], case["name"]
            for sample in row.samples:
                assert 0 <= sample.start_timestamp <= sample.timestamp, case["name"]
    assert seen > 250


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123.45", 123.45),
        ("+Inf", float("inf")),
        ("-Inf", float("-inf")),
        ("1.7976931348623157e+308", 1.7976931348623157e308),
        ("2.2250738585072014e-308", 2.2250738585072014e-308),
        ("0.123456789012345", 0.123456789012345),
        ("0", 0.0),
        ("-15.5", -15.5),
    ],
)
def test_a_value_of_a_page_is_sent_as_it_is(
    sender: PrometheusRemoteWriteExporter, tmp_path: Path, text: str, value: float
) -> None:
    ((named, row, _),) = sent(sender, f"test_metric {text}\n", tmp_path)
    assert (named["__name__"], row.samples[0].value) == ("test_metric", value)
