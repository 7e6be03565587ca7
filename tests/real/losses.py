"""The list of silent losses, line by line, and what a command must say of each on each engine: data of test_silent_losses.py.

A server that keeps what another loses stands in the table too, so that a loss is not merely assumed. All of it was measured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

DAY = 86_400


@dataclass(frozen=True)
class Line:
    """A line of the list: server, what is sent, and the cases that stand for it, or why none does."""

    server: str
    sent: str
    cases: tuple[str, ...] = ()
    why_not: str = ""


class Told(NamedTuple):
    """What the command says (exit code, outcome, counts), and how many samples or documents the engine holds as they were sent."""

    exit: int
    outcome: str
    delivered: int
    rejected: int = 0
    withheld: int = 0
    missing: int = 0
    altered: int = 0
    whole: int = 0


class Point(NamedTuple):
    """A gauge's point of a recording; `offset` in seconds from now, or from the epoch where `epoch` says so."""

    name: str
    value: float | str
    offset: float = 0
    attributes: Mapping[str, str] = {}
    epoch: bool = False
    more: Mapping[str, object] = {}


@dataclass(frozen=True)
class Case:
    """`points`: a recording to replay, else the sample is sent. `attributes`: on every point of the sample. `outcomes`: by engine.

    `index`: what an index is made with; `field`: the one of its fields that is compared.
    """

    outcomes: Mapping[str, Told]
    points: tuple[Point, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    index: Mapping[str, object] | None = None
    field: str = "value_double"
    replayed: bool = False

    @property
    def command(self) -> str:
        """Which command it is."""
        return "replay" if self.points or self.replayed else "send-sample"


def recording(case: Case, run: str) -> str:
    """The case's points as one line of OTLP JSON, each with its run as an attribute."""
    now = time.time_ns() // 1_000_000_000 - 2
    metrics: dict[str, list[object]] = {}
    for point in case.points:
        moment = int((point.offset if point.epoch else now + point.offset) * 1_000_000_000)
        attributes = {"a_run": run, **point.attributes}
        template = {
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
            "timeUnixNano": str(moment),
            "asDouble": point.value,
            **point.more,
        }
        metrics.setdefault(point.name, []).append(template)
    written = [{"name": name, "gauge": {"dataPoints": points}} for name, points in metrics.items()]
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": written}]}]}) + "\n"


PROMETHEUS_2, PROMETHEUS_3 = "prometheus2", "prometheus3"
VICTORIA_1_79, VICTORIA_1_151 = "victoriametrics-1.79", "victoriametrics-1.151"
PROMETHEUS = (PROMETHEUS_2, PROMETHEUS_3)
VICTORIA = (VICTORIA_1_79, VICTORIA_1_151)
SERIES = (*PROMETHEUS, *VICTORIA)
CAPTIVE = "nginx, captive portal"
SEARCH = ("es7", "es8", "es9", "os2", "os3")

MAPPINGS: Mapping[str, Mapping[str, object]] = {
    "long": {"type": "long"},
    "date": {"type": "date"},
    "ip, ignore_malformed": {"type": "ip", "ignore_malformed": True},
    "half_float": {"type": "half_float"},
}
ZONE: Mapping[str, Mapping[str, object]] = {
    "cut by ignore_above": {
        "properties": {"attributes": {"properties": {"zone": {"type": "keyword", "ignore_above": 5}}}}
    },
    "of an object that is not enabled": {"properties": {"attributes": {"type": "object", "enabled": False}}},
    "that dynamic: false passes over": {"dynamic": False},
}
GOOD = Point("silent.good", 1.5)
FORTY = {f"extra_{number:02d}": "v" for number in range(40)}
LONG, LONGER, NAME = {"long": "x" * 5000}, {"long": "x" * 20_000}, {"n" * 300: "v"}
EXEMPLAR = {"exemplars": [{"timeUnixNano": "1", "asDouble": 9.0, "traceId": "0af7651916cd43dd8448eb211c80319c"}]}

ALL = Told(0, "verified", 2, whole=2)
ONE_LOST = Told(1, "lost", 2, missing=1, whole=1)
UNREAD = Told(1, "source.impossible-point", 0)
"""The recording is refused where it is read: nothing is sent."""
NO_NAN = Told(0, "verified", 2, whole=1)
"""A declared loss, which the page and the document name."""
DECLARED = "VictoriaMetrics stores no NaN"
ONE_REFUSED = Told(1, "rejected", 1, rejected=1, whole=1)
ONE_LEFT_OUT = Told(0, "verified", 1, withheld=1, whole=1)
SAMPLE = Told(0, "verified", 10, withheld=2, whole=24)
"""Ten points, the two histograms with eight samples each; the two exponential ones are not for remote write 1.0."""
SAMPLE_LOST = Told(1, "lost", 10, withheld=2, missing=10)
SAMPLE_CUT = Told(1, "altered", 10, withheld=2, altered=10)
NOTHING = Told(1, "undelivered", 0)
REFUSED = Told(1, "source.empty", 0)
"""The command ends before any target, with an error of this code."""


def each(engines: tuple[str, ...], outcome: Told) -> dict[str, Told]:
    """The same on several engines."""
    return dict.fromkeys(engines, outcome)


CASES: dict[str, Case] = {
    "sample, native histograms": Case(each(SERIES, SAMPLE)),
    "sample, 40 labels": Case({**each(PROMETHEUS, SAMPLE), **each(VICTORIA, SAMPLE_LOST)}, attributes=FORTY),
    "sample, value of 5000 bytes": Case(
        {**each((*PROMETHEUS, VICTORIA_1_79), SAMPLE), VICTORIA_1_151: SAMPLE_LOST}, attributes=LONG
    ),
    "sample, value of 20 000 bytes": Case(
        {**each(PROMETHEUS, SAMPLE), VICTORIA_1_79: SAMPLE_CUT, VICTORIA_1_151: SAMPLE_LOST}, attributes=LONGER
    ),
    "sample, label name of 300 bytes": Case(
        {**each(PROMETHEUS, SAMPLE), VICTORIA_1_79: SAMPLE_CUT, VICTORIA_1_151: SAMPLE_LOST}, attributes=NAME
    ),
    "sample, captive portal": Case({CAPTIVE: NOTHING}),
    "sample, remote write 2.0": Case(
        each(SERIES, Told(1, "rejected", 0, rejected=12)), options=("--set", "protocol=2.0")
    ),
    "replay, NaN": Case({**each(PROMETHEUS, ALL), **each(VICTORIA, NO_NAN)}, (GOOD, Point("silent.nan", "NaN"))),
    "replay, 400 days old": Case(
        {**each(PROMETHEUS, ONE_REFUSED), **each(VICTORIA, ONE_LOST)}, (GOOD, Point("silent.old", 2.5, -400 * DAY))
    ),
    "replay, three days ahead": Case(
        {PROMETHEUS_3: ONE_REFUSED, **each(VICTORIA, ONE_LOST)}, (GOOD, Point("silent.ahead", 2.5, 3 * DAY))
    ),
    "replay, seconds for milliseconds": Case(
        {**each(PROMETHEUS, ONE_REFUSED), **each(VICTORIA, ONE_LOST)},
        (GOOD, Point("silent.seconds", 2.5, 1_795_616.0, epoch=True)),
    ),
    "replay, time zero": Case(each(SERIES, UNREAD), (GOOD, Point("silent.zero", 2.5, 0, epoch=True))),
    "replay, 40 labels": Case(
        {**each(PROMETHEUS, ALL), **each(VICTORIA, ONE_LOST)}, (GOOD, Point("silent.labels", 2.5, 0, FORTY))
    ),
    "replay, value of 20 000 bytes": Case(
        {**each(PROMETHEUS, ALL), **each(VICTORIA, ONE_LOST)}, (GOOD, Point("silent.long", 2.5, 0, LONGER))
    ),
    "replay, names that Prometheus has not": Case(
        each(SERIES, ALL), (GOOD, Point("silent-bad-name", 2.5, 0, {"z": "1", "bad-l": "x", "b": "2"}))
    ),
    "replay, no name left": Case(each(SERIES, ONE_LEFT_OUT), (GOOD, Point("---", 2.5))),
    "replay, exemplar": Case(each(SERIES, ALL), (GOOD, Point("silent.exemplar", 2.5, more=EXEMPLAR))),
    "replay, no point": Case(each(SERIES, REFUSED), (), replayed=True),
    "replay, captive portal": Case({CAPTIVE: NOTHING}, (GOOD,)),
}
"""A future sample is not for the Prometheus 2 that others use: it takes it, and refuses every later one of theirs."""
for kind, (from_sample, from_recording) in {
    "long": (4, 2),
    "date": (4, 2),
    "ip, ignore_malformed": (4, 2),
    "half_float": (1, 1),
}.items():
    changed = each(SEARCH, Told(1, "altered", 12, altered=from_sample, whole=12 - from_sample))
    if kind == "date":
        changed["es7"] = Told(1, "rejected", 11, rejected=1, altered=3, whole=8)
    body = {"mappings": {"properties": {"value_double": MAPPINGS[kind]}}}
    CASES[f"sample, decimals mapped as {kind}"] = Case(changed, index=body)
    CASES[f"replay, decimals mapped as {kind}"] = Case(
        each(("es8", "os2"), Told(1, "altered", 2, altered=from_recording, whole=2 - from_recording)),
        (GOOD, Point("silent.decimal", 1234.3)),
        index=body,
    )
for kind in ZONE:
    CASES[f"sample, an attribute {kind}"] = Case(
        each(("es8", "os2"), Told(1, "altered", 12, altered=12)),
        index={"mappings": ZONE[kind]},
        field="attributes.zone",
    )
CASES["replay, an attribute of an object that is not enabled"] = Case(
    each(("es8", "os2"), Told(1, "altered", 1, altered=1)),
    (Point("silent.zone", 1.5, 0, {"zone": "eu"}),),
    index={"mappings": ZONE["of an object that is not enabled"]},
    field="attributes.zone",
)
CASES["sample, decimals as text"] = Case(
    each(("es8", "os2"), Told(3, "unverified", 12)),
    index={"mappings": {"properties": {"value_double": {"type": "text"}}}},
)
CASES["sample, an index that never shows"] = Case(
    each(("es8", "os2"), Told(3, "unverified", 12, whole=12)),
    index={"settings": {"refresh_interval": "-1"}},
)

LINES = (
    Line("Prom 2.42 **and** VM 1.79", "Remote-Write **2.0** request", ("sample, remote write 2.0",)),
    Line("Prom 2.42, no `exemplar-storage`", "sample + exemplar", ("replay, exemplar",)),
    Line("Prom 2.42", "empty body", ("replay, no point",)),
    Line(
        "Prom 2.42",
        "`bad-name`, `bad-l`, no `__name__`, unsorted labels",
        ("replay, names that Prometheus has not", "replay, no name left"),
    ),
    Line("VM", "native histogram by RW", ("sample, native histograms",)),
    Line("VM", "garbage Influx line / one bad of two", why_not="no exporter of ours writes Influx lines"),
    Line("VM", "garbage prom text / CSV", why_not="no exporter of ours writes text or CSV to a backend"),
    Line(
        "VM",
        "ts older than retention / >2 d future",
        ("replay, 400 days old", "replay, three days ahead", "replay, seconds for milliseconds", "replay, time zero"),
    ),
    Line("VM", "40 labels", ("sample, 40 labels", "replay, 40 labels")),
    Line(
        "VM",
        "20 000-byte label value",
        (
            "sample, value of 5000 bytes",
            "sample, value of 20 000 bytes",
            "sample, label name of 300 bytes",
            "replay, value of 20 000 bytes",
        ),
    ),
    Line("VM", "NaN", ("replay, NaN",)),
    Line("moto", "15-day-old / 31 dimensions / 1001 data", why_not="CloudWatch has no exporter here"),
    Line("netdata/collectd/statsd/carbon", "anything", why_not="none of these has an exporter here"),
    Line("nginx `/html/`", "RW POST", ("sample, captive portal", "replay, captive portal")),
)
