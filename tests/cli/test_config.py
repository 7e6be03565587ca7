"""`config show` and `config check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Magictel

pytestmark = pytest.mark.usefixtures("acme")

FILE = """\
[targets.blue]
exporter = "acme"
url = "https://u:s3cr3t-1@acme.example.net:9"
token = "${BLUE_TOKEN}"
timeout = "250ms"

[targets.green]
exporter = "acme"
enabled = false
"""


@pytest.fixture(autouse=True)
def file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "magictel.toml").write_text(FILE)
    monkeypatch.setenv("MAGICTEL_CONFIG", "magictel.toml")


def test_show_gives_every_option_with_its_origin(magictel: Magictel) -> None:
    ran = magictel("config", "show", "--origin", "--set", "shards=3", BLUE_TOKEN="s3cr3t-2", ACME_TENANT="v")
    assert (ran.code, ran.err) == (0, "")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in ran.out.splitlines()[1:]}
    assert ran.out.splitlines()[0] == "blue  acme"
    assert lines["url"] == '["https://***@acme.example.net:9"] magictel.toml:3'
    assert lines["token"] == '"***" magictel.toml:4'
    assert lines["timeout"] == "250 ms magictel.toml:5"
    assert lines["tenant"] == '"v" ACME_TENANT'
    assert lines["shards"] == "3 --set shards"
    assert lines["outbox_bytes"] == "32 MiB default"
    assert "s3cr3t" not in ran.out


def test_show_without_origin_says_values_only(magictel: Magictel) -> None:
    out = magictel("config", "show", BLUE_TOKEN="s3cr3t-2").out
    assert "magictel.toml:" not in out
    assert "250 ms" in out


def test_show_speaks_json_with_origins_always(magictel: Magictel) -> None:
    document = magictel("config", "show", "--format", "json", BLUE_TOKEN="s3cr3t-2").document
    assert document["schema"] == "magictel.config/1"
    (target,) = document["targets"]
    assert (target["target"], target["exporter"], target["error"]) == ("blue", "acme", None)
    assert target["settings"]["token"] == {"value": "***", "origin": "magictel.toml:4", "layer": "file"}
    assert target["settings"]["tenant"] == {"value": "red", "origin": "default", "layer": "default"}


def test_one_unusable_target_does_not_hide_the_others(magictel: Magictel) -> None:
    ran = magictel("config", "show", "blue", "green")
    assert ran.code == 78
    assert "blue: token: the variable ${BLUE_TOKEN} is not set" in ran.err
    assert "from magictel.toml:4" in ran.err
    assert "green  acme" in ran.out
    document = magictel("config", "show", "blue", "green", "--format", "json").document
    assert [bool(target["error"]) for target in document["targets"]] == [True, False]


def test_check_names_every_mistake_of_every_target(magictel: Magictel) -> None:
    ran = magictel("config", "check", "blue", "green", "--set", "green.shards=99", "--set", "blue.level=hihg")
    assert (ran.code, ran.out) == (78, "")
    for words in ("blue: token: ", "blue: level: ", "green: shards: ", "from --set green.shards", "Did you mean high?"):
        assert words in ran.err
    document = magictel("config", "check", "blue", "green", "--format", "json").document
    assert document["schema"] == "magictel.config-check/1"
    assert document["outcome"] == "fail"
    assert [target["outcome"] for target in document["targets"]] == ["fail", "pass"]
    assert document["targets"][0]["problems"][0]["code"] == "config.variable-unset"


def test_check_passes_what_is_usable(magictel: Magictel) -> None:
    ran = magictel("config", "check", BLUE_TOKEN="s3cr3t-2")
    assert (ran.code, ran.err) == (0, "")
    assert (
        ran.out
        == "blue: settings are usable: url from magictel.toml:3, token from magictel.toml:4, timeout from magictel.toml:5\n"
    )


def test_check_takes_missing_variables_as_given_later_where_that_is_asked_for(magictel: Magictel) -> None:
    assert magictel("config", "check").code == 78
    ran = magictel("config", "check", "--allow-missing-env")
    assert ran.code == 0
    assert "blue: token: ${BLUE_TOKEN} is not set (magictel.toml:4): must be supplied later" in ran.err


def test_a_missing_variable_does_not_excuse_another_mistake(magictel: Magictel) -> None:
    assert magictel("config", "check", "--allow-missing-env", "--set", "level=hihg").code == 78


def test_a_warning_does_not_excuse_what_the_exporter_itself_finds(magictel: Magictel) -> None:
    assert magictel("config", "check", "--allow-missing-env", "--set", "url=http://h:99999").code == 78


def test_an_address_that_is_given_later_is_not_held_against_the_exporters_own_check(
    magictel: Magictel, folder: Path
) -> None:
    (folder / "magictel.toml").write_text('[targets.a]\nexporter = "acme"\nurl = ["http://${HOST_OF_ACME}:1"]\n')
    assert magictel("config", "check").code == 78
    assert magictel("config", "check", "--allow-missing-env").code == 0


def test_what_the_exporter_itself_finds_has_its_origin(magictel: Magictel) -> None:
    ran = magictel("config", "check", "acme", "--format", "json", ACME_URL="http://h:99999")
    problem = ran.document["targets"][0]["problems"][0]
    assert (ran.code, problem["code"], problem["origin"]) == (78, "config.url.bad-port", "ACME_URL")


def test_all_takes_disabled_targets_too(magictel: Magictel) -> None:
    document = magictel("config", "check", "--all", "--format", "json", BLUE_TOKEN="s3cr3t-2").document
    assert [target["target"] for target in document["targets"]] == ["blue", "green"]


def test_a_bare_option_with_several_targets_is_wrong_usage(magictel: Magictel) -> None:
    ran = magictel("config", "show", "blue", "green", "--set", "shards=3")
    assert ran.code == 2
    assert "--set blue.shards=" in ran.err


def test_a_target_of_an_exporter_that_does_not_exist_is_unusable(magictel: Magictel, folder: Path) -> None:
    (folder / "magictel.toml").write_text('[targets.a]\nexporter = "acmee"\n[targets.b]\nexporter = "acme"\n')
    ran = magictel("config", "check")
    assert ran.code == 78
    assert 'a: no exporter is called "acmee". Did you mean acme?' in ran.err
    assert "from magictel.toml:2" in ran.err
    assert "b: settings are usable" in ran.out


@pytest.mark.parametrize("key", ["ca_file", "client_cert_file"])
def test_a_file_of_tls_that_is_not_there_is_unusable_unless_it_comes_later(
    magictel: Magictel, folder: Path, key: str
) -> None:
    (folder / "magictel.toml").write_text(
        f'[targets.es]\nexporter = "elasticsearch"\nurl = "https://localhost:1"\n{key} = "/nowhere/x.pem"\n'
    )
    ran = magictel("config", "check")
    assert ran.code == 78
    assert key in (ran.out + ran.err)
    assert "/nowhere/x.pem" in (ran.out + ran.err)
    assert "magictel.toml:4" in (ran.out + ran.err)
    assert magictel("check").code == 78
    assert magictel("config", "check", "--allow-missing-env").code == 0
