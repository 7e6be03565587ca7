"""Pages of the catalogue: from the TOML files beside this module, then from those of other packages."""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_FOLDER = Path(__file__).parent


class Page(NamedTuple):
    """The explanation of a code.

    `title`: one sentence. `meaning`, `why`: what happened, and why it matters. `fix`: lines; those that begin with `$ ` are commands
    to copy. `again`: a command that reproduces it on the same target; `here`: on any machine, without that server. `related`: codes
    that look similar or occur together. `alike`: codes that a single reply or log line cannot distinguish, and how to.
    `says`, for diagnose: `vague` if the code means only that a reply is not understood, `stranger` if it means that the reply is not
    the backend's.
    """

    code: str
    title: str
    retry: str
    meaning: str
    why: str
    fix: tuple[str, ...]
    again: str
    related: tuple[str, ...] = ()
    here: str | None = None
    alike: tuple[tuple[str, str], ...] = ()
    says: str | None = None

    @property
    def first(self) -> str:
        """Return the first step of the fix: a sentence and the command below it."""
        first, *rest = self.fix
        if first.startswith("$ ") or not rest or not rest[0].startswith("$ "):
            return first.removeprefix("$ ")
        return f"{first.rstrip('.:')}: {rest[0].removeprefix('$ ')}"

    @property
    def commands(self) -> tuple[str, ...]:
        """Return the commands of `fix`, `again` and `here`."""
        return tuple(line[2:] for line in (*self.fix, self.again, self.here or "") if line.startswith("$ "))


def explain(code: str) -> Page | None:
    """Return the page of a code, or None if it has none."""
    part = code.partition(".")[0]
    if not part.isidentifier():
        return None
    entry = _entries(part).get(code) or (None if _is_ours(part) else _of_plugins().get(code))
    return None if entry is None else _page(code, entry)


def codes(*, plugins: bool = True) -> tuple[str, ...]:
    """Return every code that has a page, sorted. `plugins=False`: magictel's own only."""
    parts = sorted(file.stem for file in _FOLDER.glob("*.toml"))
    ours = [code for part in parts for code in _entries(part)]
    theirs = [code for code in _of_plugins() if not _is_ours(code.partition(".")[0])] if plugins else []
    return tuple(sorted([*ours, *theirs]))


def error_patterns() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the regular expressions for logs of other programs, by their code, in order of rank."""
    parts = sorted(file.stem for file in _FOLDER.glob("*.toml"))
    entries = {code: entry for part in parts for code, entry in _entries(part).items() if "patterns" in entry}
    return tuple((code, tuple(entries[code]["patterns"])) for code in sorted(entries, key=lambda c: entries[c]["rank"]))


def near(code: str, count: int = 3) -> tuple[str, ...]:
    """Return the codes most similar to `code`: those that end with it, those that begin with it, then similar spellings."""
    known = codes()
    children = [candidate for candidate in known if candidate.startswith(f"{code}.")]
    similar = difflib.get_close_matches(code, known, count, 0.6)
    endings = [candidate for candidate in known if candidate.endswith(f".{code}")]
    return tuple(dict.fromkeys([*endings, *children, *similar]))[:count]


def _is_ours(part: str) -> bool:
    """Return whether the first part of a code belongs to magictel: other packages may not explain or add such codes."""
    return (_FOLDER / f"{part}.toml").is_file()


def _of_plugins() -> Mapping[str, Mapping[str, Any]]:
    from magictel.catalogue.plugins import entries  # scans every installed package

    return entries()


@functools.cache
def _entries(part: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        text = (_FOLDER / f"{part}.toml").read_text("utf-8")
    except FileNotFoundError:
        return {}
    return tomllib.loads(text)


def _page(code: str, entry: Mapping[str, Any]) -> Page:
    return Page(
        code,
        entry["title"],
        entry["retry"],
        entry["meaning"],
        entry["why"],
        tuple(entry["fix"]),
        entry["again"],
        tuple(entry.get("related", ())),
        entry.get("here"),
        tuple((code, why) for code, why in entry.get("alike", ())),
        entry.get("says"),
    )
