"""`python -m tests.picture` draws README's picture: a real `magictel send-sample --sandbox` on a terminal of 80 columns, as SVG."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from magictel.guide.topics import FOLDER

PICTURE = FOLDER / "send-sample.svg"
COMMAND = ("send-sample", "--sandbox")
_COLUMNS = 80


def on_terminal(*words: str, columns: int = _COLUMNS, **environment: str) -> str:
    """Return what a command writes to a terminal, colours and all, in an environment that enables nothing. It succeeds."""
    code, shown = ran_on_terminal(*words, columns=columns, **environment)
    assert code == 0, shown
    return shown


def ran_on_terminal(
    *words: str,
    columns: int = _COLUMNS,
    errors: int = subprocess.DEVNULL,
    folder: Path | None = None,
    **environment: str,
) -> tuple[int, str]:
    """Return a command's exit code, and what it writes to a terminal; `errors`: where standard error goes."""
    main, terminal = pty.openpty()
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "TERM": "xterm-256color",
        "COLUMNS": str(columns),
        "LANG": "C.UTF-8",
        **environment,
    }
    command = [sys.executable, "-m", "magictel", *words]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=errors,
        env=variables,
        cwd=folder,
        close_fds=True,
    ) as process:
        os.close(terminal)
        shown = bytearray()
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            shown += piece
        process.wait(300)
    os.close(main)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def drawn() -> str:
    """Return the picture of a run that happens now."""
    console = Console(file=io.StringIO(), record=True, width=_COLUMNS, force_terminal=True, color_system="standard")
    console.print(Text(f"$ magictel {' '.join(COMMAND)}", "bold"))
    console.print(Text.from_ansi(on_terminal(*COMMAND).rstrip("\n")))
    return console.export_svg(title="magictel", unique_id="magictel")


if __name__ == "__main__":
    Path(PICTURE).write_text(drawn() + "\n", "utf-8")
