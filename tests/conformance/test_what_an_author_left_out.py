"""What the suite says where an author left something out: no emulator, or one that keeps time by a clock of its own."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from magictel.clock import Clock, SystemClock
from magictel.conformance import LAWS, Place, Subject, run
from magictel.conformance.law import Need, points
from magictel.conformance.report import lines
from magictel.conformance.runner import LawVerdict, Result
from magictel.conformance.stages import NOWHERE
from magictel.conformance.under_test import OWN_TIME, keeps_own_time, registered
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.exporters.elasticsearch.settings import ElasticsearchSettings
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.prometheus_remote_write import PrometheusRemoteWriteEmulator
from tests.conformance.acme import AcmeEmulator, AcmeExporter, AcmeSettings
from tests.conformance.bad import BAD
from tests.conformance.test_elsewhere import ran
from tests.foreign.fresh import ROOT

SEND_NOTHING = {
    law.id
    for law in LAWS
    if law.id.startswith(("describe.", "encode."))
    or law.id in ("bounds.batches", "bounds.templates", "input.redacted", "life.export-after-shutdown")
}


def search(place: Place) -> ElasticsearchExporter:
    settings: Any = {"url": (place.origin,), **place.settings}
    return ElasticsearchExporter(ElasticsearchSettings(**settings), clock=place.clock)


def acme(place: Place) -> AcmeExporter:
    settings: Any = {"url": place.origin, **place.settings}
    return AcmeExporter(AcmeSettings(**settings), clock=place.clock)


def ids(results: list[Result], verdict: LawVerdict) -> list[str]:
    return [result.law.id for result in results if result.verdict is verdict]


@pytest.mark.parametrize("exporter", [search, acme])
def test_without_an_emulator_what_sends_is_skipped_and_the_rest_is_tried(exporter: Any) -> None:
    results = list(run(Subject("mine", exporter), LAWS))
    assert ids(results, LawVerdict.BROKEN) == []
    assert set(ids(results, LawVerdict.PASSED)) == SEND_NOTHING
    messages = {result.law.id: result.message for result in results}
    assert (
        messages["read-back.lost"] == messages["life.export"] == "needs an emulator of the backend, but there is none"
    )
    assert all(
        result.message and result.message.startswith(("needs a", Need.PAGE.value))
        for result in results
        if result.verdict is LawVerdict.SKIPPED
    )


def test_without_an_emulator_nothing_is_sent_whatever_the_address() -> None:
    """A default of `localhost` must not reach what happens to listen there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def make_exporter(place: Place) -> AcmeExporter:
            assert place.origin == NOWHERE
            settings: Any = {**place.settings, "url": url}
            return AcmeExporter(AcmeSettings(**settings), clock=place.clock)

        assert ids(list(run(Subject("mine", make_exporter), LAWS)), LawVerdict.BROKEN) == []
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_an_installed_one_without_an_emulator_is_made_with_an_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Acme's address is required, and no variable of the reader's is used."""
    ours = EntryPoint("acme", "tests.conformance.acme:AcmeExporter", "magictel.exporters")
    monkeypatch.setattr(
        "magictel.registry.entry_points.entry_points", lambda group: [ours] if group == ours.group else []
    )
    results = list(run(registered("acme"), LAWS))
    assert ids(results, LawVerdict.BROKEN) == []
    assert set(ids(results, LawVerdict.PASSED)) == SEND_NOTHING


def test_a_clock_of_its_own_breaks_one_law_and_the_others_that_fall_with_it_are_skipped() -> None:
    results = list(run(Subject("mine", search, lambda clock: ElasticsearchEmulator()), LAWS))
    (broken,) = [result for result in results if result.verdict is LawVerdict.BROKEN]
    assert broken.message == OWN_TIME
    assert broken.failed
    skipped = [result.law.id for result in results if result.message and "uses the given clock" in result.message]
    assert {"read-back.true", "ledger.identity", "life.threads"} <= set(skipped)
    assert (
        ids(
            list(run(Subject("mine", search, lambda clock: ElasticsearchEmulator(clock=clock)), LAWS)),
            LawVerdict.BROKEN,
        )
        == []
    )


SUITE = """
import pytest
import magictel.conformance
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from tests.conformance.test_what_an_author_left_out import search


class TestMine(magictel.conformance.ExporterSuite):
    excused = {"partial.items": "an excuse does not cover the emulator"}

    @pytest.fixture
    def exporter(self):
        return search

    @pytest.fixture
    def emulator(self):
        return lambda clock: ElasticsearchEmulator()
"""


@pytest.mark.parametrize("asked", ["", "read-back"])
def test_under_pytest_too_it_is_one_failure_whichever_laws_are_asked_for(asked: str, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_mine.py").write_text(SUITE)
    done = ran(f"pytest -q -rN -p no:cacheprovider -k '{asked}'", tmp_path, PYTHONPATH=str(ROOT))
    assert re.search(r"^1 failed", done.stdout, re.M), done.stdout
    assert "xfailed" not in done.stdout
    assert done.stdout.count(OWN_TIME) == 1


@pytest.mark.parametrize(
    ("exporter", "flagged"),
    [
        (lambda clock: AcmeEmulator(clock), False),  # it keeps no time
        (lambda clock: ElasticsearchEmulator(clock=clock), False),
        (lambda clock: ElasticsearchEmulator(), True),  # two attributes deep
        (lambda clock: PrometheusRemoteWriteEmulator(clock=clock), False),
        (lambda clock: PrometheusRemoteWriteEmulator(), True),
    ],
)
def test_a_clock_of_its_own_is_seen(exporter: Any, flagged: bool) -> None:
    clock: Clock = SystemClock()
    assert keeps_own_time(exporter(clock), clock) is flagged


def test_run_is_the_function_whatever_was_loaded_before() -> None:
    output = subprocess.run(
        [sys.executable, "-c", "import magictel.conformance as c; c.ExporterSuite; print(callable(c.run))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stdout == "True\n"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_laws_are_counted_in_the_right_number(count: int) -> None:
    count_of_laws = {0: "0 laws", 1: "1 law", 2: "2 laws"}[count]
    bad = next(bad for bad in BAD if bad.law == "retry.throttled").exporter
    results = list(run(Subject("mine", acme, lambda clock: AcmeEmulator()), LAWS[:count]))
    assert lines("mine", results)[-1].startswith(f"mine OK: {'all ' if count > 1 else ''}{count_of_laws} passed   ")
    skipped = list(run(Subject("mine", acme), [law for law in LAWS if law.id.startswith("retry.")][:count]))
    assert lines("mine", skipped)[-1].startswith("mine OK: 0 laws passed   ")
    assert [line for line in lines("mine", skipped) if "skipped" in line] == (
        [f"  · {count_of_laws} skipped: mine needs a backend with scripted replies"] if count else []
    )
    if count:
        some = [law for law in LAWS if law.id in ("retry.throttled", "retry.refused")][:count]

        def make_exporter(place: Place) -> Any:
            settings: Any = {"url": place.origin, **place.settings}
            return bad(AcmeSettings(**settings), clock=place.clock)  # type: ignore[arg-type]

        broken = list(run(Subject("mine", make_exporter, lambda clock: AcmeEmulator()), some))
        assert lines("mine", broken)[-1].startswith(f"mine FAILED: 1 of {count_of_laws} broken   ")


def test_points_are_counted_in_the_right_number() -> None:
    assert [points(count, "is", "are") for count in (0, 1, 2)] == ["0 points are", "1 point is", "2 points are"]
    assert points(1) == "1 point"
