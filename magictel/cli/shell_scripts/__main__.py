"""`python -m magictel.cli.shell_scripts [FOLDER]`: write the completion scripts."""

from __future__ import annotations

import sys
from pathlib import Path

from magictel.cli.shell_scripts import write

if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "completions"))
