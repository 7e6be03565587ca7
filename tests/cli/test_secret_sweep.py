"""Secrets planted in every place a setting can come from; everything the management commands print is swept."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.conftest import Magictel, Ran

pytestmark = pytest.mark.usefixtures("acme")

PLANTED = {
    "in the file": "pl4nt-file+%/x",
    "by reference": "pl4nt-reference",
    "in a secret file": "pl4nt-secretfile",
    "in a header": "pl4nt-header",
    "in an address": "pl4nt-userinfo",
    "in a proxy": "pl4nt-proxy",
    "in a variable": "pl4nt-variable",
    "in an own variable": "pl4nt-own",
    "in an option": "pl4nt-option",
}
COMMANDS = [
    ("list",),
    ("list", "--all"),
    ("describe", "blue"),
    ("config", "show"),
    ("config", "show", "--origin"),
    ("config", "show", "acme"),
    ("config", "check"),
    ("config", "check", "--allow-missing-env"),
    ("config", "show", "blue", "--set", "token=pl4nt-option"),
    ("config", "check", "blue", "--set", "token=pl4nt-option\u00a0"),
    ("config", "check", "blue", "--set", "headers=pl4nt-option"),
    ("config", "check", "blue", "--set", "url=http://u:pl4nt-option@h:99999"),
    ("config", "check", "blue", "--set", "url=ftp://u:pl4nt-option@h"),
    ("config", "check", "blue", "--set", "url=http://u:pl4nt-option@${NOPE}"),
    ("config", "check", "blue", "--set", "url=http://u:pl4nt-option@h?q"),
    ("config", "check", "blue", "--set", "proxy=socks5://u:pl4nt-option@h"),
    ("config", "check", "blue", "green", "--set", "token=pl4nt-option"),
    ("config", "check", "blue", "--set", "tokenn=pl4nt-option"),
    ("add", "acme", "--as", "red", "--set", "token=pl4nt-option", "--dry-run"),
    ("add", "acme", "--as", "red", "--set", "url=http://u:pl4nt-option@h", "--dry-run"),
    ("add", "acme", "--as", "red", "--set", "url=http://u:pl4nt-option@h:99999"),
    ("remove", "blue", "--dry-run"),
    ("disable", "blue", "--dry-run"),
    ("init", "--config", "new.toml", "--dry-run"),
    ("init", "--config", "written.toml"),
]


def spellings(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield json.dumps(secret)[1:-1]


def swept(ran: Ran) -> None:
    for place, secret in PLANTED.items():
        for text in spellings(secret):
            assert text not in ran.out, place
            assert text not in ran.err, place
    assert "pl4nt-option" not in ran.out + ran.err


@pytest.fixture(autouse=True)
def planted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTEL_CONFIG", "magictel.toml")
    (folder / "key").write_text(PLANTED["in a secret file"])
    (folder / "magictel.toml").write_text(
        f"""\
[targets.blue]
exporter = "acme"
token = "{PLANTED["in the file"]}"
url = ["http://user:{PLANTED["in an address"]}@acme.example.net:1"]
proxy = "http://user:{PLANTED["in a proxy"]}@proxy.example.net:3128"
headers = {{ Authorization = "{PLANTED["in a header"]}", X-B = "${{REFERRED}}" }}

[targets.green]
exporter = "acme"
token = "file:key"
"""
    )


@pytest.mark.parametrize("how", ["text", "json"])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_nothing_that_is_printed_holds_a_secret(arguments: tuple[str, ...], how: str, magictel: Magictel) -> None:
    variables = {
        "REFERRED": PLANTED["by reference"],
        "ACME_TOKEN": PLANTED["in a variable"],
        "MAGICTEL_GREEN__HEADERS": f"X-C={PLANTED['in an own variable']}",
    }
    extra = () if how == "text" else ("--format", "json")
    ran = magictel(*arguments, *extra, **variables)
    assert ran.code in (0, 2, 78)
    assert ran.out or ran.err
    swept(ran)


def test_the_good_road_did_read_the_planted_secrets(magictel: Magictel) -> None:
    document = magictel("config", "show", "--format", "json", REFERRED="x-referred").document
    for target in document["targets"]:
        assert target["error"] is None
        assert target["settings"]["token"]["value"] == "***"
    assert document["targets"][0]["settings"]["headers"]["value"] == {"Authorization": "***", "X-B": "***"}
    assert document["targets"][0]["settings"]["url"]["value"] == ["http://***@acme.example.net:1"]
    assert any("chmod 600" in warning for warning in document["targets"][1]["warnings"])


def test_a_file_that_init_wrote_holds_no_secret_of_the_environment(magictel: Magictel, folder: Path) -> None:
    magictel("init", "--config", "written.toml", ACME_TOKEN=PLANTED["in a variable"])
    text = (folder / "written.toml").read_text()
    assert "acme" in text
    assert PLANTED["in a variable"] not in text
