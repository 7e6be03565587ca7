"""Custom metrics, from code and from the file, take the values of a record's fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from magictel.errors import SettingsError
from magictel.gateway import CustomMetric, GatewayRequest, custom_metrics
from tests.gateway.test_mapping import collected

FILE = """\
[targets.file]
path = "out"

[metrics.custom_metric]
kind = "counter"
unit = "units"
description = "Units served."
from = "units"

[metrics."guard.duration"]
kind = "histogram"
unit = "s"
from = "guard.seconds"
buckets = [0.1, 1]
"""
IN_CODE = (
    CustomMetric(name="custom_metric", kind="counter", unit="units", description="Units served.", source="units"),
    CustomMetric(name="guard.duration", kind="histogram", unit="s", source="guard.seconds", buckets=(0.1, 1.0)),
)


def from_file(folder: Path, text: str) -> tuple[CustomMetric, ...]:
    (folder / "m.toml").write_text(text)
    return custom_metrics(folder / "m.toml", {})


def test_the_file_and_the_code_define_the_same_metrics(tmp_path: Path) -> None:
    assert from_file(tmp_path, FILE) == IN_CODE


def test_without_a_file_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert custom_metrics(environment={}) == ()


def test_each_takes_its_field_of_a_record_with_the_attributes_of_its_request() -> None:
    record = {
        "attributes": {"provider": "p", "metadata": {"latency": 5, "units": 3, "guard": {"seconds": 0.5}}},
    }
    sent = collected(record, record, custom=IN_CODE)
    values = {key[0]: (key[1], dict(key[4]), value) for key, value in sent.items()}
    about = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "p"}
    assert values["custom_metric"] == ("units", about, 6)
    assert values["guard.duration"] == ("s", about, (1.0, (0, 2, 0)))


@pytest.mark.parametrize("value", ["3", None, [], float("nan"), -1])
def test_what_is_no_number_for_it_is_not_recorded(value: Any) -> None:
    sent = collected(GatewayRequest(fields={"units": value}, duration=1.0), custom=IN_CODE)
    assert "custom_metric" not in {key[0] for key in sent}


def test_a_counter_without_a_field_counts_requests_and_other_kinds_exist() -> None:
    custom = (
        CustomMetric(name="requests", kind="counter"),
        CustomMetric(name="queue", kind="gauge", source="queue"),
        CustomMetric(name="open", kind="up_down_counter", source="open"),
    )
    sent = collected(*[GatewayRequest(fields={"queue": n, "open": -n}) for n in (1, 2)], custom=custom)
    assert {key[0]: value for key, value in sent.items()} == {"requests": 2, "queue": 2, "open": -3}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('kind = "meter"', "kind is missing or unknown"),
        ("", "kind is missing or unknown"),
        ('kind = "counter"\nform = "x"', "form: no such key. Did you mean from?"),
        ('kind = "gauge"', "a gauge needs a field"),
        ('kind = "counter"\nunit = 1', "unit is not a text"),
        ('kind = "histogram"\nfrom = "x"\nbuckets = [2, 1]', "buckets is not a list of increasing numbers"),
    ],
)
def test_an_invalid_table_is_one_sentence_with_its_name(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_file(tmp_path, f"[metrics.mine]\n{table}\n")
    assert raised.value.code == "config.metric"
    assert raised.value.message.startswith(f"metrics.mine: {message}")
    assert str(raised.value.origin).endswith("m.toml")


def test_a_name_that_no_backend_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a valid metric name"):
        from_file(tmp_path, '[metrics."9 lives"]\nkind = "counter"\n')
    with pytest.raises(SettingsError, match="metrics is not a table"):
        from_file(tmp_path, "metrics = 1\n")
