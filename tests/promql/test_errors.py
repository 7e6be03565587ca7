"""The table of the query API's errors: every code that an exporter gets of it has a page."""

from __future__ import annotations

import pytest

from magictel.catalogue import pages
from magictel.promql.errors import read_rules


@pytest.mark.parametrize("family", ["otlp", "prom"])
def test_every_code_of_the_table_has_a_page(family: str) -> None:
    codes = [rule.code for rule in read_rules(family)]
    assert len(set(codes)) == 3
    assert [code for code in codes if pages.explain(code) is None] == []
