"""`--set` in every command that takes a target: what it means there, and that no value leaks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.cli import commands
from tests.cli.conftest import FILE, Magictel

pytestmark = pytest.mark.usefixtures("acme")


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    for key, section in inner.items():
        yield from _commands(section, f"{name} {key}")
    if not inner:
        yield name, command


def _every_command() -> Iterator[tuple[str, Any]]:
    for row in commands.COMMANDS:
        yield from _commands(commands.load(row), row.name)


def _names_a_target(command: Any) -> bool:
    return any({"target", "targets", "exporter", "name", "to"} & {parameter.name or ""} for parameter in command.params)


def test_every_command_that_takes_a_target_takes_set() -> None:
    takes = {name: command for name, command in _every_command() if _names_a_target(command)}
    without = {
        name for name, command in takes.items() if not any("--set" in parameter.opts for parameter in command.params)
    }
    assert {"describe", "remove", "enable", "disable", "check", "send-sample", "replay", "config show"} <= takes.keys()
    assert without == {"conformance"}  # it takes an exporter, and no settings of anybody


@pytest.mark.parametrize("switch", ["enable", "disable"])
def test_a_switch_writes_the_option_beside_it_and_keeps_the_comments(
    switch: str, magictel: Magictel, file: Path
) -> None:
    ran = magictel(switch, "green", "--set", "shards=5", "--set", "url=http://h:1")
    assert (ran.code, ran.out) == (0, f"green is {switch}d in magictel.toml, with 2 options set\n")
    text = file.read_text()
    assert text.startswith(FILE.rpartition("\n[targets.green]")[0])
    assert tomllib.loads(text)["targets"]["green"] == {
        "exporter": "acme",
        **({} if switch == "enable" else {"enabled": False}),
        "shards": 5,
        "url": ["http://h:1"],
    }


def test_a_switch_replaces_what_stands_there(magictel: Magictel, file: Path) -> None:
    assert magictel("disable", "blue", "--set", "shards=7").code == 0
    assert file.read_text() == FILE.replace("shards = 3", "shards = 7").replace(
        'exporter = "acme"\ntoken', 'exporter = "acme"\nenabled = false\ntoken'
    )


@pytest.mark.parametrize(
    ("switch", "value", "code", "exit_code"),
    [
        ("enable", "shards=many", "config.value", 78),
        ("disable", "shard=5", "config.unknown-key", 78),
        ("enable", "shards", "usage.set", 2),
        ("enable", "red.shards=5", "config.unknown-key", 78),
        ("enable", "token=${NOT_SET_HERE}", "config.variable-unset", 78),
    ],
)
def test_a_switch_refuses_what_does_not_validate(
    switch: str, value: str, code: str, exit_code: int, magictel: Magictel, file: Path
) -> None:
    ran = magictel(switch, "green", "--set", value, "--format", "json")
    assert (ran.code, ran.document["code"]) == (exit_code, code)
    assert file.read_text() == FILE


def test_a_switch_takes_missing_variables_as_given_later(magictel: Magictel, file: Path) -> None:
    assert magictel("enable", "green", "--set", "token=${NOT_SET_HERE}", "--allow-missing-env").code == 0
    assert tomllib.loads(file.read_text())["targets"]["green"]["token"] == "${NOT_SET_HERE}"


def test_a_switch_says_that_a_secret_stands_in_clear_and_does_not_show_it(magictel: Magictel, file: Path) -> None:
    ran = magictel("enable", "green", "--set", "token=s3cr3t-again")
    assert ran.code == 0
    assert "token is in plain text in magictel.toml" in ran.err
    preview = magictel("disable", "green", "--set", "token=s3cr3t-third", "--dry-run")
    assert "s3cr3t" not in ran.out + ran.err + preview.out + preview.err


def test_remove_with_the_value_in_force_removes(magictel: Magictel, file: Path) -> None:
    assert magictel("remove", "blue", "--set", "shards=3", "--set", "token=s3cr3t-in-clear").code == 0
    assert list(tomllib.loads(file.read_text())["targets"]) == ["green"]


@pytest.mark.parametrize("value", ["shards=4", "token=another", "token=${NOT_SET_HERE}", "shard=3", "shards=many"])
def test_remove_with_another_value_removes_nothing_and_shows_no_value(
    value: str, magictel: Magictel, file: Path
) -> None:
    ran = magictel("remove", "blue", "--set", value, "--format", "json")
    assert (ran.code, ran.document["code"]) == (2, "usage.guard")
    assert "s3cr3t" not in ran.out + ran.err
    assert file.read_text() == FILE


def test_describe_shows_what_was_set_and_masks_secrets(magictel: Magictel, file: Path) -> None:
    plain = magictel("describe", "green", "--set", "shards=7", "--set", "token=s3cr3t-third")
    rows = {
        row["name"]: row["value"]
        for row in magictel(
            "describe", "green", "--set", "shards=7", "--set", "token=s3cr3t-third", "--format", "json"
        ).document["options"]
    }
    schema = magictel("describe", "green", "--set", "shards=7", "--format", "json-schema").document
    sample = magictel("describe", "green", "--set", "shards=7", "--set", "token=s3cr3t-third", "--format", "toml").out
    assert "set to 7" in plain.out
    assert (rows["shards"], rows["url"]) == ("7", None)
    assert schema["properties"]["shards"]["default"] == 7
    assert tomllib.loads(sample)["targets"]["acme"]["shards"] == 7
    assert "s3cr3t" not in plain.out + sample + str(rows)


def test_describe_refuses_a_value_that_the_option_does_not_take(magictel: Magictel, file: Path) -> None:
    ran = magictel("describe", "acme", "--set", "shards=many", "--format", "json")
    assert (ran.code, ran.document["code"]) == (78, "config.value")
    ran = magictel("describe", "acme", "--set", "shard=4", "--format", "json")
    assert (ran.code, ran.document["code"]) == (78, "config.unknown-key")


@pytest.mark.parametrize("name", ["console", "prometheus_remote_write"])
def test_add_refuses_a_name_that_hides_another_exporter(name: str, magictel: Magictel, file: Path) -> None:
    ran = magictel("add", "acme", "--as", name, "--format", "json")
    assert (ran.code, ran.document["code"]) == (2, "usage.target-shadows")
    assert file.read_text() == FILE


def test_add_may_take_its_own_exporters_name(magictel: Magictel, file: Path) -> None:
    assert magictel("add", "acme").code == 0
    assert "acme" in tomllib.loads(file.read_text())["targets"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--timeout", "0"),
        ("send-sample", "--within", "0s"),
        ("send-sample", "--deadline", "0ms"),
        ("replay", "@gateway", "--to", "acme", "--deadline", "0"),
        ("sandbox", "--for", "0s"),
        ("record", "--from", "x", "--out", "y", "--every", "0s"),
    ],
)
def test_no_time_at_all_is_wrong_usage(arguments: tuple[str, ...], magictel: Magictel, file: Path) -> None:
    ran = magictel(*arguments)
    assert ran.code == 2
    assert arguments[-2] in ran.err
    assert "leaves no time" in ran.err
