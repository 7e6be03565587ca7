"""How a scraped point is expected to look in a query, under each translation strategy and escaping: as the page shows it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from magictel.exporters.prometheus.encoding import PageEncoding
from magictel.exporters.prometheus.negotiation import Form
from magictel.formats.prometheus.escaping import SCHEMES, Escaping
from magictel.formats.prometheus.names import TranslationStrategy
from magictel.model.metrics import Series, groups
from magictel.model.verification import POINT, RUN_ID, verify
from magictel.promql.expected import declared, expected, seen
from magictel.promql.query import QueryApi
from magictel.sources.sample import sample
from tests.exporters.prometheus.pages import page, read_by_source


@pytest.mark.parametrize("escaping", SCHEMES.values())
@pytest.mark.parametrize("strategy", get_args(TranslationStrategy))
def test_the_sample_is_found_as_sent(strategy: TranslationStrategy, escaping: Escaping) -> None:
    encoding, form = PageEncoding(translation_strategy=strategy), Form("openmetrics", "1.0.0", escaping)
    names = encoding.names(form)
    data = sample("abc", 1_764_000_000.0, thorough=True).data
    shown = read_by_source(page(data, form, encoding).body, form)
    rows: list[Any] = []
    for (name, labels), value in shown.items():
        texts = {key: text if isinstance(text, str) else bound_text(text) for key, text in labels}
        rows.append({"metric": {"__name__": name, **texts}, "values": [[1_764_000_000.0, repr(value)]]})
    infos = [row for row in rows if row["metric"]["__name__"] == "target_info"]
    run = [row for row in rows if row["metric"].get(names.label(RUN_ID)) == "abc"]
    wanted = [
        expected(names, Series(group.stream, point.attributes or {}), point, target_info=True)
        for group in groups(data)
        for point in group.points
    ]
    assert [point.key for point in wanted] == [f"point-{number:02d}" for number in range(1, 18)]
    sent_names = {group.stream.name: {names.name(group.stream) or ""} for group in groups(data)}

    def declare(field: str, sent: Any, got: Any) -> str | None:
        return (
            "the time" if field == "time_unix_nano" else declared(field, sent, got, sent_names, "a page", names.label)
        )

    result = verify(wanted, seen(run, infos, wanted, names.label), declare)
    assert (result.found, result.missing, result.duplicated) == (17, 0, 0)
    assert [difference for difference in result.differences if difference.declared is None] == []
    assert names.label(POINT) != POINT or (strategy.startswith("No") and escaping == "allow-utf-8")


def bound_text(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


@pytest.mark.parametrize(
    ("label", "matcher"),
    [("magictel_run_id", 'magictel_run_id="abc"'), ("magictel.run.id", '"magictel.run.id"="abc"')],
)
def test_a_run_is_asked_for_by_its_label(label: str, matcher: str) -> None:
    asked: list[str] = []

    class Api(QueryApi):
        def samples(self, matchers: str, since: float, until: float) -> list[Any]:
            asked.append(matchers)
            return []

    Api(SimpleNamespace(), 0.0, (), label).of_run("abc", 0, 1)  # type: ignore[arg-type] # it asks nothing
    assert asked == [matcher]
