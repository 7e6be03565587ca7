"""The laws are held by every exporter of ours, and each is broken by one that was made to break it: the suite must see both."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

import magictel.conformance
from magictel.conformance import LAWS, Place, Subject, run
from magictel.conformance.io_faults import file_faults
from magictel.conformance.law import Need
from magictel.conformance.runner import LawVerdict, Result
from magictel.conformance.under_test import registered
from magictel.exporters.file import FileSettings
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.exporters.prometheus import PrometheusSettings
from magictel.plugin.any_exporter import AnyExporter
from magictel.registry import entry_points
from magictel.sandbox.table import make
from magictel.settings.load import resolve_settings
from tests.conformance.acme import AcmeEncoder, AcmeExporter, AcmeSettings, emulator
from tests.conformance.bad import BAD, Bad, FileExporter
from tests.conformance.bad_pages import Page
from tests.emulators.otlp_grpc import GrpcStage

IDS = [law.id for law in LAWS]
SERVED = ("elasticsearch", "opensearch", "otlp", "prometheus-remote-write")
NO_SYSTEM = {law: Need.SYSTEM.value for law in IDS if law.startswith("system.")}
NO_ITEMS = {law: Need.ITEMS.value for law in IDS if law.startswith("partial.")}
NO_PAGE = {law: Need.PAGE.value for law in IDS if law.startswith("page.")}
ONLY_SENT = {law.id: Need.PUSH.value for law in LAWS if Need.PUSH in law.needs}
NO_ANSWERS = {
    law: "needs a backend that replies, but its destination sends no replies"
    for law in IDS
    if law.startswith(("retry.", "split.", "fault.", "credentials.")) or law == "ids.no-duplicates"
}
NOBODY_TO_ASK = {
    law: Need.READ_BACK.value
    for law in IDS
    if law.startswith("read-back.") or law in ("ledger.identity", "system.partly")
}
HERE = {**NO_ITEMS, **NO_ANSWERS, **NO_PAGE}
SKIPPED = {
    "elasticsearch": NO_SYSTEM | NO_PAGE,
    "opensearch": NO_SYSTEM | NO_PAGE,
    "otlp": NO_SYSTEM | NO_ITEMS | NO_PAGE,
    "prometheus": ONLY_SENT,
    "prometheus-remote-write": NO_SYSTEM | NO_ITEMS | NO_PAGE,
    "datadog": NO_SYSTEM | NO_ITEMS | NO_PAGE,
    "newrelic": NO_SYSTEM | NO_ITEMS | NO_PAGE,
    "statsd": {
        law: why
        for law, why in (HERE | NOBODY_TO_ASK).items()
        if not law.startswith("split.")
        and law != "ledger.identity"  # a datagram may be too large, and what arrives is counted
    },
    "file": HERE,
    "console": HERE | NOBODY_TO_ASK,
}
"""The laws that do not concern an exporter of ours, and what the suite says of that; all others are tried."""
WELL: tuple[type[AnyExporter], ...] = (AcmeExporter, FileExporter, Page)
"""Those that the bad ones are made of."""


def subject(exporter: type[AnyExporter] = AcmeExporter) -> Subject:
    if issubclass(exporter, Page):
        return Subject("acme", partial(page, exporter), partial(make, "prometheus"))
    if issubclass(exporter, FileExporter):
        return Subject("acme", partial(to_a_file, exporter), None, io_faults=file_faults("metrics.jsonl"))

    def make_exporter(place: Place) -> Any:
        return exporter(AcmeSettings(url=place.origin, **place.settings), clock=place.clock)

    return Subject("acme", make_exporter, emulator)


def to_a_file(exporter: type[FileExporter], place: Place) -> FileExporter:
    known = FileSettings.__struct_fields__
    given = {key: value for key, value in place.settings.items() if key in known}
    return exporter(FileSettings(path=str(place.folder / "metrics.jsonl"), **given), clock=place.clock)


def page(exporter: type[Page], place: Place) -> Page:
    settings = resolve_settings("prometheus", "prometheus", PrometheusSettings, environment=place.environment).settings
    known = PrometheusSettings.__struct_fields__
    given = {key: value for key, value in place.settings.items() if key in known}
    return exporter(msgspec.structs.replace(settings, **given), clock=place.clock)


def broken_laws(results: list[Result]) -> dict[str, str | None]:
    return {result.law.id: result.message for result in results if result.verdict is LawVerdict.BROKEN}


@pytest.mark.parametrize("name", entry_points.names())
def test_every_registered_exporter_holds_every_law(name: str) -> None:
    results = list(run(registered(name), LAWS))
    assert broken_laws(results) == {}
    assert [result.law.id for result in results] == IDS
    skipped = {result.law.id: result.message for result in results if result.verdict is LawVerdict.SKIPPED}
    assert skipped == SKIPPED[name]


def otlp_over(protocol: str) -> Subject:
    """The exporter otlp with another protocol than its default."""

    def make_exporter(place: Place) -> OtlpExporter:
        resolved = resolve_settings("otlp", "otlp", OtlpSettings, environment=place.environment)
        given = {"trust_env": False, "protocol": protocol, **place.settings}
        return OtlpExporter(msgspec.structs.replace(resolved.settings, **given), clock=place.clock)

    return Subject("otlp", make_exporter, GrpcStage if protocol == "grpc" else partial(make, "otlp"))


@pytest.mark.parametrize("protocol", ["http/json", "grpc"])
def test_otlp_holds_every_law_over_each_protocol(protocol: str) -> None:
    results = list(run(otlp_over(protocol), LAWS))
    assert broken_laws(results) == {}
    tried = {result.law.id for result in results if result.verdict is LawVerdict.PASSED}
    assert {law for law in IDS if not law.startswith(("system.", "partial.", "page."))} <= tried


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_ledger_is_true_under_other_seeds(name: str, seed: int) -> None:
    laws = [law for law in LAWS if law.id in ("ledger.identity", "encode.template")]
    assert broken_laws(list(run(registered(name), laws, seed))) == {}


def test_whom_the_bad_ones_are_made_of_hold_every_law_that_concerns_them_and_none_concerns_neither() -> None:
    passed = set()
    for exporter in WELL:
        results = list(run(subject(exporter), LAWS))
        assert broken_laws(results) == {}
        passed |= {result.law.id for result in results if result.verdict is LawVerdict.PASSED}
    assert passed == set(IDS)


class DeltaAcme(AcmeExporter):
    temporalities = ("delta",)


def test_an_exporter_that_takes_only_deltas_is_given_deltas_and_holds_every_law() -> None:
    results = list(run(subject(DeltaAcme), LAWS))
    assert broken_laws(results) == {}


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.law}-{bad.exporter.__name__}")
def test_what_breaks_a_law_is_named_by_that_law_and_by_no_other(bad: Bad) -> None:
    results = list(run(subject(bad.exporter), LAWS))
    assert broken_laws(results).keys() == {bad.law}, broken_laws(results)


def test_every_law_has_somebody_who_breaks_it() -> None:
    assert {bad.law for bad in BAD} == set(IDS)
    assert len(IDS) == len(set(IDS))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.exporter.__name__)
def test_who_breaks_a_law_differs_in_one_member(bad: Bad) -> None:
    overridden = {name for name in vars(bad.exporter) if name not in ("__module__", "__doc__", "__qualname__")}
    overridden -= {
        name
        for name in overridden
        if name.startswith(("__abstract", "_abc_", "__parameters", "__orig", "__static", "__first"))
    }
    assert len(overridden) == 1
    assert bad.exporter.__mro__[1] in WELL


def test_a_failure_says_how_it_is_shown_again() -> None:
    bad = next(bad for bad in BAD if bad.law == "retry.throttled")
    law = next(law for law in LAWS if law.id == bad.law)
    (result,) = run(subject(bad.exporter), [law], 7)
    assert result.reproduce == "magictel conformance acme --law retry.throttled --seed 7"
    assert result.failed
    assert result.message


def test_no_secret_is_in_a_message_even_where_an_exporter_raises_it() -> None:
    class LoudEncoder(AcmeEncoder):
        def encode(self, series: Any, point: Any) -> Any:
            raise ValueError("the secret is hunter22")

    class Loud(AcmeExporter):
        Encoder = LoudEncoder

    law = next(law for law in LAWS if law.id == "encode.items")
    (result,) = run(subject(Loud), [law])
    assert result.verdict is LawVerdict.BROKEN
    assert "hunter22" not in str(result.message)
    assert "ValueError" in str(result.message)


class TestAcme(magictel.conformance.ExporterSuite):
    """As an author of an exporter would write it."""

    @pytest.fixture
    def exporter(self) -> Any:
        return lambda place: AcmeExporter(AcmeSettings(url=place.origin, **place.settings), clock=place.clock)

    @pytest.fixture
    def emulator(self) -> Any:
        return emulator


class TestToAFile(magictel.conformance.ExporterSuite):
    """As an author of one that asks no network would."""

    @pytest.fixture
    def exporter(self) -> Any:
        return partial(to_a_file, FileExporter)

    @pytest.fixture
    def io_faults(self) -> Any:
        return magictel.conformance.file_faults("metrics.jsonl")
