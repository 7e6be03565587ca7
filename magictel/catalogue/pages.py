"""Pages of the catalogue, loaded from the TOML files beside this module."""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent

RETRY: Mapping[str, str] = {
    "no": "never: the same request fails again",
    "backoff": "with growing pauses: it may pass by itself",
    "after-header": "after the time that the reply names",
    "split": "in halves: it is too large as a whole",
    "slow": "minutes later: a person must act first",
    "verify": "nothing to repeat: the reply proves nothing, so ask what is stored",
    "poll": "ask again until it shows",
    "downgrade": "in an older version of the protocol",
    "treat-as-success": "nothing to repeat: it has arrived already",
    "unknown": "not known: nothing that was pasted says it",
}
"""The retry classes: what sending the same thing again can do."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of a code.

    `title`: one sentence. `meaning`, `why`: what was seen, and why it matters. `mend`: lines, of which those that begin with `$ `
    are commands to copy. `again`: how to see it again where it was met; `here`: on any machine, without that server. `related`: codes
    that look alike or come along.
    """

    code: str
    title: str
    retry: str
    meaning: str
    why: str
    mend: tuple[str, ...]
    again: str
    related: tuple[str, ...] = ()
    here: str | None = None

    @property
    def first(self) -> str:
        """The first thing to do about it: a sentence, and the command that stands under it."""
        first, *rest = self.mend
        if first.startswith("$ ") or not rest or not rest[0].startswith("$ "):
            return first.removeprefix("$ ")
        return f"{first.rstrip('.:')}: {rest[0].removeprefix('$ ')}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of `mend`, `again` and `here`, to copy."""
        return tuple(line[2:] for line in (*self.mend, self.again, self.here or "") if line.startswith("$ "))


def explain(code: str) -> Page | None:
    """The page of a code, or None where there is none."""
    part = code.partition(".")[0]
    if not part.isidentifier():
        return None
    entry = _entries(part).get(code)
    return None if entry is None else _page(code, entry)


def codes() -> tuple[str, ...]:
    """Every code that has a page, sorted."""
    parts = sorted(file.stem for file in _FOLDER.glob("*.toml"))
    return tuple(sorted(code for part in parts for code in _entries(part)))


def near(code: str, count: int = 3) -> tuple[str, ...]:
    """Codes that somebody who wrote `code` may have meant: those that it begins, then those spelled alike."""
    known = codes()
    begun = [one for one in known if one.startswith(f"{code}.")]
    alike = difflib.get_close_matches(code, known, count, 0.6)
    ends = [one for one in known if one.endswith(f".{code}")]
    return tuple(dict.fromkeys([*ends, *begun, *alike]))[:count]


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
        tuple(entry["mend"]),
        entry["again"],
        tuple(entry.get("related", ())),
        entry.get("here"),
    )
