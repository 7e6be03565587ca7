"""Completions for bash, zsh and fish, generated from the commands: static files that start no Python on TAB.

`python -m magictel.cli.shell_scripts` writes them into a directory (default `completions`); a test keeps them up to date.
The shell itself reads target names from `magictel.toml`.
"""

from __future__ import annotations

from pathlib import Path

from magictel.cli.shell_scripts.scripts import bash, fish, zsh
from magictel.cli.shell_scripts.spelled import Spelled, spelled

SHELLS = ("bash", "zsh", "fish")


def script(shell: str, commands: tuple[Spelled, ...] | None = None) -> str:
    """Return the completion script of a shell."""
    makers = {"bash": bash, "zsh": zsh, "fish": fish}
    return makers[shell](spelled() if commands is None else commands)


def write(folder: Path) -> None:
    """Write all three scripts into a directory."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = spelled()
    for shell in SHELLS:
        (folder / f"magictel.{shell}").write_text(script(shell, commands), "utf-8")
