"""Which targets a command works on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from magictel.errors import SettingsError, UsageError
from magictel.settings.file import ConfigFile, parse
from magictel.settings.select import TargetSpec, parse_overrides, select, targets

EXPORTERS = ("elasticsearch", "opensearch", "prometheus-remote-write", "file")
FILE = """\
[targets.prod-es]
exporter = "elasticsearch"
[targets.canary]
exporter = "elasticsearch"
enabled = false
[targets.file]
exporter = "opensearch"
"""


def file_of(text: str) -> ConfigFile:
    return parse(text, Path("m.toml"), "m.toml")


def chosen(
    named: Sequence[str] = (), enabled: str | None = None, text: str | None = FILE, everything: bool = False
) -> list[tuple[str, str]]:
    environment = {} if enabled is None else {"ENABLED_EXPORTERS": enabled}
    config = None if text is None else file_of(text)
    selected = select(named, all=everything, config=config, environment=environment, exporters=EXPORTERS)
    return [(spec.name, spec.exporter) for spec in selected]


def test_a_name_is_a_target_before_it_is_an_exporter() -> None:
    assert chosen(["file"]) == [("file", "opensearch")]
    assert chosen(["file"], text=None) == [("file", "file")]


def test_targets_come_in_the_order_given_each_once() -> None:
    assert chosen(["opensearch", "prod-es", "prod_es", "opensearch"]) == [
        ("opensearch", "opensearch"),
        ("prod-es", "elasticsearch"),
    ]


def test_names_treat_both_dashes_as_equal() -> None:
    assert chosen(["prod_es", "prometheus_remote_write"]) == [
        ("prod-es", "elasticsearch"),
        ("prometheus-remote-write", "prometheus-remote-write"),
    ]


def test_a_disabled_target_counts_when_it_is_named() -> None:
    assert chosen(["canary"]) == [("canary", "elasticsearch")]


def test_nothing_named_takes_the_files_enabled_targets_in_its_order() -> None:
    assert chosen() == [("prod-es", "elasticsearch"), ("file", "opensearch")]


def test_all_takes_the_files_disabled_targets_too() -> None:
    assert [name for name, _ in chosen(everything=True)] == ["prod-es", "canary", "file"]


def test_the_variable_decides_instead_of_the_file() -> None:
    assert chosen(enabled="canary, elasticsearch,") == [
        ("canary", "elasticsearch"),
        ("elasticsearch", "elasticsearch"),
    ]


def test_an_empty_variable_counts_as_unset() -> None:
    assert chosen(enabled=" , ") == chosen()


def test_what_a_target_is_enabled_by_is_told() -> None:
    def rows(environment: dict[str, str]) -> list[tuple[str, bool, str]]:
        specs: tuple[TargetSpec, ...] = targets(file_of(FILE), environment)
        return [(spec.name, spec.enabled, str(spec.enabled_by)) for spec in specs]

    assert rows({}) == [("prod-es", True, "m.toml:1"), ("canary", False, "m.toml:5"), ("file", True, "m.toml:6")]
    assert rows({"ENABLED_EXPORTERS": "canary"}) == [
        ("prod-es", False, "ENABLED_EXPORTERS"),
        ("canary", True, "ENABLED_EXPORTERS"),
        ("file", False, "ENABLED_EXPORTERS"),
    ]


def test_an_unknown_name_lists_the_near_ones() -> None:
    with pytest.raises(UsageError) as caught:
        chosen(["elastcsearch"])
    assert caught.value.code == "usage.unknown-target"
    assert 'No target or exporter is called "elastcsearch". Did you mean elasticsearch' in caught.value.message


def unusable(enabled: str) -> dict[str, SettingsError | None]:
    environment = {"ENABLED_EXPORTERS": enabled}
    return {
        spec.name: spec.unusable
        for spec in select((), config=file_of(FILE), environment=environment, exporters=EXPORTERS)
    }


def test_each_unknown_name_of_the_variable_is_a_target_of_its_own_that_cannot_be_used() -> None:
    targets_ = unusable("elastcsearch,prod_es, logstash ,file")
    assert list(targets_) == ["elastcsearch", "prod-es", "logstash", "file"]
    near, far = targets_["elastcsearch"], targets_["logstash"]
    assert near is not None
    assert far is not None
    assert (near.code, near.origin) == ("config.unknown-target", "ENABLED_EXPORTERS")
    assert "Did you mean elasticsearch" in near.message
    assert 'No target or exporter is called "logstash". Known: prod-es' in far.message
    assert targets_["prod-es"] is None
    assert targets_["file"] is None


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_the_variable_are_named_and_the_names_in_them_shown(quote: str) -> None:
    targets_ = unusable(f"{quote}elasticsearch,canary{quote}")
    assert list(targets_) == ["elasticsearch", "canary"]
    for failure in targets_.values():
        assert failure is not None
        assert failure.code == "config.quotes"
        assert failure.message.startswith("ENABLED_EXPORTERS is in quotes")
        assert failure.remedy == "write ENABLED_EXPORTERS=elasticsearch,canary"


@pytest.mark.parametrize("written", ["file canary", "file;canary"])
def test_names_without_a_comma_between_them_are_told_to_have_one(written: str) -> None:
    (failure,) = unusable(written).values()
    assert failure is not None
    assert "with commas" in failure.message
    assert failure.remedy == "write file,canary"


def test_only_names_that_are_about_as_near_are_listed() -> None:
    from magictel.settings.names import near

    assert near("elastcsearch", EXPORTERS) == ("elasticsearch",)
    assert near("sharts", ("headers", "shards")) == ("shards",)
    assert near("remote", EXPORTERS) == ("prometheus-remote-write",)
    assert near("ES", ("elasticsearch", "es-1", "es-2")) == ("es-1", "es-2")
    assert near("zzz", EXPORTERS) == ()


def test_an_unknown_name_that_is_near_nothing_lists_them_all() -> None:
    with pytest.raises(UsageError) as caught:
        chosen(["zzz"])
    for name in (*EXPORTERS, "prod-es", "canary"):
        assert name in caught.value.message


def test_with_nothing_enabled_and_nothing_named_three_lines_say_what_to_do_next() -> None:
    for text in (None, ""):
        with pytest.raises(SettingsError) as caught:
            chosen(text=text)
        assert caught.value.code == "config.nothing-enabled"
        assert caught.value.message == "Nothing is enabled and nothing was named."
        assert (caught.value.remedy or "").split("\n") == [
            "  try it without a server:    magictel send-sample --sandbox",
            "  name an exporter:           magictel check elasticsearch",
            "  create a file of targets:   magictel init",
        ]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (
            "[targets.a]\nexporter = 'file'\nenabled = false\n",
            [
                "  enable it:                    magictel enable a --config m.toml",
                "  use it without enabling it:   magictel check a --config m.toml",
            ],
        ),
        (
            "[targets.a]\nexporter = 'file'\nenabled = false\n[targets.b]\nexporter = 'file'\nenabled = false\n",
            [
                "  enable one:                   magictel enable a --config m.toml",
                "  use it without enabling it:   magictel check a --config m.toml",
                "  use all of them:              magictel check --all --config m.toml",
            ],
        ),
    ],
)
def test_with_disabled_targets_only_the_next_steps_name_them(text: str, steps: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        chosen(text=text)
    assert caught.value.code == "config.nothing-enabled"
    assert caught.value.message == "No target of m.toml is enabled, and none was named."
    assert (caught.value.remedy or "").split("\n") == steps


def options(written: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, str]]:
    sets = parse_overrides(written, names)
    return {name: {key: text for key, (text, _) in sets[name].items()} for name in names}


def test_a_bare_option_is_the_only_targets() -> None:
    assert options(["url=http://a=b", "ca-file=x"], ["a"]) == {"a": {"url": "http://a=b", "ca_file": "x"}}


def test_an_option_can_name_its_target_under_either_spelling() -> None:
    assert options(["prod_es.url=x", "b.headers.X-A=y"], ["prod-es", "b"]) == {
        "prod-es": {"url": "x"},
        "b": {"headers.X-A": "y"},
    }


def test_an_entry_of_a_table_needs_no_target_where_there_is_one() -> None:
    assert options(["headers.X-A=y"], ["a"]) == {"a": {"headers.X-A": "y"}}


@pytest.mark.parametrize(
    ("written", "names", "words"),
    [
        ("url=s3cr3t", ["a", "b"], "ambiguous, 2 targets"),
        ("prodes.url=s3cr3t", ["prod-es", "b"], "Did you mean prod-es"),
        ("s3cr3t", ["a"], "key=value"),
        ("=s3cr3t", ["a"], "key=value"),
    ],
)
def test_an_option_that_fits_no_target_or_several_is_wrong_usage(written: str, names: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_overrides([written], names)
    assert words in caught.value.message
    assert caught.value.remedy
    assert "s3cr3t" not in f"{caught.value.message}{caught.value.remedy}"
