"""Pipelines with a spool, and what is in its file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from magictel.delivery.spool import Spool
from tests.delivery.rig import Rig, Step


class SpoolRig(Rig):
    """A `Rig` whose outbox is a spool; several on one path are several processes."""

    def __init__(self, path: Path, script: Iterable[Step] = (), *, fingerprint: str = "f", **settings: Any) -> None:
        super().__init__(script, **settings)
        self.path = path
        self.spool = Spool(
            path,
            self.settings,
            self.clock,
            logging.getLogger("magictel.spooled"),
            target="spooled",
            fingerprint=lambda: fingerprint,
            redact=lambda text: text.replace("s3cret", "***"),
            in_order=bool(settings.get("in_order")),
        )
        self.pipeline.outbox = self.spool

    @property
    def stored(self) -> int:
        return sum(points for (points,) in rows(self.path, "SELECT points FROM payload"))


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


def counts(path: Path) -> dict[str, int]:
    """The points of a file by fate, with those that it keeps. The sum must hold at any time."""
    fates = dict(rows(path, "SELECT fate, sum(points) FROM ledger GROUP BY fate"))
    ((fates["kept"],),) = rows(path, "SELECT coalesce(sum(points), 0) FROM payload")
    known = sum(fates.get(fate, 0) for fate in ("delivered", "unconfirmed", "rejected", "dropped", "kept"))
    assert fates.get("sent", 0) == known, fates
    return fates
