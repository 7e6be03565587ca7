"""`magictel.toml`: found, read, and refused with file and line."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from magictel.errors import SettingsError
from magictel.settings.file import parse
from magictel.settings.locate import find
from magictel.settings.toml_lines import key_lines, line_of

WHOLE = '''\
# targets = "no"

[targets.prod-es] # production
exporter = "elasticsearch"
url = [
  "https://a:9200", # [targets.fake]
  "https://b:9200",
]
api_key = """
key = 1
"""
note = \'\'\'[targets.other]\'\'\'
"quoted key" = 'x # y'
headers = { X-A = "}", "X-B" = "1" }

[targets.prod-es.labels]
team = "a"

[targets]
other.exporter = "file"
other.enabled = false
'''


def test_every_key_has_its_line() -> None:
    lines = key_lines(WHOLE)
    rows = WHOLE.splitlines()
    for path, starts in {
        ("targets", "prod-es"): "[targets.prod-es]",
        ("targets", "prod-es", "exporter"): "exporter",
        ("targets", "prod-es", "url"): "url",
        ("targets", "prod-es", "api_key"): "api_key",
        ("targets", "prod-es", "note"): "note",
        ("targets", "prod-es", "quoted key"): '"quoted key"',
        ("targets", "prod-es", "headers"): "headers",
        ("targets", "prod-es", "labels"): "[targets.prod-es.labels]",
        ("targets", "prod-es", "labels", "team"): "team",
        ("targets", "other", "exporter"): "other.exporter",
        ("targets", "other", "enabled"): "other.enabled",
    }.items():
        assert rows[lines[path] - 1].startswith(starts), path
    assert ("targets", "fake") not in lines
    assert line_of(lines, ("targets", "prod-es", "headers", "X-A")) == lines["targets", "prod-es", "headers"]


def test_the_lines_hold_for_every_key_of_a_file_in_other_line_endings() -> None:
    text = WHOLE.replace("\n", "\r\n").replace("\"quoted key\" = 'x # y'\r\n", "")
    config = parse(b"\xef\xbb\xbf" + text.encode(), Path("m.toml"), "m.toml")
    assert list(config.tables) == ["prod-es", "other"]
    assert str(config.tables["prod-es"].values["url"][1]) == "m.toml:5"
    assert str(config.tables["other"].enabled_by) == "m.toml:20"
    assert config.tables["other"].enabled is False


def test_a_table_without_an_exporter_is_one_of_its_own_name() -> None:
    assert parse("[targets.file]\n", Path("m.toml"), "m.toml").tables["file"].exporter == "file"


def test_the_valid_document_of_these_tests_is_valid() -> None:
    assert set(tomllib.loads(WHOLE)["targets"]) == {"prod-es", "other"}


BROKEN = {
    "no TOML": ("[targets.a]\nurl = http://x\n", "config.file.syntax", "m.toml:2"),
    "an open text": ('[targets.a]\n\nurl = "x\n', "config.file.syntax", "m.toml:3"),
    "ended too early": ("[targets.a]\nurl = [\n", "config.file.syntax", "m.toml:2"),
    "a key twice": ("[targets.a]\nurl = 1\nurl = 2\n", "config.file.syntax", "m.toml:3"),
    "a key twice in two spellings": ("[targets.a]\nca_file = 'x'\nca-file = 'y'\n", "config.key.duplicate", "m.toml:3"),
    "an unknown table": ("[target.a]\nurl = 1\n", "config.unknown-key", "m.toml:1"),
    "targets that is no table": ("targets = 5\n", "config.file.shape", "m.toml:1"),
    "a target that is no table": ("[targets]\na = 5\n", "config.file.shape", "m.toml:2"),
    "a list of targets": ("[[targets]]\nname = 'a'\n", "config.file.shape", "m.toml:1"),
    "an exporter that is no name": ("[targets.a]\nexporter = 3\n", "config.file.shape", "m.toml:2"),
    "an exporter that controls a terminal": ('[targets.a]\nexporter = "\\u001b[2J"\n', "config.file.shape", "m.toml:2"),
    "enabled that is neither": ("[targets.a]\nenabled = 'no'\n", "config.file.shape", "m.toml:2"),
    "a target's name with a dot": ('[targets."a.b"]\n', "config.target.name", "m.toml:1"),
    "two spellings of one target": ("[targets.a-b]\n[targets.a_b]\n", "config.target.duplicate", "m.toml:2"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_its_line(case: str) -> None:
    text, code, origin = BROKEN[case]
    with pytest.raises(SettingsError) as caught:
        parse(text, Path("m.toml"), "m.toml")
    assert (caught.value.code, caught.value.origin) == (code, origin)
    assert caught.value.remedy


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(SettingsError) as caught:
        parse(b"# a\n# b\n\xff", Path("m.toml"), "m.toml")
    assert caught.value.origin == "m.toml:3"


def test_the_file_is_found_by_option_then_variable_then_folder(tmp_path: Path) -> None:
    for name in ("magictel.toml", "by-variable.toml", "by-option.toml"):
        (tmp_path / name).write_text(f"[targets.{name.partition('.')[0]}]\n")

    def shown_path(option: str | None, environment: dict[str, str]) -> str:
        config = find(option, environment, tmp_path)
        assert config is not None
        return config.shown

    variable = {"MAGICTEL_CONFIG": "by-variable.toml"}
    assert shown_path("by-option.toml", variable) == "by-option.toml"
    assert shown_path(None, variable) == "by-variable.toml"
    assert shown_path(None, {}) == "magictel.toml"


def test_no_file_is_fine_unless_somebody_named_it(tmp_path: Path) -> None:
    assert find(None, {}, tmp_path) is None
    for option, environment, origin in (
        ("x.toml", {}, "--config"),
        (None, {"MAGICTEL_CONFIG": "x"}, "MAGICTEL_CONFIG"),
    ):
        with pytest.raises(SettingsError) as caught:
            find(option, environment, tmp_path)
        assert (caught.value.code, caught.value.origin) == ("config.file.missing", origin)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").mkdir()
    with pytest.raises(SettingsError) as caught:
        find(None, {}, tmp_path)
    assert caught.value.code == "config.file.unreadable"


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_bytes(b"#" * 1_048_577)
    with pytest.raises(SettingsError) as caught:
        find("large.toml", {}, tmp_path)
    assert caught.value.code == "config.file.unreadable"
    assert "larger than 1 MiB" in caught.value.message


@pytest.mark.parametrize("named", [True, False])
def test_a_pipe_or_a_device_is_refused_without_waiting_for_it(tmp_path: Path, named: bool) -> None:
    os.mkfifo(tmp_path / "magictel.toml")
    with pytest.raises(SettingsError) as caught:
        find("magictel.toml" if named else None, {}, tmp_path)
    assert caught.value.code == "config.file.unreadable"
    assert "it is a named pipe, not a regular file" in caught.value.message
    assert caught.value.remedy == "name a regular file of targets"
    with pytest.raises(SettingsError, match="it is a device, not a regular file"):
        find("/dev/zero", {}, Path())


def test_a_folder_is_told_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        find(str(tmp_path), {}, tmp_path)
    assert (caught.value.remedy or "").startswith("name a file")
