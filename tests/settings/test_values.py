"""What people may write for a value of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from magictel.errors import SettingsError
from magictel.settings.file import parse
from magictel.settings.load import resolve_settings
from magictel.settings.units import bytes_text, seconds_text
from tests.settings.acme import AcmeSettings

TEXTS = [
    ("timeout", "10", 10.0),
    ("timeout", "0.5", 0.5),
    ("timeout", "250ms", 0.25),
    ("timeout", "10s", 10.0),
    ("timeout", "10 s", 10.0),
    ("timeout", "2m", 120.0),
    ("timeout", "1h", 3600.0),
    ("max_batch_bytes", "2048", 2048),
    ("max_batch_bytes", "5MB", 5_000_000),
    ("max_batch_bytes", "512KiB", 524_288),
    ("max_batch_bytes", "1.5 mib", 1_572_864),
    ("shards", "3", 3),
    ("outbox_points", "50_000", 50_000),
    ("ratio", "1e-1", 0.1),
    *[("verify", text, True) for text in ("true", "1", "YES", "on", " True ")],
    *[("verify", text, False) for text in ("false", "0", "no", "OFF")],
    ("level", "high", "high"),
    ("url", "http://a:1, http://b:2", ["http://a:1", "http://b:2"]),
    ("url", "http://u:a,b@h:1,http://c", ["http://u:a,b@h:1", "http://c"]),
    ("url", '["http://a:1", "http://b:2"]', ["http://a:1", "http://b:2"]),
    ("tenant", "a$${b $${C}", "a${b ${C}"),
    ("drop_attributes", "a.*, b", ["a.*", "b"]),
    ("drop_attributes", "a,,", ["a"]),
    ("labels", "team=a, stage=b=c", {"team": "a", "stage": "b=c"}),
    ("proxy", "", ""),
    ("tenant", " kept ", " kept "),
]


@pytest.mark.parametrize(("key", "text", "value"), TEXTS)
def test_a_text_of_a_variable_becomes(key: str, text: str, value: object) -> None:
    settings = resolve_settings("acme", "acme", AcmeSettings, environment={f"ACME_{key.upper()}": text}).settings
    assert getattr(settings, key) == value


TOML = [
    ("timeout = 3", "timeout", 3.0),
    ("timeout = 0.25", "timeout", 0.25),
    ('timeout = "2m"', "timeout", 120.0),
    ("shards = 4", "shards", 4),
    ('max_batch_bytes = "1MiB"', "max_batch_bytes", 1_048_576),
    ("verify = false", "verify", False),
    ('verify = "no"', "verify", False),
    ('url = ["http://a:1"]', "url", ["http://a:1"]),
    ('url = "http://a:1,http://b:1"', "url", ["http://a:1", "http://b:1"]),
    ('labels = { team = "a" }', "labels", {"team": "a"}),
    ('labels.team = "a"', "labels", {"team": "a"}),
]


@pytest.mark.parametrize(("line", "key", "value"), TOML)
def test_a_value_of_the_file_becomes(line: str, key: str, value: object) -> None:
    config = parse(f'[targets.a]\nexporter = "acme"\n{line}\n', Path("magictel.toml"), "magictel.toml")
    assert getattr(resolve_settings("a", "acme", AcmeSettings, environment={}, config=config).settings, key) == value


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "250 ms"), (1, "1 s"), (10.5, "10.5 s"), (60, "1 min"), (90, "90 s")]
)
def test_seconds_are_shown_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(5_000_000, "5 MB"), (33_554_432, "32 MiB"), (1024, "1 KiB"), (1000, "1000 B"), (0, "0 B")]
)
def test_bytes_are_shown_in_the_largest_unit_that_divides_them(size: int, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("timeout = " + "9" * 400, "config.value"),
        ("shards = " + "9" * 400, "config.value"),
        (f'max_batch_bytes = "{"9" * 400}"', "config.value"),
        (f'timeout = "{"9" * 400}"', "config.value"),
        (f'shards = "{"9" * 5000}"', "config.value"),
        ("timeout = " + "9" * 5000, "config.file.syntax"),
        ("labels = " + "[" * 5000, "config.file.syntax"),
    ],
    ids=lambda text: text[:30],
)
def test_a_number_or_a_nesting_beyond_all_limits_is_an_error_of_the_file(line: str, code: str) -> None:
    text = f"[targets.acme]\nurl = 'http://a:1'\n{line}\n"

    def loaded() -> None:
        config = parse(text, Path("magictel.toml"), "magictel.toml")
        resolve_settings("acme", "acme", AcmeSettings, environment={}, config=config)

    with pytest.raises(SettingsError) as caught:
        loaded()
    assert caught.value.code == code
