"""The location of `magictel.toml`; separate from `file`, so that a command without it does not import a TOML parser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

NAME = "magictel.toml"
VARIABLE = "MAGICTEL_CONFIG"


def locate(option: str | None, environment: Mapping[str, str], folder: Path) -> tuple[Path, str, str | None]:
    """Return the file's path, the path as given, and the option or variable that names it (None: the default place)."""
    if option:
        return folder / option, option, "--config"
    named = environment.get(VARIABLE, "").strip()
    if named:
        return folder / named, named, VARIABLE
    return folder / NAME, NAME, None
