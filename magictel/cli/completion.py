"""`magictel completion`: print the packaged completion script of a shell."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Shell(StrEnum):
    """A supported shell."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def command(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Your shell.", show_choices=True)],
) -> int:
    """Print the completion script of a shell.

    bash: eval "$(magictel completion bash)" in ~/.bashrc.
    zsh: source <(magictel completion zsh) in ~/.zshrc, after compinit.
    fish: magictel completion fish | source in ~/.config/fish/config.fish.
    """
    from magictel.cli import output

    output.say(_packaged(shell).read_text("utf-8").removesuffix("\n"))
    return 0


def _packaged(shell: Shell) -> Path:
    """Return the script from the package, or from the folder beside it in a checkout."""
    package = Path(__file__).parents[1]
    name = f"completions/magictel.{shell}"
    return package / name if (package / name).exists() else package.parent / name
