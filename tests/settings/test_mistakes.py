"""Every mistake in a setting: its code, and a sentence that names the field, the origin and a remedy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from magictel.errors import SettingsError, UsageError
from magictel.settings.file import parse
from magictel.settings.load import resolve_settings
from magictel.settings.model import Problem
from magictel.settings.reading import UnusableSettings
from magictel.settings.select import parse_overrides
from tests.settings.acme import AcmeSettings, NeedySettings

VARIABLES = {
    "an unknown choice": ("ACME_LEVEL", "hihg", "config.value", "level", "Did you mean high?"),
    "a number that is none": ("ACME_SHARDS", "many", "config.value", "shards", '"many" is not a whole number'),
    "a number below its bound": ("ACME_SHARDS", "0", "config.value", "shards", "at least 1"),
    "a number above its bound": ("ACME_SHARDS", "9", "config.value", "shards", "at most 8"),
    "a part of a whole number": ("ACME_SHARDS", "1.5", "config.value", "shards", "whole number"),
    "not finite": ("ACME_RATIO", "nan", "config.value", "ratio", '"nan" is not a number'),
    "a duration without a number": ("ACME_TIMEOUT", "soon", "config.value", "timeout", "duration"),
    "a duration of no time": ("ACME_TIMEOUT", "0s", "config.value", "timeout", "more than 0"),
    "a negative duration": ("ACME_TIMEOUT", "-5", "config.value", "timeout", "duration"),
    "an unknown unit": ("ACME_TIMEOUT", "3 weeks", "config.value", "timeout", "duration"),
    "a size without a number": ("ACME_MAX_BATCH_BYTES", "big", "config.value", "max_batch_bytes", "size"),
    "half a byte": ("ACME_OUTBOX_BYTES", "0.5", "config.value", "outbox_bytes", "size"),
    "a switch that is neither": ("ACME_VERIFY", "perhaps", "config.value", "verify", "true or false"),
    "an empty address": ("ACME_URL", "", "config.url.empty", "url", "empty"),
    "an empty secret": ("ACME_TOKEN", "", "config.secret.empty", "token", "empty"),
    "a secret of white space": ("ACME_TOKEN", " \n", "config.secret.empty", "token", "empty"),
    "a secret with a pasted space": (
        "ACME_TOKEN",
        "ab\u00a0cd",
        "config.secret.non-ascii",
        "token",
        "character 3 of 5",
    ),
    "a secret with a line break": ("ACME_TOKEN", "ab\ncd", "config.secret.whitespace", "token", "character 3 of 5"),
    "a secret file that is not there": ("ACME_TOKEN", "file:/no/where", "config.secret.file", "token", "/no/where"),
    "an unset variable": ("ACME_TENANT", "${NOPE}", "config.variable-unset", "tenant", "${NOPE}"),
    "an unset variable in a host": ("ACME_URL", "http://${NOPE}:1", "config.url.unexpanded-variable", "url", "${NOPE}"),
    "an unset variable in a password": ("ACME_URL", "http://u:${NOPE}@h", "config.variable-unset", "url", "${NOPE}"),
    "a reference that does not close": ("ACME_TENANT", "a${b", "config.value", "tenant", "not closed"),
    "a reference to no name": ("ACME_TENANT", "${1}", "config.value", "tenant", "names no variable"),
    "an open reference in an address": ("ACME_URL", "http://${A", "config.url.unexpanded-variable", "url", "closed"),
    "a secret file without a path": ("ACME_TOKEN", "file:", "config.secret.file", "token", "names no file"),
    "a control character in a path": ("ACME_CA_FILE", "a\x00b", "config.value", "ca_file", "character 2 of 3 (U+0000)"),
    "a control character in a pattern": (
        "ACME_DROP_ATTRIBUTES",
        "a,b\x1b",
        "config.value",
        "drop_attributes",
        "U+001B",
    ),
    "a fingerprint that is none": ("ACME_CA_FINGERPRINT", "zz", "config.tls.fingerprint", "ca_fingerprint", "64 hex"),
    "a proxy of a foreign kind": ("ACME_PROXY", "socks5://h:1", "config.proxy.bad-scheme", "proxy", "socks5"),
    "a header's name in braces": ("ACME_HEADERS", '{a="b"}', "config.value", "headers", "header name"),
    "what only the file decides": ("MAGICTEL_ACME__ENABLED", "0", "config.unknown-key", "enabled", "only in the file"),
    "headers without a name": ("ACME_HEADERS", "bare", "config.value", "headers", "entry 1"),
    "an empty header": ("ACME_HEADERS", "X-A=", "config.secret.empty", "headers.X-A", "empty"),
}


@pytest.mark.parametrize("case", VARIABLES)
def test_a_mistake_in_a_variable_names_field_origin_and_remedy(case: str) -> None:
    name, value, code, field, words = VARIABLES[case]
    config = parse('[targets.acme]\nexporter = "acme"\n', Path("m.toml"), "m.toml") if "MAGICTEL" in name else None
    with pytest.raises(SettingsError) as caught:
        resolve_settings("acme", "acme", AcmeSettings, environment={name: value}, config=config)
    failure = caught.value
    assert failure.code == code
    assert failure.message.startswith(f"{field}: ")
    assert words in failure.message
    assert failure.origin == name
    assert failure.remedy


FILES = {
    "a wrong type": ("shards = true", "config.value", "shards"),
    "a number for a text": ("tenant = 5", "config.value", "tenant"),
    "a list with a number": ("url = [5]", "config.value", "url"),
    "a text where a table belongs": ("labels = 'x'", "config.value", "labels"),
    "a number where secrets belong": ("headers = 3", "config.value", "headers"),
    "a list where a secret belongs": ("token = ['a']", "config.value", "token"),
    "a date": ("timeout = 2026-01-01", "config.value", "timeout"),
    "infinity": ("timeout = inf", "config.value", "timeout"),
    "an unknown key": ("tennant = 'x'", "config.unknown-key", "tennant"),
    "a key that is a table": ("tenant = { a = 1 }", "config.value", "tenant"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_mistake_in_the_file_names_field_and_line(case: str) -> None:
    line, code, field = FILES[case]
    config = parse(f'# one\n[targets.a]\nexporter = "acme"\n{line}\n', Path("magictel.toml"), "magictel.toml")
    with pytest.raises(SettingsError) as caught:
        resolve_settings("a", "acme", AcmeSettings, environment={}, config=config)
    failure = caught.value
    assert (failure.code, failure.origin) == (code, "magictel.toml:4")
    assert failure.message.startswith(f"{field}: ")
    assert failure.remedy


def test_an_unknown_key_says_what_may_have_been_meant() -> None:
    with pytest.raises(SettingsError, match="Did you mean tenant"):
        resolve_settings(
            "a", "acme", AcmeSettings, environment={}, overrides=parse_overrides(["tennant=x"], ["a"])["a"]
        )


def test_an_unknown_key_in_an_own_variable_is_an_error_too() -> None:
    config = parse('[targets.a]\nexporter = "acme"\n', Path("magictel.toml"), "magictel.toml")
    with pytest.raises(SettingsError) as caught:
        resolve_settings("a", "acme", AcmeSettings, environment={"MAGICTEL_A__TENNANT": "x"}, config=config)
    assert (caught.value.code, caught.value.origin) == ("config.unknown-key", "MAGICTEL_A__TENNANT")


def test_a_required_option_names_its_variable() -> None:
    with pytest.raises(UnusableSettings) as caught:
        resolve_settings("needy", "needy", NeedySettings, environment={})
    assert [failure.code for failure in caught.value.every] == ["config.required", "config.required"]
    assert "NEEDY_URL" in caught.value.message


def test_every_mistake_is_kept_not_only_the_first() -> None:
    with pytest.raises(UnusableSettings) as caught:
        resolve_settings(
            "a", "acme", AcmeSettings, environment={"ACME_SHARDS": "x", "ACME_VERIFY": "x", "ACME_TIMEOUT": "x"}
        )
    assert len(caught.value.every) == 3


def test_what_the_model_itself_finds_has_the_origin_of_its_field() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_settings("a", "acme", AcmeSettings, environment={"ACME_TOKEN": "aaaa", "ACME_PASS": "bbbb"})
    assert (caught.value.message, caught.value.origin) == ("token: token and password are both set", "ACME_TOKEN")


def test_an_unset_variable_suggests_a_near_one() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_settings("a", "acme", AcmeSettings, environment={"ACME_TENANT": "${TENNANT}", "TENANT": "x"})
    assert "Did you mean TENANT" in (caught.value.remedy or "")


def test_what_is_missing_is_told_with_the_origin_of_what_asks_for_it() -> None:
    class Login(AcmeSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
        def problems(self) -> Iterable[Problem]:
            yield "password", "config.credentials", "password: username is set and password is not", "set it"

    with pytest.raises(SettingsError) as caught:
        resolve_settings("acme", "acme", Login, environment={"ACME_USERNAME": "u"})
    assert caught.value.origin == "ACME_USERNAME"


def test_a_target_that_is_not_chosen_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="canary is not among the chosen targets"):
        parse_overrides(["canary.url=http://h:1"], ["prod"], ["canary", "prod"])
    assert "labels.canary" in parse_overrides(["labels.canary=x"], ["prod"], ["canary", "prod"])["prod"]
