"""Secrets: a value that shows itself to nobody, and a redactor that finds it wherever it leaked to."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

MASK = "***"
_SHORTEST = 4  # a shorter secret would redact half of every text
_SHORTEST_CUT = 6
_AFTER_A_CUT = "….'\"`)] \n"


class Secret:
    """A credential. `str`, `repr`, `format`, pickling and JSON show `***`; only `reveal()` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself, for the one place that puts it on the wire."""
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is never pickled")


class Redactor:
    """Replaces every known secret in a text, in the spellings it travels in (plain, base64, percent-encoded, JSON, repr).

    Also the beginning of one at the text's end: texts are cut for people, and a cut may go through a secret.
    """

    __slots__ = ("_needles",)

    def __init__(self, secrets: Iterable[Secret | str | None] = ()) -> None:
        needles: dict[str, int] = {}
        for secret in secrets:
            value = secret.reveal() if isinstance(secret, Secret) else secret
            if not value:
                continue
            for text in {value, value.strip()}:
                if len(text) >= _SHORTEST:
                    needles.update((spelled, _least(spelled, text)) for spelled in _spellings(text))
        self._needles = sorted(needles.items(), key=lambda one: len(one[0]), reverse=True)

    def __call__(self, text: str) -> str:
        """The text without any secret."""
        for needle, _ in self._needles:
            if needle in text:
                text = text.replace(needle, MASK)
        return self._without_a_beginning_at_the_end(text)

    def _without_a_beginning_at_the_end(self, text: str) -> str:
        shown = text.rstrip(_AFTER_A_CUT)
        for needle, least in self._needles:
            if needle[:least] not in shown[-len(needle) :]:
                continue
            for length in range(min(len(needle), len(shown)), least - 1, -1):
                if shown.endswith(needle[:length]):
                    return shown[:-length] + MASK + text[len(shown) :]
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._needles)} spellings)"

    def echoed(self, text: str) -> str:
        """A server's text without the secrets that it said back."""
        return self(text)

    def echoed_value(self, data: Any, body: bytes) -> Any:
        """What a server's `body` was read into, without the secrets that it said back."""
        text = body.decode("utf-8", "replace")
        return data if self(text) == text else self.value(data)

    def value(self, data: Any) -> Any:
        """Redact every text inside a JSON-like value, keys included."""
        if isinstance(data, str):
            return self(data)
        if isinstance(data, dict):
            return {self(str(key)): self.value(item) for key, item in data.items()}
        if isinstance(data, list | tuple):
            return [self.value(item) for item in data]
        return data


def _least(spelled: str, text: str) -> int:
    """How many characters of a spelling betray something: of `user:password` the user's name alone is no secret."""
    user, colon, _ = text.partition(":")
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(spelled, user, strict=False)))
    return max(_SHORTEST_CUT, shared + _SHORTEST + 1 if colon else 0)


def _spellings(text: str) -> Iterable[str]:
    raw = text.encode("utf-8", "surrogateescape")
    yield text
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    yield urllib.parse.quote(text, safe="", errors="replace")
    yield urllib.parse.quote_plus(text, errors="replace")
    for once in set(_escaped(text)):
        yield once
        yield from _escaped(once)  # JSON quoted in JSON, or shown by repr


def _escaped(text: str) -> Iterable[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    # As repr shows it inside a longer text that holds both kinds of quotes.
    yield repr(f"{text}'\"")[1:-4]
