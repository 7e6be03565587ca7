"""A server says back what it was sent, in a spelling of its own: every one is masked, and no word that is not a secret."""

from __future__ import annotations

import base64
import copy
import dataclasses
import html
import json
import pickle
import textwrap
import urllib.parse
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from magictel.exporters.elasticsearch import ElasticsearchExporter, OpenSearchExporter
from magictel.model.finding import Finding, Rung
from magictel.model.verification import SampleQuery, Unreadable, verify
from magictel.operations.target_run import Job
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.secrets.patterns import masked
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import MASK, Secret, SecretUrl
from magictel.sources.sample import sample
from tests.delivery.points import collection
from tests.fake_clock import FakeClock
from tests.fake_transport import FakeTransport

SECRETS = [
    'hunter2/+="&%{~-tail',
    "two  words,\tand\n more of it",
    "p+q/r=s+t/u=v",
    "schlüssel-größe-ß",
    "VuaCfGcBCdbkQm-e5aOx",
    "back\\slash'quote\"9",
    "a%2Bb&amp;c\\u002bd",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
]


def lower_hex(text: str) -> str:
    quoted = urllib.parse.quote(text, safe="")
    first, *rest = quoted.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)


def ascii_case(text: str, change: Callable[[str], str]) -> str:
    """As a server changes the case that knows no other letters."""
    return "".join(change(character) if character.isascii() else character for character in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent, lower case": lower_hex,
    "a form": urllib.parse.quote_plus,
    "one character escaped": lambda text: text.replace("+", "%2b").replace("=", "%3D"),
    "percent twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "inside an address": lambda text: f"https://host.example/api/{urllib.parse.quote(text, safe='')}/write?x=1",
    "html": html.escape,
    "html, amp alone": lambda text: text.replace("&", "&amp;"),
    "html, decimal": lambda text: "".join(f"&#{ord(letter)};" if not letter.isalnum() else letter for letter in text),
    "html, hexadecimal": lambda text: "".join(
        f"&#x{ord(letter):x};" if not letter.isalnum() else letter for letter in text
    ),
    "html twice": lambda text: html.escape(html.escape(text)),
    "json": lambda text: json.dumps({"said": text}),
    "json, ascii escapes": lambda text: (
        '"' + "".join(f"\\u{ord(letter):04x}" if not letter.isalnum() else letter for letter in text) + '"'
    ),
    "json, slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "json in json": lambda text: json.dumps(json.dumps({"said": text})),
    "html in json, as Go writes it": lambda text: json.dumps(html.escape(text)).replace("&", "\\u0026"),
    "a form in json": lambda text: json.dumps(urllib.parse.quote_plus(text)),
    "repr": lambda text: repr({"said": text}),
    "repr of bytes": lambda text: repr(text.encode()),
    "repr of json": lambda text: repr(json.dumps(text)),
    "blanks collapsed": lambda text: " ".join(text.split()),
    "wrapped": lambda text: "\n    ".join(textwrap.wrap(text, 9, break_on_hyphens=False)),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 of a login": lambda text: "Basic " + base64.b64encode(f"elastic:{text}".encode()).decode(),
    "base64 inside a longer text": lambda text: base64.b64encode(f"ab{text} and so on".encode()).decode(),
    "base64, wrapped": lambda text: base64.encodebytes(f"a:{text}".encode() * 3).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex, upper case": lambda text: text.encode().hex().upper(),
    "hex inside a longer text": lambda text: f"ab{text}cd".encode().hex(),
    "upper case": lambda text: ascii_case(text, str.upper),
    "lower case": lambda text: ascii_case(text, str.lower),
    "upper case, percent": lambda text: urllib.parse.quote(ascii_case(text, str.upper), safe=""),
    "lower case, wrapped": lambda text: "\n    ".join(textwrap.wrap(text.lower(), 9, break_on_hyphens=False)),
    "base64, lower case": lambda text: base64.b64encode(text.encode()).decode().lower(),
    "base64, percent": lambda text: urllib.parse.quote(base64.b64encode(text.encode()).decode(), safe=""),
}


