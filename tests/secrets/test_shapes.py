"""Sensitive values are recognised by their shape, and what only looks like one is passed on unchanged."""

from __future__ import annotations

import pytest

from magictel.encoding.redaction import Redaction, Rules
from magictel.secrets.shapes import EMAILS, SHAPES, is_secret_name
from magictel.settings.model import ExporterSettings
from tests.secrets.corpus import TOKENS, card, look_alikes, shapes


def redaction(**rules: object) -> Redaction:
    return Redaction(Rules(shapes=ExporterSettings().redact_shapes, **rules))  # type: ignore[arg-type]


def test_of_two_hundred_attributes_with_a_secret_99_in_100_are_caught() -> None:
    samples, rule = shapes(), redaction()
    assert len(samples) == 200
    missed = [(key, value) for key, value, secret in samples if secret in repr(rule.attributes({key: value}))]
    assert len(missed) <= len(samples) // 100, missed


def test_of_two_hundred_look_alikes_at_most_1_in_100_is_changed() -> None:
    samples, rule = look_alikes(), redaction()
    assert len(samples) == 200
    changed = [(key, value) for key, value in samples if rule.attributes({key: value}) != {key: value}]
    assert len(changed) <= len(samples) // 100, changed


@pytest.mark.parametrize("service", TOKENS)
def test_every_type_of_token_is_masked_whole(service: str) -> None:
    secret = TOKENS[service]()
    value = f"https://hooks.slack.com/services/{secret}" if "webhook" in service else secret
    masked = redaction().attributes({"note": value})["note"]
    assert masked == value.replace(secret, "***")


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("https://ada:hunter2@example.net/a", "https://ada:***@example.net/a"),
        ("postgres://ada:hunter@2@db/shop", "postgres://ada:***@db/shop"),
        ("https://example.net/a?api_key=A1b2C3d4E5&b=1", "https://example.net/a?api_key=***&b=1"),
        ("Server=db;Password=hunter2;Encrypt=true", "Server=db;Password=***;Encrypt=true"),
        ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
        ("paid with 4111 1111 1111 1111 today", "paid with *** today"),
    ],
)
def test_only_the_secret_part_of_a_text_is_masked(value: str, masked: str) -> None:
    assert redaction().attributes({"note": value}) == {"note": masked}


@pytest.mark.parametrize("value", ["4111 1111 1111 1112", "0000 0000 0000 0000", "4444444444444444", card("9", 16)])
def test_a_number_without_checksum_or_issuer_is_no_card(value: str) -> None:
    assert redaction().attributes({"note": value}) == {"note": value}


@pytest.mark.parametrize("name", ["gen_ai.token.type", "token", "k8s.secret.name", "message.key", "secret_version", ""])
def test_a_name_that_only_contains_the_word_is_no_secret_s(name: str) -> None:
    assert not is_secret_name(name)


def test_addresses_of_people_are_masked_only_on_request() -> None:
    contact = {"contact": "Ada <ada.lovelace@example.org>"}
    assert redaction().attributes(contact) == contact
    assert Redaction(Rules(shapes=[EMAILS])).attributes(contact) == {"contact": "Ada <***>"}


def test_a_long_text_of_one_letter_takes_no_time_to_speak_of() -> None:
    rule = Redaction(Rules(shapes=SHAPES))
    for filler in ("a", "1", "a@", "://a", "-", "a.", "password=", "eyJ"):
        value = filler * (100_000 // len(filler))
        assert len(rule.attributes({"note": value})["note"]) <= len(value)
