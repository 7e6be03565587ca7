"""Secrets: read from everywhere they may stand, shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magictel.errors import SettingsError
from magictel.secrets.redactor import Redactor
from magictel.settings.fields import without_login
from magictel.settings.file import parse
from magictel.settings.load import resolve_settings
from tests.settings.acme import AcmeSettings, NeedySettings

PLANTED = "s3cr3t-pl4nted"


def test_a_secret_file_is_stripped(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"  {PLANTED}\r\n")
    file.chmod(0o600)
    resolved = resolve_settings("acme", "acme", AcmeSettings, environment={"ACME_TOKEN": f"file:{file}"})
    assert resolved.settings.token is not None
    assert resolved.settings.token.reveal() == PLANTED
    assert resolved.warnings == ()


@pytest.mark.parametrize(
    ("mode", "who"), [(0o640, "its group"), (0o604, "everybody"), (0o644, "its group and everybody")]
)
def test_a_secret_file_that_others_can_read_warns(tmp_path: Path, mode: int, who: str) -> None:
    file = tmp_path / "key"
    file.write_text(PLANTED)
    file.chmod(mode)
    warnings = resolve_settings("acme", "acme", AcmeSettings, environment={"ACME_TOKEN": f"file:{file}"}).warnings
    assert len(warnings) == 1
    assert who in warnings[0]
    assert "chmod 600" in warnings[0]


def test_a_secret_file_named_in_the_config_file_counts_from_there(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(PLANTED)
    (tmp_path / "key").chmod(0o600)
    config = parse('[targets.a]\nexporter="acme"\ntoken="file:key"\n', tmp_path / "magictel.toml", "magictel.toml")
    token = resolve_settings("a", "acme", AcmeSettings, environment={}, config=config).settings.token
    assert token is not None
    assert token.reveal() == PLANTED


def test_a_secret_file_may_stand_in_the_home_folder_and_be_named_by_a_variable(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(PLANTED)
    (tmp_path / "key").chmod(0o600)
    environment = {"HOME": str(tmp_path), "WHICH": "key", "ACME_TOKEN": "file:~/${WHICH}"}
    token = resolve_settings("acme", "acme", AcmeSettings, environment=environment).settings.token
    assert token is not None
    assert token.reveal() == PLANTED


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 70_000])
def test_a_secret_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        resolve_settings("acme", "acme", AcmeSettings, environment={"ACME_TOKEN": f"file:{tmp_path}/key"})
    assert caught.value.code == "config.secret.file"


def test_white_space_around_a_secret_is_left_out_and_said_so() -> None:
    resolved = resolve_settings("acme", "acme", AcmeSettings, environment={"ACME_TOKEN": f" {PLANTED}\n"})
    assert resolved.settings.token is not None
    assert resolved.settings.token.reveal() == PLANTED
    assert resolved.warnings == ("token: white space around the value was removed (ACME_TOKEN)",)


def settings_full_of_secrets(folder: Path) -> AcmeSettings:
    (folder / "key").write_text(f"{PLANTED}-3")
    (folder / "key").chmod(0o600)
    environment = {
        "ACME_TOKEN": f"{PLANTED}-1",
        "ACME_URL": f"http://user:{PLANTED}-2@h:1,http://{PLANTED}-5@h:2",
        "ACME_HEADERS": f"Authorization={PLANTED}-4",
        "ACME_PROXY": f"http://p:{PLANTED}-6@proxy:1",
    }
    return resolve_settings("acme", "acme", AcmeSettings, environment=environment).settings


def test_settings_show_no_secret_when_printed(tmp_path: Path) -> None:
    from rich.console import Console
    from rich.pretty import Pretty

    settings = settings_full_of_secrets(tmp_path)
    console = Console(record=True, width=500, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Pretty(settings))
    console.file.close()
    for text in (repr(settings), str(settings), f"{settings}", console.export_text()):
        assert PLANTED not in text
        assert "h:1" in text


def test_every_secret_is_known_to_the_redactor(tmp_path: Path) -> None:
    redact = Redactor(settings_full_of_secrets(tmp_path).secret_values())
    for number in (1, 2, 4, 5, 6):
        assert PLANTED not in redact(f"x {PLANTED}-{number} y")


def test_user_and_password_are_known_as_they_travel() -> None:
    import base64

    settings = resolve_settings(
        "a", "acme", AcmeSettings, environment={"ACME_USERNAME": "me", "ACME_PASS": PLANTED}
    ).settings
    travelling = base64.b64encode(f"me:{PLANTED}".encode()).decode()
    assert travelling not in Redactor(settings.secret_values())(f"Basic {travelling}")


WRONG = {
    "a pasted character": {"ACME_TOKEN": f"{PLANTED}\u00a0"},
    "a control character": {"ACME_TOKEN": f"{PLANTED}\x07x"},
    "a bare header": {"ACME_HEADERS": PLANTED},
    "a header with a bad value": {"ACME_HEADERS": f"X-A={PLANTED}\u200b"},
    "two credentials": {"ACME_TOKEN": PLANTED, "ACME_PASS": PLANTED},
    "an unset variable beside a secret": {"ACME_URL": f"http://u:{PLANTED}@${{NOPE}}:1"},
    "a broken reference": {"ACME_TOKEN": f"{PLANTED}${{NOPE}}"},
}


@pytest.mark.parametrize("case", WRONG)
def test_no_mistake_shows_a_secret(case: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_settings("acme", "acme", AcmeSettings, environment=WRONG[case])
    failure = caught.value
    shown = f"{failure!r} {failure.message} {failure.remedy} {failure.origin} {failure.__cause__!r}"
    assert PLANTED not in shown


@pytest.mark.parametrize("line", [f"token = ['{PLANTED}']", f"headers = ['{PLANTED}']", f"token = '{PLANTED}"])
def test_no_mistake_in_the_file_shows_a_secret(line: str) -> None:
    def read() -> None:
        config = parse(f"[targets.a]\nexporter = 'acme'\n{line}\n", Path("magictel.toml"), "magictel.toml")
        assert PLANTED not in repr(config)
        resolve_settings("a", "acme", AcmeSettings, environment={}, config=config)

    with pytest.raises(SettingsError) as caught:
        read()
    assert PLANTED not in f"{caught.value!r} {caught.value.remedy}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h:1/p", "http://h:1/p"),
        ("http://u:p@h:1", "http://***@h:1"),
        ("http://u:p@ss/w@h:1", "http://***@h:1"),
        ("me@example.net", "me@example.net"),
    ],
)
def test_an_address_is_shown_without_its_credentials(url: str, shown: str) -> None:
    assert without_login(url) == shown


def test_the_stand_in_for_unusable_settings_holds_no_secret() -> None:
    assert list(NeedySettings.unusable().secret_values()) == []