def parts(text: str) -> set[str]:
    """What no part of may be seen: runs of letters and digits, as no spelling changes them."""
    runs = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in text).split()
    return {run for run in runs if len(run) >= 5}


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:8])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_masked(spelling: str, secret: str) -> None:
    spelled = SPELLINGS[spelling](secret)
    for redact in (Redactor([Secret(secret)]), Redactor([f"elastic:{secret}", secret])):
        for shown in (redact(f"before {spelled} after"), redact.echoed(f"before {spelled} after")):
            assert MASK in shown
            assert shown.startswith("before ")
            assert shown.endswith(" after")
            assert not [part for part in parts(secret) if part.lower() in shown.lower()], shown
            if spelling.startswith("base64"):
                assert len(shown) < 20 + len(spelled) - len(secret), shown


KEY_ID, KEY = "VuaCfGcBCdbkQm-e5aOx", "ui2lp2axTNmsyakw9tvNnw"
ENCODED = base64.b64encode(f"{KEY_ID}:{KEY}".encode()).decode()


@pytest.mark.parametrize("given", [f"{KEY_ID}:{KEY}", ENCODED, f"ApiKey {ENCODED}"])
@pytest.mark.parametrize(
    "message", [KEY_ID, KEY, f"{KEY_ID}:{KEY}", ENCODED, ENCODED.rstrip("="), f"id={KEY_ID}&key={KEY}"]
)
def test_both_halves_of_a_key_are_masked_however_it_was_given(given: str, message: str) -> None:
    shown = Redactor([Secret(given)])(f"the key ({message}) is not valid")
    assert shown.startswith("the key (")
    assert KEY not in shown
    assert KEY_ID not in shown
    assert ENCODED[:12] not in shown


def test_of_a_login_the_name_is_no_secret() -> None:
    login = base64.b64encode(b"svc-metrics:pw-1234567").decode()
    for given in (["svc-metrics:pw-1234567", "pw-1234567"], [f"Basic {login}"]):
        redact = Redactor(given)
        assert redact("user svc-metrics is unknown") == "user svc-metrics is unknown"
        assert redact("svc-metrics:pw-1234567") == "***"
        assert redact(f"Authorization: Basic {login}").endswith("***")
        assert redact("it was pw-1234567") == "it was ***"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("abc", "abc is three letters"),
        ("elastic", "this is elasticsearch, and x-elastics"),
        ("changeme", "it wasnotchangemeyet"),
        ("index", "indices, reindexed, index_not_found"),
        ("12345678", "took 1123456789 ms"),
        ("id:hunter2-key", "an id and a valid idea"),
        ("no-data-here", "there is no data here"),
        ("Elastic", "an elastic cluster, ELASTIC"),
    ],
)
def test_no_word_is_masked_that_is_not_the_secret(secret: str, text: str) -> None:
    assert Redactor([secret])(text.replace("index_", "indexx_")) == text.replace("index_", "indexx_")


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    redact = Redactor(["elastic", "12345678"])
    assert redact("password=elastic&n=12345678") == "password=***&n=***"
    assert redact("password%3Aelastic") == "password%3A***"
    assert redact('{"p":"\\nelastic"}') == '{"p":"\\n***"}'


@pytest.mark.parametrize("part", ["\\", "\\u", "\\u00", "\\x2", "%", "%2", "&", "&quo", "&#3"])
@pytest.mark.parametrize("end", ["", "…", "'"])
def test_a_secret_cut_in_the_middle_of_an_escape_is_masked(part: str, end: str) -> None:
    assert Redactor(['hunter2/+="tail'])(f"it said hunter2/+={part}{end}").startswith("it said ***")


def test_a_secret_cut_in_the_middle_of_a_sentence_is_masked() -> None:
    redact = Redactor(["hunter2/+=tail-of-it"])
    assert redact("401 (you sent hunter2/+=…): check it") == "401 (you sent ***…): check it"
    assert redact("you sent hunter2/+") == "you sent ***"


