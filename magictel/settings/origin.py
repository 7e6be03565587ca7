"""Where a setting's value came from, in words that a person can go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["default", "file", "variable", "option"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A layer and the place in it: `magictel.toml:4`, `ELASTICSEARCH_URL`, `--set url`, `default`."""

    kind: Kind
    where: str

    def __str__(self) -> str:
        return self.where


DEFAULT = Origin("default", "default")


def file_line(path: str, line: int) -> Origin:
    """A line of the config file."""
    return Origin("file", f"{path}:{line}" if line else path)


def variable(name: str) -> Origin:
    """An environment variable."""
    return Origin("variable", name)


def option(text: str) -> Origin:
    """A command line option, as it was written up to its value."""
    return Origin("option", text)
