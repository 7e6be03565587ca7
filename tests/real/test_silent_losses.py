"""Losses behind a 2xx, on the real servers: what was accepted and is gone or changed is never called a success.

Each row was measured; a server that keeps what another loses is in the table too, so that a loss is not merely assumed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

import pytest

from magictel.operations.send import SendOptions, send
from tests.exporters.elasticsearch.engines import Engine, sent
from tests.real.test_prometheus_real import job

HOW = "bash ../shared/real/start_real.sh --without rotel -- python -m pytest -m real tests/real/test_silent_losses.py"
pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]
SAMPLES: Mapping[str, Mapping[str, str]] = {
    "42 labels": {f"extra_{number:02d}": "v" for number in range(40)},
    "a value of 5000 bytes": {"long": "x" * 5000},
    "a value of 20 000 bytes": {"long": "x" * 20000},
    "a label's name of 300 bytes": {"n" * 300: "v"},
}
SEEN = [
    ("MT_PROM_URL", ("verified", "verified", "verified", "verified")),
    ("MT_PROM3_URL", ("verified", "verified", "verified", "verified")),
    ("MT_VM_URL", ("lost", "verified", "altered", "altered")),
    ("MT_VM3_URL", ("lost", "lost", "lost", "lost")),
]
"""VictoriaMetrics answers 204 to all of them: it drops or cuts what is beyond -maxLabelsPerTimeseries and -maxLabelValueLen."""


@pytest.mark.parametrize(
    ("variable", "sample", "outcome"),
    [
        pytest.param(variable, sample, outcome, id=f"{variable}-{sample}")
        for variable, outcomes in SEEN
        for sample, outcome in zip(SAMPLES, outcomes, strict=True)
    ],
)
def test_what_the_server_drops_or_cuts_behind_a_204_is_told(variable: str, sample: str, outcome: str) -> None:
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set; {HOW}")
    *_, last = send([job(f"{url}/api/v1/write")], SendOptions(attributes=SAMPLES[sample], within=6.0))
    (result,) = last.results
    assert result.receipt.delivered == 10
    assert (result.outcome, last.outcome) == (outcome, outcome)


ENGINES = {"es7": "MT_ES7_URL", "es8": "MT_ES8_URL", "es9": "MT_ES9_URL", "os2": "MT_OS2_URL", "os3": "MT_OS3_URL"}
"""Elasticsearch 7 refuses one of the sample's decimals in a date field; the others alter it."""
MAPPINGS = {
    "long": {"type": "long"},
    "date": {"type": "date"},
    "ignore_malformed": {"type": "ip", "ignore_malformed": True},
    "float": {"type": "half_float"},
}


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("name", ENGINES)
def test_what_a_mapping_changes_behind_a_201_is_altered(name: str, mapping: str) -> None:
    url = os.environ.get(ENGINES[name])
    if not url:
        pytest.skip(f"{ENGINES[name]} is not set; {HOW.replace('start_real.sh --without rotel', 'start_search.sh')}")
    engine = Engine(name, url, f"silent-{uuid.uuid4().hex[:8]}")
    engine.make({"properties": {"value_double": MAPPINGS[mapping]}})
    result = sent(engine.job())
    engine.http.delete(f"/{engine.index}")
    engine.close()
    refused = 1 if (name, mapping) == ("es7", "date") else 0
    assert (result.receipt.delivered, result.receipt.rejected) == (12 - refused, refused)
    assert result.outcome == ("rejected" if refused else "altered")
    assert result.verification is not None
    assert result.verification.altered > 0