@pytest.mark.parametrize(
    "unit",
    [
        "%41",
        "\\",
        "&amp;",
        " ",
        "hunter",
        "hunter…",
        "%25",
        '\\"',
        "\\u0061",
        "hunter2/+=tail-of-it ",
        "xoxa-",
        "eyJ",
        "\\neyJaaa",
    ],
)
def test_long_hostile_texts_end(unit: str) -> None:
    """In time linear in their length: a quadratic reading would not end here."""
    redact = Redactor(["hunter2/+=tail-of-it", "a b  c d e f g h"])
    text = unit * (500_000 // len(unit))
    assert ("hunter2/+=t" in redact(text)) is False


def test_a_password_that_is_a_word_of_the_backend_breaks_no_reading() -> None:
    """Ordinary words stay in what a program reads, and are masked in what leaves."""
    for password in ("create", "items", "status", "elasticsearch", "magicapi-metrics"):
        settings = ElasticsearchExporter.Settings(username="u", password=Secret(password))
        emulator = ElasticsearchEmulator()
        exporter = ElasticsearchExporter(settings, transport=FakeTransport(emulator.handle))
        assert exporter.deliver(collection([1, 2])).delivered == 2, password
        exporter.shutdown(0)


def test_values_leave_masked_and_keep_what_names_them() -> None:
    redact = Redactor(["hunter2-secret"])
    finding = Finding.failed(
        Rung.AUTH, "http.unauthorized", "you sent hunter2-secret", seen={"k": ["hunter2-secret", 1]}
    )
    shown = redact.value((finding, {"hunter2-secret": 1}))
    assert "hunter2" not in repr(shown)
    assert shown[0].code == "http.unauthorized"
    clean = Finding.passed(Rung.AUTH, "all is well")
    assert redact.value(clean) is clean


def test_a_job_shows_nothing_of_its_exporters_secrets() -> None:
    settings = OpenSearchExporter.Settings(username="ada", password=Secret("hunter2-secret"))
    job = Job("hunter2-secret", "opensearch", lambda: OpenSearchExporter(settings))
    exporter, _ = job.config()
    assert exporter is not None
    assert job.shown("you sent hunter2-secret") == "you sent ***"
    exporter.shutdown(0)


def test_settings_are_masked_in_every_form() -> None:
    settings = ElasticsearchExporter.Settings(
        url=["https://ada:hunter2-url@h:9200/p", "http://h:1"],
        proxy="me:hunter2-proxy@p:3128",
        headers={"Cookie": Secret("sid=hunter2-cookie; b=1")},
        api_key=Secret("hunter2id:hunter2-key"),
    )

    @dataclasses.dataclass
    class Holder:
        settings: Any

    shown = [
        repr(settings),
        str(settings),
        str(msgspec.structs.asdict(settings)),
        "".join(settings.url),
        f"{settings.proxy}",
    ]
    shown += [
        json.dumps(msgspec.structs.asdict(settings), default=str),
        repr(copy.copy(settings)),
        repr(Holder(settings)),
    ]
    encoded = msgspec.json.encode(settings, enc_hook=str).decode()
    for text in (*shown, encoded, repr(msgspec.to_builtins(settings, enc_hook=str))):
        assert "hunter2" not in text, text
    for leak in (pickle.dumps, copy.deepcopy, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            leak(settings)
    with pytest.raises(TypeError):
        dataclasses.asdict(Holder(settings))
    assert Redactor(settings.secret_values())("sid=hunter2-cookie") == "***"
    exporter = ElasticsearchExporter(settings)
    assert str(exporter.endpoints()[0]) == "https://h:9200/p"
    exporter.shutdown(0)


def test_an_address_with_credentials_is_itself_only_when_it_is_revealed() -> None:
    url = SecretUrl("http://a:b@h", "http://***@h")
    assert url == "http://a:b@h"
    assert url == SecretUrl("http://a:b@h", "x")
    assert {url: 1}[SecretUrl("http://a:b@h", "x")] == 1
    assert str(url) + url.upper() == "http://***@hHTTP://***@H"
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(url)


def test_a_point_whose_value_is_the_secret_is_read_back_equal() -> None:
    """A password that is a label's value too: what is compared is not masked, what is shown is."""
    clock = FakeClock()
    emulator = ElasticsearchEmulator(clock=clock)

    settings = ElasticsearchExporter.Settings(
        username="ada", password=Secret("region-eu-west-1"), url=["http://127.0.0.1:9"]
    )
    exporter = ElasticsearchExporter(settings, transport=FakeTransport(emulator.handle), clock=clock)
    run = sample("a-run", clock.now(), attributes={"region": "region-eu-west-1"})
    assert exporter.deliver(run.data).delivered == 12
    clock.wait(5)
    expected = tuple(
        expected_point
        for series, point in exporter.prepare(run.data).points()
        if (expected_point := exporter.readback.expect(series, point)) is not None
    )
    seen = exporter.readback.seen(SampleQuery(run.run_id, run.since, run.until, expected))
    assert not isinstance(seen, Unreadable)
    differences = verify(expected, seen, exporter.readback.declared)
    assert (differences.found, differences.altered) == (12, 0)
    exporter.shutdown(0)


RANDOM = "R4nd0mR4nd0mR4nd0mR4nd0m"
TOKENS = {
    "GitHub": f"ghp_{RANDOM}",
    "a GitHub token without a digit": "ghs_abcdefghijklmnoPqrst",
    "fine-grained GitHub": f"github_pat_{RANDOM}_{RANDOM}",
    "GitLab": f"glpat-{RANDOM}",
    "Grafana": f"glsa_{RANDOM}_0a1b2c3d",
    "Slack": "xoxb-123456789012-123456789012-AbCdEfGh",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "New Relic": "NRAK-ABCDEFGHIJ0123456789ABCDEFG",
    "a licence key of New Relic": "0123456789abcdef0123456789abcdef0123NRAL",
    "a European licence key": "eu01xx456789abcdef0123456789abcdef01NRAL",
    "an insert key": f"NRII-{RANDOM}_{RANDOM}",
    "an application key of Datadog": f"ddapp_{RANDOM}R4nd0mR4nd",
    "JWT": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize(
    "text",
    ["{}", "invalid token {}, try another", '{{"error": "{}"}}', "line\\n{}", "q%3D{}&x=1", "q\\u003d{}", "q\\x3d{}"],
)
def test_a_token_of_a_well_known_shape_is_masked_although_nobody_configured_it(kind: str, text: str) -> None:
    wanted = text.format("***")
    for redact in (Redactor(), Redactor(["hunter2-hunter2"])):
        assert redact(text.format(TOKENS[kind])) == wanted
    assert TOKENS[kind] not in masked(text.format(TOKENS[kind]))
    assert Redactor().value({"a": [text.format(TOKENS[kind])]}) == {"a": [wanted]}


@pytest.mark.parametrize(
    "text",
    [
        "ghp_ is the prefix of a token", "ghp_short123", "the counter highp_connections_established_total",
        "glpat-is-how-tokens-of-gitlab-begin", "xoxb-tokens-are-those-of-bots", "AKIA0123", "AKIAmixedCaseIsNoKeyAtAll00",
        "eyJ is base64 of an object", "eyJhIjoiYSBsb25nIG9iamVjdCBpbiBiYXNlNjQifQ==", "MAKING_ASIAN_MARKETS",
        "highs_of_the_last_24_hours_total", "thoughp_4connections_established", "SEASIA0123456789ABCDEFGH",
        "github_pat_ followed by words", "a.b.c 1.2.3 magictel.exporters", "a licence key ends in NRAL", "the ddapp_requests_in_the_queue",
        "NRII-is-how-insert-keys-begin", "licenceNRAL",
    ],
)  # fmt: skip
def test_words_that_begin_like_a_token_stay(text: str) -> None:
    assert Redactor()(text) == masked(text) == text


def test_a_password_with_an_at_sign_in_an_address_is_masked_whole() -> None:
    assert masked("cannot connect to postgres://ada:hunter@2@db/shop?a=b@c") == (
        "cannot connect to postgres://ada:***@db/shop?a=b@c"
    )
