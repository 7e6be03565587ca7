"""Every law holds for New Relic."""

from __future__ import annotations

from magictel.conformance import LAWS, Place, Subject, run
from magictel.conformance.runner import LawVerdict
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.sandbox.newrelic import ACCOUNT, LICENSE_KEY, USER_KEY, NewRelicEmulator
from magictel.secrets.secret import Secret


def test_every_law_holds() -> None:
    def exporter(place: Place) -> NewRelicExporter:
        keys = {"license_key": Secret(LICENSE_KEY), "user_key": Secret(USER_KEY), "account_id": ACCOUNT}
        given = {"url": place.origin, "query_url": place.origin, **keys, **place.settings}
        return NewRelicExporter(NewRelicSettings(**given), clock=place.clock)

    subject = Subject("newrelic", exporter, lambda clock: NewRelicEmulator(clock=clock))
    broken = {result.law.id: result.message for result in run(subject, LAWS) if result.verdict is LawVerdict.BROKEN}
    assert broken == {}
