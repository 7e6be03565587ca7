"""Which process listens on a port, where this user may see it (Linux)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

_LISTENING = {"tcp": "0A", "udp": "07"}
"""The state of a socket that listens; one for UDP is not connected."""


def listener(port: int, protocol: Literal["tcp", "udp"] = "tcp") -> str:
    """Return `process 4711 (gunicorn)` for the process that listens on a port; an empty text if that is not visible."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, protocol)}
    if not sockets:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in sockets for link in (process / "fd").iterdir()):
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return ""


def _inodes(port: int, protocol: str) -> Iterator[str]:
    for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTENING[protocol] and int(columns[1].rpartition(":")[2], 16) == port:
                    yield columns[9]
