"""The origin of a setting's value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LayerName = Literal["default", "file", "variable", "option"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A layer and a location in it, without the value: `magictel.toml:4`, `ELASTICSEARCH_URL`, `--set url`, `default`."""

    kind: LayerName
    where: str

    def __str__(self) -> str:
        return self.where


DEFAULT = Origin("default", "default")
