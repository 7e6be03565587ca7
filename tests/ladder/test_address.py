"""Addresses, proxies and secrets as users write them: what is taken, and that nothing secret is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.errors import SettingsError
from magictel.net.address import parse_endpoint, printable
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import parse_proxy, proxy_for
from magictel.settings.interpolate import check_secret

TAKEN = {
    "http://localhost:9200": ("http", "localhost", 9200, ""),
    "HTTPS://ES.example.net": ("https", "ES.example.net", 443, ""),
    "http://localhost": ("http", "localhost", 80, ""),
    "http://[::1]:9200/": ("http", "::1", 9200, ""),
    "https://[fe80::1]": ("https", "fe80::1", 443, ""),
    "https://es.example.net:9243/path/below/": ("https", "es.example.net", 9243, "/path/below"),
    "http://user:pass@localhost:9200": ("http", "localhost", 9200, ""),
    "http://a/b@c": ("http", "a", 80, "/b@c"),
    "https://bücher.example": ("https", "xn--bcher-kva.example", 443, ""),
}
REFUSED = {
    "": "config.url.empty",
    "  ": "config.url.empty",
    " http://a": "config.url.whitespace",
    "http://a\n": "config.url.whitespace",
    "http://a b": "config.url.whitespace",
    "localhost": "config.url.no-scheme",
    "localhost:9200": "config.url.no-scheme",
    "//localhost": "config.url.no-scheme",
    "ftp://a": "config.url.bad-scheme",
    "grpc://a:1": "config.url.bad-scheme",
    "http://": "config.url.no-host",
    "http://:9200": "config.url.no-host",
    "http:///path": "config.url.no-host",
    "http://a:0": "config.url.bad-port",
    "http://a:65536": "config.url.bad-port",
    "http://a:99999": "config.url.bad-port",
    "http://a:-1": "config.url.bad-port",
    "http://a:abc": "config.url.bad-port",
    "http://a:٣": "config.url.bad-port",
    "http://::1:9200": "config.url.bad-port",
    "http://[::1:9200": "config.url.bad-port",
    "http://${HOST}:9200": "config.url.unexpanded-variable",
    "http://$HOST:9200": "config.url.unexpanded-variable",
    "http://{{HOST}}:9200": "config.url.unexpanded-variable",
    "http://%ES_HOST%:9200": "config.url.unexpanded-variable",
    "http://a:${PORT}": "config.url.unexpanded-variable",
    "http://a<b": "config.url.bad-host",
    "http://a/?x=1": "config.url.query",
    "http://a/#x": "config.url.query",
    "http://user:p/ss@host:9200": "config.url.userinfo",
}


@pytest.mark.parametrize(("url", "parts"), TAKEN.items(), ids=TAKEN)
def test_an_address_is_taken_apart(url: str, parts: tuple[str, str, int, str]) -> None:
    endpoint = parse_endpoint(url).endpoint
    assert (endpoint.scheme, endpoint.host, endpoint.port, endpoint.path) == parts


@pytest.mark.parametrize(("url", "code"), REFUSED.items(), ids=map(repr, REFUSED))
def test_a_wrong_address_is_refused_before_the_network(url: str, code: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_endpoint(url, field="url", origin="magictel.toml:4")
    assert caught.value.code == code
    assert caught.value.message.startswith("url: ")
    assert caught.value.origin == "magictel.toml:4"


def test_credentials_are_taken_out_and_decoded() -> None:
    address = parse_endpoint("https://el%40stic:p%2Fss%3Aword@es.example.net")
    assert (address.username, address.password.reveal() if address.password else None) == ("el@stic", "p/ss:word")
    assert "p/ss" not in f"{address!r} {address.endpoint}"


@pytest.mark.parametrize(
    "url",
    [
        "http://me:s3cr3t@host:99999",
        "http://me:s3cr3t@ host",
        "ftp://me:s3cr3t@host",
        "me:s3cr3t@host:9200",
        "http://me:s3/cr3t@host:9200",
        "http://me:s3?cr3t@host:9200",
        "http://me:s3#cr3t@host",
        "http://me:s3cr3t@${HOST}",
        "http://me:s3c@r3t@host:0",
        "http://me:s3cr3t@host/?q=1",
        "http://host/?api_key=s3cr3t",
        "http://host/write#s3cr3t",
        "http://host:0/?api_key=s3cr3t",
        "ftp://host?token=s3cr3t",
        "host/?api_key=s3cr3t",
    ],
)
def test_no_error_shows_the_credentials(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_endpoint(url)
    shown = f"{caught.value!r} {caught.value.message} {caught.value.remedy}"
    assert "cr3t" not in shown
    assert "s3" not in shown


@given(st.text(max_size=40))
def test_whatever_is_written_is_an_endpoint_or_a_settings_error(text: str) -> None:
    for url in (text, f"http://{text}", f"https://user:{text}@host:1"):
        try:
            endpoint = parse_endpoint(url).endpoint
        except SettingsError:
            continue
        assert 1 <= endpoint.port <= 65535
        assert endpoint.host


@given(st.text(alphabet=st.characters(exclude_characters="@"), min_size=4, max_size=20))
def test_a_password_is_never_printable(password: str) -> None:
    assert printable(f"http://user:{password}@host") == "http://***@host"


@pytest.mark.parametrize(("value", "clean"), [("abc\n", "abc"), ("  abc\t", "abc"), ("abc", "abc"), ("a b", "a b")])
def test_white_space_around_a_secret_is_left_out_and_said(value: str, clean: str) -> None:
    checked = check_secret(value, field="api_key")
    assert checked.secret.reveal() == clean
    assert (checked.note is not None) == (value != clean)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "config.secret.empty"),
        (" \n", "config.secret.empty"),
        ("abcd\u200befgh", "config.secret.non-ascii"),
        ("abcd\u00a0efgh", "config.secret.non-ascii"),
        ("abcd\nefgh", "config.secret.whitespace"),
    ],
)
def test_a_secret_that_cannot_travel_is_refused_by_position(value: str, code: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_secret(value, field="api_key", origin="ES_KEY")
    assert caught.value.code == code
    assert "abcd" not in str(caught.value)
    assert "ES_KEY" in f"{caught.value.message} {caught.value.origin}"
    if "efgh" in value:
        assert "character 5 of 9" in caught.value.message


NO_PROXY = [
    ("es.example.net", "es.example.net", True),
    ("es.example.net", "example.net", True),
    ("es.example.net", ".example.net", True),
    ("es.example.net", "*.example.net", True),
    ("es.example.net", "ample.net", False),
    ("es.example.net", "other, ES.EXAMPLE.NET", True),
    ("es.example.net", "es.example.net:9200", True),
    ("es.example.net", "es.example.net:9300", False),
    ("10.1.2.3", "10.0.0.0/8", True),
    ("10.1.2.3", "10.2.0.0/16", False),
    ("::1", "::1", True),
    ("::1", "[::1]", True),
    ("es", "*", True),
    ("es", "", False),
    ("es", ",,", False),
]


@pytest.mark.parametrize(("host", "excepted", "direct"), NO_PROXY)
def test_no_proxy_excepts_hosts_as_curl_does(host: str, excepted: str, direct: bool) -> None:
    environment = {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": excepted}
    proxy = proxy_for(Endpoint("http", host, 9200), None, trust_env=True, environment=environment)
    assert (proxy is None) is direct


def test_a_proxys_credentials_are_kept_out_of_sight() -> None:
    proxy = parse_proxy("http://me:s3cr3t-value@proxy:3128", "HTTPS_PROXY")
    assert "s3cr3t" not in f"{proxy} {proxy!r}"
    assert "s3cr3t-value" in proxy.secrets


@pytest.mark.parametrize(
    "url", ["socks5://me:s3cr3t@p:1", "https://me:s3cr3t@p:1", "http://me:s3cr3t@p:0", "http://me:s3cr3t@:1"]
)
def test_a_proxy_that_cannot_be_used_is_refused_without_its_credentials(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_proxy(url, "ALL_PROXY")
    assert caught.value.origin == "ALL_PROXY"
    assert "s3cr3t" not in f"{caught.value} {caught.value.remedy}"
