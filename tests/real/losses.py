"""The lists of silent losses, line by line, and what a command must say of each on each engine: data of test_silent_losses.py.

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
    """A line of a list: server, what is sent, and the cases and tests (`file::test`) that stand for it, or why none does."""

    server: str
    sent: str
    cases: tuple[str, ...] = ()
    why_not: str = ""
    tests: tuple[str, ...] = ()


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
LARGE = {
    "exemplars": [
        {**EXEMPLAR["exemplars"][0], "filteredAttributes": [{"key": "note", "value": {"stringValue": "x" * 200}}]}
    ]
}
BY_2 = ("--set", "protocol=2.0")
TWICE = Point("silent.twice", 1.5), Point("silent.twice", 2.5)
DESCENDING = tuple(Point("silent.falling", 3.5 - age, -age) for age in range(3))
ONE_NAME = Point("silent.one.name", 2.5), Point("silent.one_name", 1.5, -1)

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
WHOLE_SAMPLE = Told(0, "verified", 12, whole=26)
"""By remote write 2.0 all twelve points; the two exponential histograms are a sample each."""
COLLIDES = Told(1, "rejected", 2, rejected=1, whole=2)
ORDERED = Told(0, "verified", 4, whole=4)
LATER_LOST = Told(1, "lost", 3, missing=1, whole=2)
"""Without an out-of-order window, which the Prometheus 2 of these tests has."""
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
        {**each(SERIES, Told(1, "rejected", 0, rejected=12)), PROMETHEUS_3: WHOLE_SAMPLE}, options=BY_2
    ),
    "replay, two values for one time": Case(each(SERIES, COLLIDES), (GOOD, *TWICE)),
    "replay, two values for one time by 2.0": Case({PROMETHEUS_3: COLLIDES}, (GOOD, *TWICE), options=BY_2),
    "replay, descending times": Case(each(SERIES, ORDERED), (GOOD, *DESCENDING)),
    "replay, descending times by 2.0": Case({PROMETHEUS_3: ORDERED}, (GOOD, *DESCENDING), options=BY_2),
    "replay, one series twice, the second older": Case(
        {**each((PROMETHEUS_2, *VICTORIA), Told(0, "verified", 3, whole=3)), PROMETHEUS_3: LATER_LOST},
        (GOOD, *ONE_NAME),
    ),
    "replay, one series twice, the second older, by 2.0": Case(
        {PROMETHEUS_3: LATER_LOST}, (GOOD, *ONE_NAME), options=BY_2
    ),
    "replay, a large exemplar by 2.0": Case(
        {PROMETHEUS_3: ALL}, (GOOD, Point("silent.exemplar", 2.5, more=LARGE)), options=BY_2
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

_RW = "tests/exporters/prometheus_remote_write"
_OTLP = "tests/real/test_otlp_real.py"
_PAGE = "tests/exporters/prometheus"
_VM_LOSSES = (f"{_OTLP}::test_every_silent_loss_of_victoriametrics_is_lost_or_altered_by_name",)
_PROM_LOSSES = (f"{_OTLP}::test_every_silent_loss_of_prometheus_is_lost_or_altered_by_name",)
_IMPOSSIBLE = ("tests/sources/test_skipped.py::test_an_impossible_point_stops_by_name_or_is_counted_alone",)
_NATIVE = (f"{_RW}/test_version_2.py::test_a_number_and_a_native_histogram_of_one_series_and_time_are_one_sample",)
_LABELS = (f"{_RW}/test_names.py::test_every_label_is_valid_and_never_empty",)
_HEADERS = (
    f"{_RW}/test_exporter.py::test_the_request_carries_what_remote_write_asks_for",
    f"{_RW}/test_version_2.py::test_a_request_of_2_means_what_the_request_of_1_means_also_when_framed_again",
)
_DD = "tests/real/test_datadog_real.py"
_UNSENT = (f"{_DD}::test_a_point_that_victoriametrics_would_drop_or_change_is_not_sent",)
_WHOLE_SKETCH = (
    "tests/exporters/datadog/test_encoding.py::test_a_sketch_has_a_count_for_each_key_and_no_distributions",
)
_TIMELESS = (
    f"{_PAGE}/test_page_rules.py::test_a_page_of_text",
    f"{_PAGE}/test_page_rules.py::test_a_page_of_openmetrics",
)
LINES_3 = (
    Line("prom3 rw1", "no __name__", ("replay, no name left",)),
    Line("prom3 rw1", "duplicate label", tests=(f"{_RW}/test_names.py::test_keys_that_become_one_name_have_their_values_joined",)),
    Line("prom3 rw1", "empty label name", tests=_LABELS),
    Line("prom3 rw1", "invalid UTF-8", tests=(f"{_RW}/test_names.py::test_a_label_holds_text",)),
    Line("prom3 rw1", "two values for one timestamp in one request", ("replay, two values for one time",)),
    Line("prom3 rw1", "descending timestamps in one request", ("replay, descending times",)),
    Line("prom3 rw1", "one series twice in one request, second older", ("replay, one series twice, the second older",)),
    Line("prom3 rw1", "exemplar only, no sample", why_not="an exemplar goes with its point's sample, and by 2.0 only"),
    Line("prom3 rw1", "exemplar labels over 128 characters", ("replay, exemplar",)),
    Line("prom3 rw1", "metadata (the metadata API knows scrapes only)", why_not="1.0 sends none, and nothing says that it is stored"),
    Line("prom3 rw1", "float sample and histogram at one timestamp", tests=_NATIVE),
    Line("prom3 rw2", "two values for one timestamp in one request", ("replay, two values for one time by 2.0",)),
    Line("prom3 rw2", "descending timestamps in one request: 5 reported, 1 stored", ("replay, descending times by 2.0",)),
    Line("prom3 rw2", "one series twice in one request, second older", ("replay, one series twice, the second older, by 2.0",)),
    Line(
        "prom3 rw2",
        "exemplar labels over 128 characters (only the header tells)",
        ("replay, a large exemplar by 2.0",),
        tests=(f"{_RW}/test_downgrade.py::test_an_exemplar_that_was_not_stored_costs_no_point",),
    ),
    Line("prom3 rw2", "float sample and histogram at one timestamp: both reported", tests=_NATIVE),
    Line("prom3 rw2", "1.0 message under the 2.0 content type", tests=_HEADERS),
    Line("prom3 rw2", "2.0 message under the 1.0 content type", tests=_HEADERS),
    Line("prom3 rw2", "a blank after the semicolon: read as 1.0", tests=_HEADERS),
    Line("prom3 rw2", "PROTO= in capitals: read as 1.0", tests=_HEADERS),
    Line("prom3 otlp", "point without a value: stored as 0", tests=_IMPOSSIBLE),
    Line("prom3 otlp", "integer over 2^53", tests=("tests/exporters/otlp/test_end_to_end.py::test_extreme_values_are_declared_or_equal",)),
    Line("prom3 otlp", "two points, one timestamp", tests=_PROM_LOSSES),
    Line("prom3 otlp", "descending points", tests=_PROM_LOSSES),
    Line("prom3 otlp", "a.b and a_b in one request: one name", tests=_PROM_LOSSES),
    Line("prom3 otlp", "point attributes job, instance (overwritten by the resource)", tests=_PROM_LOSSES),
    Line("vm otlp", "DELTA counter: stored as if cumulative", tests=_VM_LOSSES),
    Line("vm otlp", "DELTA histogram: stored as if cumulative", tests=_VM_LOSSES),
    Line("vm otlp", "DELTA exponential histogram: stored as if cumulative", tests=_VM_LOSSES),
    Line("vm otlp", "histogram without buckets (count and sum)", tests=_VM_LOSSES),
    Line("vm otlp", "histogram, one bucket short", tests=_IMPOSSIBLE),
    Line("vm otlp", "timestamp 0", tests=_IMPOSSIBLE),
    Line("vm otlp", "older than the retention", tests=_VM_LOSSES),
    Line("vm otlp", "+3 days", tests=_VM_LOSSES),
    Line("vm otlp", "NaN", tests=_VM_LOSSES),
    Line("vm otlp", "attribute value over 4096 bytes", tests=_VM_LOSSES),
    Line("vm otlp", "50 attributes", tests=_VM_LOSSES),
    Line("vm otlp", "point without a value: stored as 0", tests=_IMPOSSIBLE),
    Line("vm rw", "remote write 2.0: no Written headers", ("sample, remote write 2.0",)),
    Line("vm rw", "40 labels + name", ("sample, 40 labels", "replay, 40 labels")),
    Line("vm rw", "4097-byte value", ("sample, value of 5000 bytes",)),
    Line("vm rw", "257-byte label name", ("sample, label name of 300 bytes",)),
    Line("vm rw", "timestamp 0", ("replay, time zero",)),
    Line("vm rw", "seconds for ms", ("replay, seconds for milliseconds",)),
    Line("vm rw", "+3 days", ("replay, three days ahead",)),
    Line("vm rw", "older than the retention", ("replay, 400 days old",)),
    Line("vm rw", "NaN", ("replay, NaN",)),
    Line("vm datadog", "v2, milliseconds for seconds", tests=_UNSENT),
    Line("vm datadog", "v2, +3 days", tests=_UNSENT),
    Line("vm datadog", "v2, 60 tags", tests=(f"{_DD}::test_a_sample_that_victoriametrics_drops_is_unverified",)),
    Line(
        "vm datadog",
        "v2, tag over 4096 bytes",
        tests=(f"{_DD}::test_a_tag_that_victoriametrics_would_drop_is_sent_with_datadogs_length",),
    ),
    Line("vm datadog", "v2, value null: stored as 0", tests=_UNSENT),
    Line("vm datadog", "sketch with fewer n than k: quantiles are all 0", tests=_WHOLE_SKETCH),
    Line("vm datadog", 'sketch with "distributions" only', tests=_WHOLE_SKETCH),
    Line(
        "prom3 scrape",
        r"'{m} 9\n{m} 10\n' (up=1)",
        tests=(f"{_PAGE}/test_page_rules.py::test_a_repeated_point_is_no_loss_and_another_value_is",),
    ),
    *(Line("prom3 scrape", rf"'{{m}} 9 {time}\n{more}' (up=1)", tests=_TIMELESS)
      for time, more in (("1795497123768", r"zz_ok 1\n"), ("1795485003768", r"zz_ok 1\n"), ("1000", ""))),
)  # fmt: skip
"""The longer list, of Prometheus 3 and VictoriaMetrics 1.151, without the doors that no exporter here uses."""
