"""Where `magictel.toml` is or would be; apart from `file`, so that a command without one does not pay for a TOML parser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

NAME = "magictel.toml"
VARIABLE = "MAGICTEL_CONFIG"


def locate(option: str | None, environment: Mapping[str, str], folder: Path) -> tuple[Path, str, str | None]:
    """Where the file is or would be: its path, the path as given, and who said so (None: nobody, it is the usual place)."""
    if option:
        return folder / option, option, "--config"
    named = environment.get(VARIABLE, "").strip()
    if named:
        return folder / named, named, VARIABLE
    return folder / NAME, NAME, None
