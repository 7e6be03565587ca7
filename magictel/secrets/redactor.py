"""The redactor: masks known secrets, the values of settings, in any text and every spelling. Unknown ones: see `patterns`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any

import msgspec

from magictel.secrets.needles import SHORTEST, SHORTEST_CUT, Needle, needles_of
from magictel.secrets.patterns import without_tokens
from magictel.secrets.secret import MASK, Secret
from magictel.secrets.spellings import Span, View, bare, lower, views

_AFTER_BASE64 = re.compile(r"[A-Za-z0-9+/_-]?(?:=|%3[dD]){0,2}")
_PADDING = re.compile(r"={0,2}")
_ELLIPSIS = re.compile("…")
_AFTER_A_CUT = "….'\"`)] \n"
_PART_OF_ESCAPE = re.compile(r"(?:\\(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?)?|%[0-9A-Fa-f]?|&#?\w{0,6})$")
_MOST_CUTS = 100
_OWN_NAMES = frozenset({"target", "targets", "exporter", "code", "run_id", "rung", "blocked_by"})


class Redactor:
    """A function that masks every known secret in a text, in every spelling (see `spellings`), including base64, hex and other case.

    Halves of `id:key`, of an encoded key and of a login's base64 are secrets as well. So is the beginning of a secret where a text
    is truncated: at its end, and before `…`. Values under four characters are not masked, and short ones of letters or digits
    only as whole words in their own case: a password `elastic` must not turn a product's name into `***search`.
    """

    __slots__ = ("_echoes", "_needles", "_plain")

    def __init__(self, secrets: Iterable[Secret | str | None] = (), plain: Iterable[str] = ()) -> None:
        """Create a redactor. `plain`: texts that are not secret and that a backend may return (names of indices and users)."""
        self._plain = tuple(plain)
        self._needles: tuple[Needle, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[Secret | str | None]) -> None:
        """Mask these as well from now on, in addition to the earlier ones."""
        needles = {*self._needles, *needles_of(secrets, self._plain)}
        self._needles = tuple(sorted(needles, key=lambda needle: len(needle.text), reverse=True))
        self._echoes = tuple(needle for needle in self._needles if needle.strong)

    def __call__(self, text: str) -> str:
        """Return the text without any secret, and without tokens of well-known shapes."""
        return without_tokens(_masked(text, self._needles))

    def echoed(self, text: str) -> str:
        """Mask the secrets that a server echoed, before its text is truncated or collapsed.

        Ordinary words are kept, because a program still reads the text. They are masked on output.
        """
        return _masked(text, self._echoes)

    def echoed_value(self, data: Any, body: bytes) -> Any:
        """Mask the secrets that a server echoed in a parsed `body`."""
        if not self._echoes or not _spans(body.decode("utf-8", "replace"), self._echoes):
            return data
        return _each_text(data, self.echoed, keys=False)

    def value(self, data: Any) -> Any:
        """Redact every text inside a value: JSON-like ones (including keys), dataclasses, msgspec's structs.

        Fields with our own names (`target`, `exporter`, `code`, …) are kept, because they identify the values.
        """
        return _each_text(data, self, keys=True)

    def __repr__(self) -> str:
        return f"Redactor({len(self._needles)} spellings)"


def _masked(text: str, needles: tuple[Needle, ...]) -> str:
    if not needles or len(text) < SHORTEST:
        return text
    spans = _spans(text, needles)
    if not spans:
        return text
    pieces: list[str] = []
    done = 0
    for start, end in _merged(spans):
        pieces += text[done:start], MASK
        done = end
    return "".join(pieces) + text[done:]


def _spans(text: str, needles: tuple[Needle, ...]) -> list[Span]:
    """Yield the positions of secrets in a text, in every layer of its spelling."""
    spans: list[Span] = []
    for layer, source in views(text):
        lowered = lower(layer)
        present = [needle for needle in needles if needle.head in (lowered if needle.strong else layer)]
        cuts = tuple(_cuts(layer)) if present else ()
        for needle in present:
            spans += map(source, _places(lowered if needle.strong else layer, needle.wanted, needle, cuts))
        without = bare(lowered)
        if without == lowered:
            continue
        present = [needle for needle in needles if needle.bare and needle.bare[:SHORTEST_CUT] in without]
        cuts = tuple(_cuts(without)) if present else ()
        hits = [span for needle in present for span in _places(without, needle.bare, needle, cuts, _PADDING)]
        if hits:
            view = View.without_blanks(layer)
            spans += [source(view.source(span)) for span in hits]
    return spans


def _places(
    layer: str, wanted: str, needle: Needle, cuts: Iterable[int], behind: re.Pattern[str] = _AFTER_BASE64
) -> Iterator[Span]:
    at = layer.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not needle.word or _alone(layer, at, end):
            match = behind.match(layer, end) if needle.base64 else None
            yield at, match.end() if match else end
        at = layer.find(wanted, end)
    yield from _cut(layer, wanted, needle, cuts)


def _cut(layer: str, wanted: str, needle: Needle, cuts: Iterable[int]) -> Iterator[Span]:
    """Yield the beginnings of secrets where the text was truncated, at `cuts`."""
    first = wanted[:SHORTEST_CUT]
    if needle.whole or len(wanted) <= SHORTEST_CUT:
        return
    for end in cuts:
        from_ = max(0, end - len(wanted) + 1)
        at = layer.find(first, from_, end)
        while at >= 0:
            if wanted.startswith(layer[at:end]) and (not needle.word or _alone(layer, at, at)):
                yield at, end
                break
            at = layer.find(first, at + 1, end)


def _cuts(layer: str) -> Iterator[int]:
    """Yield where a text may have been truncated: at its end, and before `…`; there and before a part of an escape (`%2`)."""
    ends = [
        len(layer.rstrip(_AFTER_A_CUT)),
        *(match.start() for match in islice(_ELLIPSIS.finditer(layer), _MOST_CUTS)),
    ]
    for end in ends:
        yield end
        part = _PART_OF_ESCAPE.search(layer, max(0, end - 8), end)
        if part is not None:
            yield part.start()


def _alone(layer: str, start: int, end: int) -> bool:
    """Return whether no letter or digit precedes or follows it (`end` = `start`: it is truncated there)."""
    before = layer[start - 1 : start].isalnum()
    return not before and (end == start or not layer[end : end + 1].isalnum())


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _each_text(data: Any, change: Callable[[str], str], *, keys: bool) -> Any:
    """Return a copy of a value with every text changed; return the object itself if it contains none."""
    if isinstance(data, str):
        return data if isinstance(data, Enum) else change(data)
    if isinstance(data, Mapping):
        return {
            change(key) if keys and type(key) is str else key: _each_text(item, change, keys=keys)
            for key, item in data.items()
        }
    if isinstance(data, list | tuple) and not hasattr(data, "_fields"):
        items = [_each_text(item, change, keys=keys) for item in data]
        return data if all(a is b for a, b in zip(items, data, strict=True)) else type(data)(items)
    if is_dataclass(data) and not isinstance(data, type):
        return _changed(data, [field.name for field in fields(data) if field.init], replace, change, keys)
    if isinstance(data, msgspec.Struct):
        return _changed(data, data.__struct_fields__, msgspec.structs.replace, change, keys)
    return data


def _changed(
    data: Any, names: Iterable[str], make: Callable[..., Any], change: Callable[[str], str], keys: bool
) -> Any:
    changes = {}
    for name in names:
        if name in _OWN_NAMES:
            continue
        before = getattr(data, name)
        after = _each_text(before, change, keys=keys)
        if after is not before and after != before:
            changes[name] = after
    return make(data, **changes) if changes else data
