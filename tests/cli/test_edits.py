"""`init`, `add`, `remove`, `enable`, `disable`."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import FILE, Magictel

pytestmark = pytest.mark.usefixtures("acme")


def test_init_writes_what_the_environment_holds_and_leaves_secrets_there(magictel: Magictel, folder: Path) -> None:
    ran = magictel("init", ACME_URL="http://h:1", ACME_TOKEN="s3cr3t", ACME_SHARDS="3", ACME_VERIFY="no")
    assert (ran.code, ran.out) == (0, "wrote magictel.toml with acme\n")
    text = (folder / "magictel.toml").read_text()
    assert tomllib.loads(text)["targets"] == {
        "acme": {"exporter": "acme", "url": ["http://h:1"], "token": "${ACME_TOKEN}", "shards": 3, "verify": False}
    }
    assert stat.S_IMODE((folder / "magictel.toml").stat().st_mode) == 0o600


def test_init_refers_to_an_address_that_holds_a_password(magictel: Magictel, folder: Path) -> None:
    magictel("init", ACME_URL="http://u:s3cr3t@h:1")
    text = (folder / "magictel.toml").read_text()
    assert "s3cr3t" not in text
    assert tomllib.loads(text)["targets"]["acme"]["url"] == "${ACME_URL}"


def test_init_with_nothing_in_the_environment_writes_a_sample_commented_out(magictel: Magictel, folder: Path) -> None:
    ran = magictel("init")
    assert ran.code == 0
    assert "no exporter has a variable set" in ran.err
    assert tomllib.loads((folder / "magictel.toml").read_text()) == {}


def test_init_follows_the_variable_that_enables(magictel: Magictel, folder: Path) -> None:
    ran = magictel("init", ENABLED_EXPORTERS="elasticsearch", ACME_TENANT="x")
    targets = tomllib.loads((folder / "magictel.toml").read_text())["targets"]
    assert targets == {
        "elasticsearch": {"exporter": "elasticsearch"},
        "acme": {"exporter": "acme", "enabled": False, "tenant": "x"},
    }
    assert "ENABLED_EXPORTERS overrides the file" in ran.err


def test_init_refuses_what_does_not_validate_under_the_variables_name(magictel: Magictel, folder: Path) -> None:
    ran = magictel("init", ACME_SHARDS="many")
    assert ran.code == 78
    assert "acme: shards: " in ran.err
    assert "from ACME_SHARDS" in ran.err
    assert not (folder / "magictel.toml").exists()


def test_init_does_not_write_over_a_file(magictel: Magictel, file: Path) -> None:
    ran = magictel("init", "--format", "json")
    assert (ran.code, ran.document["code"]) == (2, "usage.file-exists")
    assert file.read_text() == FILE


def test_init_writes_where_it_is_told(magictel: Magictel, folder: Path) -> None:
    assert magictel("init", "--config", "other.toml").code == 0
    assert magictel("init", MAGICTEL_CONFIG="third.toml").code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["other.toml", "third.toml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("init", "--config", "new.toml"),
        ("add", "acme", "--as", "red"),
        ("remove", "blue"),
        ("disable", "blue"),
    ],
)
def test_a_dry_run_previews_and_writes_nothing(arguments: tuple[str, ...], magictel: Magictel, file: Path) -> None:
    ran = magictel(*arguments, "--dry-run")
    assert ran.code == 0
    assert ran.out.startswith("--- ")
    assert "s3cr3t" not in ran.out
    assert file.read_text() == FILE
    assert [path.name for path in file.parent.iterdir()] == ["magictel.toml"]


def test_add_writes_a_table_at_the_end(magictel: Magictel, file: Path) -> None:
    ran = magictel("add", "acme", "--as", "red", "--set", "url=http://a:1,http://b:1", "--set", "headers.X-A=${HOME}")
    assert (ran.code, ran.out) == (0, "added red to magictel.toml\n")
    assert file.read_text().startswith(FILE)
    assert tomllib.loads(file.read_text())["targets"]["red"] == {
        "exporter": "acme",
        "url": ["http://a:1", "http://b:1"],
        "headers": {"X-A": "${HOME}"},
    }


def test_add_says_when_a_secret_would_stand_in_clear(magictel: Magictel, file: Path) -> None:
    ran = magictel("add", "acme", "--as", "red", "--set", "token=s3cr3t-new")
    assert "red: token is in plain text in magictel.toml" in ran.err
    assert "s3cr3t" not in ran.out + ran.err
    assert "clear" not in magictel("add", "acme", "--as", "pink", "--set", "token=${HOME}").err


@pytest.mark.parametrize(
    ("option", "origin", "words"),
    [
        ("shards=99", "--set shards", "at most 8"),
        ("sharts=1", "--set sharts", "Did you mean shards"),
        ("url=http://h:99999", "--set url", "not between 1 and 65535"),
        ("token=${NOPE_NOT_SET}", "--set token", "not set"),
    ],
)
def test_add_refuses_what_does_not_validate(
    option: str, origin: str, words: str, magictel: Magictel, file: Path
) -> None:
    ran = magictel("add", "acme", "--as", "red", "--set", option, "--format", "json")
    assert (ran.code, ran.document["origin"]) == (78, origin)
    assert words in ran.document["message"]
    assert file.read_text() == FILE


def test_add_takes_missing_variables_as_given_later_where_that_is_asked_for(magictel: Magictel, file: Path) -> None:
    arguments = ("add", "acme", "--as", "red", "--set", "token=${NOPE_NOT_SET}", "--allow-missing-env")
    assert magictel(*arguments).code == 0
    assert tomllib.loads(file.read_text())["targets"]["red"]["token"] == "${NOPE_NOT_SET}"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", "acmee"), "usage.unknown-target"),
        (("add", "acme", "--as", "blue"), "usage.target-exists"),
        (("add", "acme", "--as", "b.c"), "usage.command-line"),
        (("remove", "blu"), "usage.unknown-target"),
        (("enable", "blu"), "usage.unknown-target"),
    ],
)
def test_wrong_usage_of_edits(arguments: tuple[str, ...], code: str, magictel: Magictel, file: Path) -> None:
    ran = magictel(*arguments, "--format", "json")
    assert (ran.code, ran.document["code"]) == (2, code)
    assert file.read_text() == FILE


def test_remove_keeps_the_comments_of_the_others(magictel: Magictel, file: Path) -> None:
    assert magictel("remove", "blue").out == "removed blue from magictel.toml\n"
    assert file.read_text() == '# ours\n\n# theirs\n[targets.green]\nexporter = "acme"\n'


def test_disable_and_enable_go_there_and_back(magictel: Magictel, file: Path) -> None:
    assert magictel("disable", "blue").out == "blue is disabled in magictel.toml\n"
    assert file.read_text() == FILE.replace('"acme"\ntoken', '"acme"\nenabled = false\ntoken')
    assert magictel("enable", "blue").code == 0
    assert tomllib.loads(file.read_text())["targets"]["blue"]["enabled"] is True
    assert magictel("enable", "blue").out == "magictel.toml is unchanged: blue is enabled in magictel.toml\n"


def test_an_edit_says_when_the_variable_decides_instead(magictel: Magictel, file: Path) -> None:
    err = magictel("disable", "blue", ENABLED_EXPORTERS="blue").err
    assert "ENABLED_EXPORTERS overrides the file: blue is enabled" in err
    err = magictel("enable", "green", ENABLED_EXPORTERS="blue").err
    assert "ENABLED_EXPORTERS overrides the file: green is not enabled" in err


def test_an_edit_without_a_file_says_how_to_make_one(magictel: Magictel) -> None:
    ran = magictel("disable", "blue")
    assert ran.code == 78
    assert "magictel init" in ran.err


def test_an_edit_of_a_broken_file_is_refused_with_its_line(magictel: Magictel, file: Path) -> None:
    file.write_text("[targets.blue\n")
    ran = magictel("remove", "blue", "--format", "json")
    assert (ran.code, ran.document["code"], ran.document["origin"]) == (78, "config.file.syntax", "magictel.toml:1")


def test_edits_speak_json(magictel: Magictel, file: Path) -> None:
    document = magictel("disable", "blue", "--format", "json", ENABLED_EXPORTERS="blue").document
    assert document["schema"] == "magictel.edit/1"
    assert (document["action"], document["targets"], document["changed"]) == ("disable", ["blue"], True)
    assert "+enabled = false" in document["diff"]
    assert "s3cr3t" not in str(document)
    assert document["notes"]


@pytest.mark.parametrize("key", ["url", "proxy"])
def test_a_login_in_an_address_stands_in_clear_as_a_key_does(magictel: Magictel, folder: Path, key: str) -> None:
    ran = magictel("add", "acme", "--as", "blue", "--set", f"{key}=http://u:s3cr3t@localhost:1")
    assert ran.code == 0
    assert f"blue: the password in {key} is in plain text in magictel.toml" in ran.err
    assert "s3cr3t" not in ran.out + ran.err
    ran = magictel("enable", "blue", "--set", f"{key}=http://u:other-s3cr3t@localhost:1")
    assert f"the password in {key} is in plain text" in ran.err
    ran = magictel("add", "acme", "--as", "green", "--set", f"{key}=${{GREEN}}", GREEN="http://u:s3cr3t@localhost:1")
    assert "stands in clear" not in ran.err


def test_init_says_what_it_left_out(magictel: Magictel, folder: Path) -> None:
    ran = magictel("init", ENABLED_EXPORTERS="acmee,prometheus_remote_write,console,logstash")
    assert ran.code == 0
    assert 'omitted acmee: No target or exporter is called "acmee". Did you mean acme?' in ran.err
    assert "omitted logstash: " in ran.err
    assert "omitted prometheus-remote-write: PROMETHEUS_REMOTE_WRITE_URL is not set" in ran.err
    assert "[targets.console]" in (folder / "magictel.toml").read_text()
    assert "prometheus" not in (folder / "magictel.toml").read_text()


DATADOG = {"DD_API_KEY": "0123456789abcdef" * 2, "DD_APP_KEY": "0123456789abcdef" * 2 + "01234567"}
NEW_RELIC = {
    "NEW_RELIC_LICENSE_KEY": "eu01xx6789abcdef0123456789abcdefFFFFNRAL",
    "NEW_RELIC_USER_KEY": "NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ0",
}


@pytest.mark.parametrize(
    ("variables", "targets"),
    [
        (
            DATADOG | {"DD_SITE": "datadoghq.eu", "DD_TAGS": "team:a x:y", "DD_ENV": "prod"},
            {
                "datadog": {
                    "api_key": "${DD_API_KEY}",
                    "app_key": "${DD_APP_KEY}",
                    "site": "datadoghq.eu",
                    "tags": ["team:a", "x:y"],
                    "env": "prod",
                }
            },
        ),
        (
            NEW_RELIC | {"NEW_RELIC_ACCOUNT_ID": "123", "NEW_RELIC_REGION": "EU"},
            {
                "newrelic": {
                    "license_key": "${NEW_RELIC_LICENSE_KEY}",
                    "user_key": "${NEW_RELIC_USER_KEY}",
                    "account_id": 123,
                    "region": "eu",
                }
            },
        ),
        (
            {"NEW_RELIC_API_KEY": "NRII-0123456789abcdef0123456789ab"},
            {"newrelic": {"license_key": "${NEW_RELIC_API_KEY}"}},
        ),
        ({"STATSD_HOST": "agent", "STATSD_TAGS": "joined"}, {"statsd": {"host": "agent", "tags": "joined"}}),
        ({"STATSD_PORT": "udp://10.0.0.7:9125"}, {"statsd": {"port": 9125}}),
        ({"DD_AGENT_HOST": "agent", "DD_DOGSTATSD_PORT": "8126"}, {"statsd": {"host": "agent", "port": 8126}}),
        ({"DD_SERVICE": "gateway", "STATSD_PORT_9125_UDP_ADDR": "10.0.0.7"}, {}),
    ],
)
def test_init_writes_datadog_new_relic_and_statsd_without_their_secrets(
    variables: dict[str, str], targets: dict[str, dict[str, object]], magictel: Magictel, folder: Path
) -> None:
    ran = magictel("init", **variables)
    text = (folder / "magictel.toml").read_text()
    assert ran.code == 0, ran.err
    shown = {name: {"exporter": name, **options} for name, options in targets.items()}
    assert tomllib.loads(text).get("targets", {}) == shown
    assert not [secret for secret in (*DATADOG.values(), *NEW_RELIC.values(), "NRII-") if secret in text]
    for name in targets:
        assert magictel("config", "check", name, "--config", "magictel.toml", **variables).code == 0


def test_init_leaves_out_an_enabled_exporter_whose_key_is_missing(magictel: Magictel, folder: Path) -> None:
    ran = magictel("init", ENABLED_EXPORTERS="prometheus,elasticsearch,datadog,newrelic", **DATADOG)
    assert ran.code == 0
    assert list(tomllib.loads((folder / "magictel.toml").read_text())["targets"]) == [
        "elasticsearch",
        "prometheus",
        "datadog",
    ]
    assert "omitted newrelic: NEW_RELIC_LICENSE_KEY is not set" in ran.err
