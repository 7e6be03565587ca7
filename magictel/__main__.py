"""`python -m magictel` is the command."""

from __future__ import annotations

from magictel.cli.main import main

main()
