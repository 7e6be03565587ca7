"""Edits of the file: what is asked for changes, every comment stays."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.errors import SettingsError, UsageError
from magictel.settings import edit
from magictel.settings.fields import field_map
from tests.settings.acme import AcmeSettings

TEXT = """\
# the head

# about prod
[targets.prod-es] # ours
exporter = "elasticsearch" # the first
url = [ # both
  "http://a:1", # [targets.x]
  "http://b:1",
]

# about canary
[targets.canary]
exporter = "elasticsearch"
enabled = false   # until it is fixed

[targets.canary.headers]
X-A = "1"  # a header

# the end
"""


def comments(text: str) -> list[str]:
    return [line[line.index("#") :].rstrip() for line in text.splitlines() if "#" in line]


def test_adding_keeps_every_byte_before() -> None:
    added = edit.add_target(TEXT, "new", "file", {"path": "x", "headers": {"X-B": "2"}, "shards": 3, "url": ["a"]})
    assert added.startswith(TEXT.rstrip("\n"))
    assert tomllib.loads(added)["targets"]["new"] == {
        "exporter": "file",
        "path": "x",
        "headers": {"X-B": "2"},
        "shards": 3,
        "url": ["a"],
    }


@pytest.mark.parametrize(
    "before", ["", "# only a comment\n", edit.HEAD, "[targets]\n", "[targets]\na.exporter = 'x'\n"]
)
def test_adding_to_any_start_gives_a_valid_file(before: str) -> None:
    added = edit.add_target(before, "new", "file", {})
    assert tomllib.loads(added)["targets"]["new"] == {"exporter": "file"}
    assert comments(added) == comments(before)


def test_a_target_that_is_there_is_not_added_again_under_either_spelling() -> None:
    with pytest.raises(UsageError, match="prod-es"):
        edit.add_target(TEXT, "prod_es", "file", {})


def test_removing_takes_only_the_tables_own_lines() -> None:
    removed = edit.remove_target(TEXT, "prod_es")
    assert set(tomllib.loads(removed)["targets"]) == {"canary"}
    assert comments(removed) == ["# the head", "# about prod", "# about canary", *comments(TEXT)[-3:]]


def test_removing_takes_the_tables_under_it_too() -> None:
    removed = edit.remove_target(TEXT, "canary")
    assert set(tomllib.loads(removed)["targets"]) == {"prod-es"}
    assert comments(removed) == [*comments(TEXT)[:7], "# the end"]


def test_removing_works_on_other_ways_to_write_a_target() -> None:
    text = "# one\n[targets]\na.exporter = 'x' # two\na.url = 'y'\nb = { exporter = 'z' } # three\n"
    removed = edit.remove_target(text, "a")
    assert tomllib.loads(removed) == {"targets": {"b": {"exporter": "z"}}}
    assert "# one" in removed
    assert "# three" in removed


def test_removing_works_where_the_file_begins_with_the_target() -> None:
    text = "[targets.a]\nexporter = 'file'\n# about b\n[targets.b]\nexporter = 'file'\n"
    assert edit.remove_target(text, "a") == "# about b\n[targets.b]\nexporter = 'file'\n"


def test_removing_the_last_target_leaves_a_file_without_targets() -> None:
    assert tomllib.loads(edit.remove_target("# x\n[targets.a]\nexporter = 'y'\n", "a")) == {}


def test_disabling_writes_one_line_beside_the_exporter() -> None:
    disabled = edit.set_enabled(TEXT, "prod-es", False)
    assert disabled == TEXT.replace("# the first\n", "# the first\nenabled = false\n")


def test_enabling_changes_the_value_and_keeps_its_comment() -> None:
    enabled = edit.set_enabled(TEXT, "canary", True)
    assert enabled == TEXT.replace("enabled = false ", "enabled = true ")


def test_nothing_is_written_where_nothing_changes() -> None:
    assert edit.set_enabled(TEXT, "prod-es", True) == TEXT
    assert edit.set_enabled(TEXT, "canary", False) == TEXT


def test_disabling_works_where_the_file_ends_in_the_header() -> None:
    assert tomllib.loads(edit.set_enabled("[targets.file]", "file", False))["targets"]["file"] == {"enabled": False}


def test_an_unknown_target_is_wrong_usage_with_the_near_ones() -> None:
    for change in (lambda: edit.remove_target(TEXT, "canari"), lambda: edit.set_enabled(TEXT, "canari", True)):
        with pytest.raises(UsageError, match="Did you mean canary"):
            change()


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, TEXTS, max_size=3), min_size=1, max_size=4), st.data())
def test_any_sequence_of_edits_gives_the_document_that_was_asked_for(
    tables: dict[str, dict[str, str]], data: st.DataObject
) -> None:
    text = "# head\n"
    wanted: dict[str, dict[str, object]] = {}
    for name, values in tables.items():
        clean = {key: value for key, value in values.items() if key not in ("exporter", "enabled")}
        text = edit.add_target(text, name, "acme", clean)
        wanted[name] = {"exporter": "acme", **clean}
    flipped = data.draw(st.sampled_from(sorted(wanted)))
    text = edit.set_enabled(text, flipped, False)
    wanted[flipped]["enabled"] = False
    assert tomllib.loads(text)["targets"] == wanted
    gone = data.draw(st.sampled_from(sorted(wanted)))
    text = edit.remove_target(text, gone)
    del wanted[gone]
    assert tomllib.loads(text).get("targets", {}) == wanted
    assert text.startswith("# head\n")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("verify", "no", False),
        ("shards", "3", 3),
        ("timeout", "30", 30),
        ("timeout", "30s", "30s"),
        ("url", "http://a:1,http://b:1", ["http://a:1", "http://b:1"]),
        ("url", "${URL}", "${URL}"),
        ("token", "file:x", "file:x"),
        ("labels", "a=b", {"a": "b"}),
        ("tenant", "7", "7"),
        ("shards", "many", "many"),
        ("nothing", "1", "1"),
    ],
)
def test_an_option_is_written_as_a_person_would(key: str, text: str, value: object) -> None:
    assert edit.toml_of(field_map(AcmeSettings).get(key), text) == value


def test_a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_rights(tmp_path: Path) -> None:
    new, old = tmp_path / "new.toml", tmp_path / "old.toml"
    old.write_text("x")
    old.chmod(0o644)
    for path in (new, old):
        edit.write(path, "a = 'ü'\n")
        assert path.read_bytes() == "a = 'ü'\n".encode()
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert stat.S_IMODE(old.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.toml", "old.toml"]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("x")
    (tmp_path / "link.toml").symlink_to("real.toml")
    edit.write(tmp_path / "link.toml", "y")
    assert (tmp_path / "link.toml").is_symlink()
    assert (tmp_path / "real.toml").read_text() == "y"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        edit.write(tmp_path / "none" / "m.toml", "x")
    assert caught.value.code == "config.file.unwritable"
