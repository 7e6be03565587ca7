"""Replies and log lines of other backends, gateways and clients (`foreign.jsonl`), with what must be made of each.

They come from public issue trackers and manuals and are in no row of the fault catalogue. `retry`, `code` and `outcome` may name
several, joined by |.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Foreign:
    """A reply (`status`, `headers`, `body`) or a line of a log (`text`), and what a careful operator expects of it."""

    name: str
    retry: str
    code: str
    outcome: str | None
    who: str | None = "the backend"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    text: str | None = None
    exporters: tuple[str, ...] = ("elasticsearch", "opensearch", "prometheus-remote-write")
    says: str = ""
    after: float | None = None


def _read() -> list[Foreign]:
    lines = Path(__file__).with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    return [
        Foreign(**{**case, **({"exporters": tuple(case["exporters"])} if "exporters" in case else {})})
        for case in cases
    ]


FOREIGN = _read()
