"""The origin of a setting's value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LayerName = Literal["default", "file", "variable", "option"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A layer and a location in it: `magictel.toml:4`, `ELASTICSEARCH_URL`, `--set url`, `default`."""

    kind: LayerName
    where: str

    def __str__(self) -> str:
        return self.where


DEFAULT = Origin("default", "default")


def file_line(path: str, line: int) -> Origin:
    """Return the origin for a line of the configuration file."""
    return Origin("file", f"{path}:{line}" if line else path)


def variable(name: str) -> Origin:
    """Return the origin for an environment variable."""
    return Origin("variable", name)


def option_origin(text: str) -> Origin:
    """Return the origin for a command-line option, without its value."""
    return Origin("option", text)
